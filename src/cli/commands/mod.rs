//! The commands that talk to the running daemon, one file an area.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, encode};
use super::exit::Exit;
use super::output;

mod audit;
mod bulk;
mod conflict;
mod group;
mod mail;
mod message;
mod organization;
mod plan;
mod role;
mod settings;
mod sms;
mod source;
mod sweep;
mod token;
mod user;
mod user_files;
mod user_import;
mod webhook;

#[derive(Subcommand)]
pub(super) enum Remote {
    /// Users: make, look at, change
    #[command(subcommand)]
    User(Box<user::User>),
    /// Groups of musterd's own
    #[command(subcommand)]
    Group(group::Group),
    /// Organisations, and who is in them
    #[command(subcommand)]
    Organization(organization::Organization),
    /// Roles: sets of permissions
    #[command(subcommand)]
    Role(role::Role),
    /// Sources: test them, plan or run a pass
    #[command(subcommand)]
    Source(source::Source),
    /// Plans that wait for a person
    #[command(subcommand)]
    Plan(plan::Plan),
    /// Entries of sources that wait because another user holds their name
    #[command(subcommand)]
    Conflict(conflict::Conflict),
    /// Disable who has expired or gone quiet
    Sweep(sweep::Sweep),
    /// API tokens of applications, programs and identity providers
    #[command(subcommand)]
    Token(token::Token),
    /// Could this user come in now, and if not, why?
    Explain {
        /// Id or username
        user: String,
        /// Also who would be asked for the password, and how the last tries went
        #[arg(long)]
        login: bool,
    },
    /// The audit trail, newest first, or exported oldest first
    Audit(audit::Audit),
    /// Background work and what came of it
    Tasks,
    /// Does the daemon read and write?
    Status,
    /// The settings: look at them, change policy while the daemon runs
    #[command(subcommand)]
    Settings(settings::Settings),
    /// Mail: try it
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Messages that wait, or were given up
    #[command(subcommand)]
    Message(message::Message),
    /// Codes to phones
    #[command(subcommand)]
    Sms(sms::Sms),
    /// Where events go
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// What needs a person
    #[command(subcommand)]
    Alarm(webhook::Alarm),
    /// The key that stored secrets are sealed with, and those that sign tokens
    #[command(subcommand)]
    Key(Key),
}

#[derive(Subcommand)]
pub(super) enum Key {
    /// Make a new key and seal every stored secret with it
    Rotate,
    /// Let the next key sign tokens as soon as it has been told of for a day
    RotateSigning {
        /// Drop every other key at once, because somebody knows one: what they signed is refused
        #[arg(long)]
        at_once: bool,
    },
}

/// Runs a command and prints what came of it.
pub(super) async fn run(remote: Remote, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match remote {
        Remote::User(user) => user::run(*user, client, json).await,
        Remote::Group(group) => group::run(group, client, json).await,
        Remote::Organization(organization) => organization::run(organization, client, json).await,
        Remote::Role(role) => role::run(role, client, json).await,
        Remote::Source(source) => source::run(source, client, json).await,
        Remote::Plan(plan) => plan::run(plan, client, json).await,
        Remote::Conflict(conflict) => conflict::run(conflict, client, json).await,
        Remote::Mail(mail) => mail::run(mail, client, json).await,
        Remote::Message(message) => message::run(message, client, json).await,
        Remote::Sms(sms) => sms::run(sms, client, json).await,
        Remote::Webhook(webhook) => webhook::run(webhook, client, json).await,
        Remote::Alarm(alarm) => webhook::alarms(alarm, client, json).await,
        Remote::Token(token) => token::run(token, client, json).await,
        Remote::Sweep(sweep) => sweep::run(sweep, client, json).await,
        Remote::Explain { user, login } => {
            let answer = client.get(&format!("/api/v1/users/{}/explain", encode(&user))).await?;
            show(&answer, json, |answer| explained(answer, login))
        }
        Remote::Audit(audit) => audit::run(audit, client, json).await,
        Remote::Settings(settings) => settings::run(settings, client, json).await,
        Remote::Key(Key::Rotate) => {
            let answer = client.post("/api/v1/key/rotate", json!({})).await?;
            show(&answer, json, rotated)
        }
        Remote::Key(Key::RotateSigning { at_once }) => {
            let answer = client.post("/api/v1/key/rotate-signing", json!({"at_once": at_once})).await?;
            let words = format!("the next key signs from {} on", output::text_at(&answer, "signs_from"));
            done(&answer, json, &words)
        }
        Remote::Status => {
            let answer = client.get("/readyz").await?;
            done(&answer, json, "ready")
        }
        Remote::Tasks => {
            let answer = client.get("/api/v1/tasks").await?;
            show(&answer, json, tasks)
        }
    }
}

/// Prints an answer: whole for programs, in the given way for people.
fn show(answer: &Value, json: bool, people: impl FnOnce(&Value)) -> anyhow::Result<ExitCode> {
    if json {
        output::json(answer);
    } else {
        output::answer(answer, people);
    }
    Ok(ExitCode::SUCCESS)
}

/// Fine, unless what was asked for is held.
fn unless_held(answer: &Value) -> Exit {
    let is_held = ["outcome.is", "status"].iter().any(|path| output::text_at(answer, path) == "held");
    if is_held { Exit::Held } else { Exit::Fine }
}

/// Says in words that something is done, where no program reads it.
fn done(answer: &Value, json: bool, words: &str) -> anyhow::Result<ExitCode> {
    show(answer, json, |_| output::line(words))
}

fn items(answer: &Value) -> &Value {
    answer.get("items").unwrap_or(&Value::Null)
}

/// What decides whether a user comes in; with `login`, also who would be asked, and how the last tries went.
fn explained(answer: &Value, login: bool) {
    let mut card = answer.clone();
    let mut part = |name: &str| card.as_object_mut().and_then(|card| card.remove(name)).unwrap_or_default();
    let (of_login, waiting) = (part("login"), part("waiting"));
    output::card(&card);
    if login {
        output::line("");
        output::card(&waiting);
        output::line("");
        let backends = of_login.get("backends").unwrap_or(&Value::Null);
        output::table(backends, &[("BACKEND", "id"), ("ASKED", "asked"), ("HEALTH", "health"), ("BECAUSE", "because")]);
        output::line("");
        let attempts = of_login.get("attempts").unwrap_or(&Value::Null);
        output::table(
            attempts,
            &[("LAST TRIES", "at"), ("CAME TO", "outcome"), ("BECAUSE", "reason"), ("FROM", "address")],
        );
    }
}

fn tasks(answer: &Value) {
    let rows = items(answer).as_object().map(|tasks| {
        let row = |(name, status): (&String, &Value)| {
            let result = status.get("last_result").cloned().unwrap_or_default();
            let result = result.get("Ok").or_else(|| result.get("Err")).cloned().unwrap_or_default();
            json!({"task": name, "schedule": status.get("schedule"), "last_run": status.get("last_run"), "result": result})
        };
        tasks.iter().map(row).collect::<Vec<_>>()
    });
    let columns = [("TASK", "task"), ("SCHEDULE", "schedule"), ("LAST RUN", "last_run"), ("CAME TO", "result")];
    output::table(&Value::Array(rows.unwrap_or_default()), &columns);
}

fn rotated(answer: &Value) {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let values = answer.get("values").and_then(Value::as_u64).unwrap_or_default();
    output::line(&format!("{values} secrets are sealed with a new key ({})", text("fingerprint")));
    output::line(&format!(
        "Backups from before need the key of then: it is in {}. Keep it with them, and remove it here.",
        text("old_key_file")
    ));
}
