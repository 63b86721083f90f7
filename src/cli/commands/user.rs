//! `musterd user …`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::{bulk, done, items, show, user_files, user_import};
use crate::cli::client::{Client, encode};
use crate::cli::output;
pub(super) use fields::read_password;
use fields::{Create, Fields};

mod fields;

#[derive(Subcommand)]
pub(in crate::cli) enum User {
    /// Make a local user; without --password-stdin or --password-hash-file the user sets a password by the link that is printed
    Create(Create),
    /// List users
    List(List),
    /// Take users as a spreadsheet: everybody by username, or those of a filter; passwords are never in it
    Export(user_files::Export),
    /// Create and change users as a file says
    Import(user_import::Import),
    /// Change many users at once
    Bulk(bulk::Bulk),
    /// Take a spreadsheet to fill in and import
    Template(user_files::FileWish),
    /// Show one user
    Show { user: String },
    /// Change attributes
    #[command(visible_alias = "set")]
    Change {
        user: String,
        #[command(flatten)]
        fields: Fields,
    },
    /// Make a user with everything of another but name, username, email, password and factors
    Duplicate {
        user: String,
        /// Take over this part alone, any number of times: phone, description, expires_at, roles, organizations, managed_by, groups, mfa, must_change_password
        #[arg(long, value_name = "PART", conflicts_with = "without")]
        copy: Vec<String>,
        /// Take over everything but this part, any number of times
        #[arg(long, value_name = "PART")]
        without: Vec<String>,
        #[command(flatten)]
        create: Create,
    },
    /// Keep a user out; everything they hold ends at once
    Disable {
        user: String,
        /// For the audit trail
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let a disabled user in again
    Enable { user: String },
    /// Remove a user to a tombstone
    Delete { user: String },
    /// Take a removed user back, by id
    Restore { id: String },
    /// Set a password, read from standard input
    Password {
        user: String,
        /// Do not ask for another at the next login
        #[arg(long)]
        keep: bool,
    },
    /// Make a link by which the user sets a password
    Link { user: String },
    /// Forget failed tries
    Unlock { user: String },
    /// Show the second factors of a user, and what asks for one
    Mfa { user: String },
    /// Remove all second factors
    ResetMfa { user: String },
    /// List the devices that stand in for a user's second factor
    Devices { user: String },
    /// Trust none of these devices any more
    ForgetDevices { user: String },
    /// List the sessions of a user
    Sessions { user: String },
    /// End everything that a user holds, or one session
    #[command(visible_alias = "logout")]
    EndSessions {
        user: String,
        /// Only this one, by the id that `sessions` shows
        #[arg(long, value_name = "ID")]
        session: Option<String>,
    },
}

#[derive(Args)]
pub(in crate::cli) struct List {
    /// SCIM filter, such as 'source eq "corp" and active eq true'
    #[arg(long)]
    filter: Option<String>,
    /// Attribute to sort by; a minus sign in front turns the order around
    #[arg(long, default_value = "username", allow_hyphen_values = true)]
    sort: String,
    /// How many at most
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// All of them, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Where an earlier page ended
    #[arg(long)]
    cursor: Option<String>,
    /// Tombstones instead
    #[arg(long)]
    removed: bool,
    /// What to show of each, as --json names it, such as username,phone,groups
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
}

pub(super) async fn run(user: User, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |user: &str, rest: &str| format!("/api/v1/users/{}{rest}", encode(user));
    match user {
        User::Create(create) => {
            let answer = client.post("/api/v1/users", create.body()?).await?;
            show(&answer, json, made)
        }
        User::Duplicate { user, copy, without, create } => {
            let mut body = create.body()?;
            for (name, parts) in [("copy", copy), ("without", without)] {
                let parts = Some(parts).filter(|parts| !parts.is_empty());
                body.as_object_mut().zip(parts).map(|(body, parts)| body.insert(name.to_owned(), parts.into()));
            }
            let answer = client.post(&path(&user, "/duplicate"), body).await?;
            show(&answer, json, made)
        }
        User::List(wish) => list(wish, client, json).await,
        User::Export(wish) => user_files::export(wish, client, json).await,
        User::Import(wish) => user_import::run(wish, client, json).await,
        User::Bulk(wish) => bulk::run(wish, client, json).await,
        User::Template(file) => user_files::template(file, client, json).await,
        User::Show { user } => show(&client.get(&path(&user, "")).await?, json, output::card),
        User::Change { user, fields } => {
            let answer = client.call(Method::PATCH, &path(&user, ""), Some(Value::Object(fields.body()))).await?;
            show(&answer, json, output::card)
        }
        User::Disable { user, reason } => {
            let answer = client.post(&path(&user, "/disable"), json!({"reason": reason})).await?;
            done(&answer, json, &format!("{user} is disabled; everything they held has ended"))
        }
        User::Enable { user } => {
            let answer = client.post(&path(&user, "/enable"), json!({})).await?;
            done(&answer, json, &format!("{user} is enabled"))
        }
        User::Restore { id } => {
            let answer = client.post(&path(&id, "/restore"), json!({})).await?;
            done(&answer, json, &format!("{} is back", output::text_at(&answer, "username")))
        }
        User::Delete { user } => {
            let id = output::text_at(&client.get(&path(&user, "")).await?, "id");
            let answer = client.call(Method::DELETE, &path(&id, ""), None).await?;
            done(&answer, json, &format!("{user} is removed; `musterd user restore {id}` takes it back"))
        }
        User::Password { user, keep } => {
            let wish = json!({"password": read_password()?.expose(), "must_change": !keep});
            let answer = client.post(&path(&user, "/password"), wish).await?;
            done(&answer, json, &format!("the password of {user} is set; their sessions have ended"))
        }
        User::Link { user } => {
            let answer = client.post(&path(&user, "/password-link"), json!({})).await?;
            show(&answer, json, |answer| output::line(&output::text_at(answer, "password_link")))
        }
        User::Unlock { user } => {
            let answer = client.post(&path(&user, "/unlock"), json!({})).await?;
            done(&answer, json, &format!("the failed tries of {user} are forgotten"))
        }
        User::Mfa { user } => show(&client.get(&path(&user, "/mfa")).await?, json, factors),
        User::Devices { user } => show(&client.get(&path(&user, "/devices")).await?, json, devices),
        User::ForgetDevices { user } => {
            let answer = client.call(Method::DELETE, &path(&user, "/devices"), None).await?;
            done(&answer, json, &format!("{} devices of {user} are forgotten", output::text_at(&answer, "forgotten")))
        }
        User::ResetMfa { user } => {
            let answer = client.call(Method::DELETE, &path(&user, "/mfa"), None).await?;
            done(&answer, json, &format!("{} factors of {user} are removed", output::text_at(&answer, "removed")))
        }
        User::Sessions { user } => show(&client.get(&path(&user, "/sessions")).await?, json, sessions),
        User::EndSessions { user, session: None } => {
            let answer = client.call(Method::DELETE, &path(&user, "/sessions"), None).await?;
            done(&answer, json, &format!("everything {user} held has ended"))
        }
        User::EndSessions { user, session: Some(id) } => {
            let rest = format!("/sessions/{}", encode(&id));
            let answer = client.call(Method::DELETE, &path(&user, &rest), None).await?;
            done(&answer, json, &format!("the session {id} of {user} has ended"))
        }
    }
}

fn made(answer: &Value) {
    output::line(&format!("{} is made", output::text_at(answer, "username")));
    if let Some(link) = answer.get("password_link").and_then(Value::as_str) {
        output::line(&format!("the password is set at {link}"));
    }
}

fn sessions(answer: &Value) {
    let columns = [
        ("ID", "id"),
        ("BEGAN", "created_at"),
        ("LAST USED", "last_used_at"),
        ("ENDS", "expires_at"),
        ("ADDRESS", "address"),
        ("PROVED BY", "factors"),
        ("APPLICATION", "client"),
        ("AGENT", "agent"),
    ];
    output::table(items(answer), &columns);
}

/// The second factors, and below them what asks for one.
fn factors(answer: &Value) {
    let columns = [
        ("KIND", "kind"),
        ("NAME", "name"),
        ("SINCE", "created_at"),
        ("LAST USED", "used_at"),
        ("SENT TO", "sent_to"),
        ("USABLE", "usable"),
        ("ID", "id"),
    ];
    output::table(items(answer), &columns);
    let text = |name: &str| output::text_at(answer, name);
    output::line("");
    output::line(&format!("policy: {}; {}", text("policy"), text("asked_by")));
    output::line(&format!("recovery codes left: {}", text("recovery_codes_left")));
}

fn devices(answer: &Value) {
    let columns = [
        ("ID", "id"),
        ("SINCE", "created_at"),
        ("LAST USED", "last_used_at"),
        ("UNTIL", "expires_at"),
        ("ADDRESS", "address"),
        ("AGENT", "agent"),
    ];
    output::table(items(answer), &columns);
}

/// What a list shows unless told.
const LIST: &[(&str, &str)] = &[
    ("USERNAME", "username"),
    ("NAME", "name"),
    ("EMAIL", "email"),
    ("SOURCE", "source"),
    ("STATE", "state"),
    ("LAST LOGIN", "last_login"),
    ("ID", "id"),
];

async fn list(wish: List, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let mut query = format!("/api/v1/users?sort={}&removed={}", encode(&wish.sort), wish.removed);
    query.extend(wish.filter.map(|filter| format!("&filter={}", encode(&filter))));
    let most = if wish.all { usize::MAX } else { wish.limit };
    let answer = client.pages(&query, most, wish.cursor).await?;
    show(&answer, json, |answer| {
        let titles: Vec<String> = wish.columns.iter().map(|name| name.replace('_', " ").to_uppercase()).collect();
        let chosen: Vec<(&str, &str)> =
            titles.iter().zip(&wish.columns).map(|(title, name)| (title.as_str(), name.as_str())).collect();
        output::table(items(answer), if chosen.is_empty() { LIST } else { &chosen });
        if let Some(next) = answer.get("next_cursor").and_then(Value::as_str) {
            output::complain(&format!("there are more: --cursor {next}, or --all"));
        }
    })
}
