//! `musterd user …`

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::{done, items, show};
use crate::base::secret::Secret;
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum User {
    /// Make a local user; without --password-stdin or --password-hash-file the user sets a password by the link that is printed
    Create(Create),
    /// List users
    List {
        /// SCIM filter, such as 'source eq "corp" and active eq true'
        #[arg(long)]
        filter: Option<String>,
        /// Attribute to sort by; a minus sign in front turns the order around
        #[arg(long, default_value = "username", allow_hyphen_values = true)]
        sort: String,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Where an earlier page ended
        #[arg(long)]
        cursor: Option<String>,
        /// Tombstones instead
        #[arg(long)]
        removed: bool,
    },
    /// Show one user
    Show { user: String },
    /// Change attributes
    Change {
        user: String,
        #[command(flatten)]
        fields: Fields,
    },
    /// Make a user with everything of another but name, username, email and password
    Duplicate {
        user: String,
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
    /// Remove all second factors
    ResetMfa { user: String },
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
pub(in crate::cli) struct Create {
    /// The login name of the new user
    username: String,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Take the password's hash, from where the user comes from, from the first line of a file: argon2id, bcrypt, PBKDF2
    /// as Django has it, or {SSHA}
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    password_hash_file: Option<PathBuf>,
    /// Make the user without password or link
    #[arg(long, conflicts_with_all = ["password_stdin", "password_hash_file"])]
    no_link: bool,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Args)]
pub(in crate::cli) struct Fields {
    /// The login name
    #[arg(long = "username", value_name = "USERNAME")]
    rename: Option<String>,
    /// The name to show
    #[arg(long)]
    name: Option<String>,
    /// The email address
    #[arg(long)]
    email: Option<String>,
    /// The phone number, such as +31201234567; "" for none
    #[arg(long)]
    phone: Option<String>,
    /// A description
    #[arg(long)]
    description: Option<String>,
    /// When the account ends, such as 2027-12-31T23:59:59Z; "" for never
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// A system role; may be given several times
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A local group; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The second-factor policy: disabled, enabled or forced
    #[arg(long)]
    mfa: Option<String>,
    /// Ask for a new password at the next login
    #[arg(long)]
    must_change_password: Option<bool>,
}

impl Fields {
    fn body(self) -> Map<String, Value> {
        let clearable = |text: Option<String>| text.map(|text| if text.is_empty() { Value::Null } else { text.into() });
        let list = |items: Vec<String>| (!items.is_empty()).then(|| Value::from(items));
        let members = [
            ("username", self.rename.map(Value::from)),
            ("name", self.name.map(Value::from)),
            ("email", self.email.map(Value::from)),
            ("phone", clearable(self.phone)),
            ("description", clearable(self.description)),
            ("expires_at", clearable(self.expires_at)),
            ("roles", list(self.roles)),
            ("groups", list(self.groups)),
            ("mfa", self.mfa.map(Value::from)),
            ("must_change_password", self.must_change_password.map(Value::from)),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl Create {
    fn body(self) -> anyhow::Result<Value> {
        let mut body = self.fields.body();
        body.insert("username".to_owned(), self.username.into());
        if self.password_stdin {
            body.insert("password".to_owned(), read_password()?.expose().into());
        } else if let Some(file) = &self.password_hash_file {
            body.insert("password_hash".to_owned(), read_hash(file)?.expose().into());
        } else {
            body.insert("password_link".to_owned(), (!self.no_link).into());
        }
        Ok(Value::Object(body))
    }
}

/// A password from standard input, up to the end of the line. It never stands among the arguments.
pub(super) fn read_password() -> anyhow::Result<Secret> {
    if std::io::stdin().is_terminal() {
        output::complain("type the password, then Enter and Ctrl-D (it is shown as you type)");
    }
    let mut text = String::new();
    std::io::stdin().lock().take(4_096).read_to_string(&mut text)?;
    let password = Secret::new(text.strip_suffix('\n').unwrap_or(&text));
    if password.is_empty() {
        bail!("no password came from standard input");
    }
    Ok(password)
}

/// The first line of a file, which never stands among the arguments either.
fn read_hash(file: &Path) -> anyhow::Result<Secret> {
    let mut text = String::new();
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let read = opened.take(4_096).read_to_string(&mut text);
    read.with_context(|| format!("cannot read {}", file.display()))?;
    match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
        Some(line) => Ok(Secret::new(line)),
        None => bail!("{} holds no hash in its first line", file.display()),
    }
}

pub(super) async fn run(user: User, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |user: &str, rest: &str| format!("/api/v1/users/{}{rest}", encode(user));
    match user {
        User::Create(create) => {
            let answer = client.post("/api/v1/users", create.body()?).await?;
            show(&answer, json, made)
        }
        User::Duplicate { user, create } => {
            let answer = client.post(&path(&user, "/duplicate"), create.body()?).await?;
            show(&answer, json, made)
        }
        User::List { filter, sort, limit, cursor, removed } => {
            let mut query = format!("?sort={}&limit={limit}&removed={removed}", encode(&sort));
            for (name, value) in [("filter", filter), ("cursor", cursor)] {
                query.extend(value.map(|value| format!("&{name}={}", encode(&value))));
            }
            let answer = client.get(&format!("/api/v1/users{query}")).await?;
            show(&answer, json, list)
        }
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

fn list(answer: &Value) {
    let columns = [
        ("USERNAME", "username"),
        ("NAME", "name"),
        ("EMAIL", "email"),
        ("SOURCE", "source"),
        ("STATE", "state"),
        ("LAST LOGIN", "last_login"),
        ("ID", "id"),
    ];
    output::table(items(answer), &columns);
    if let Some(next) = answer.get("next_cursor").and_then(Value::as_str) {
        output::line(&format!("(more: --cursor {next})"));
    }
}
