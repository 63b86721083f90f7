//! `musterd message …`

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};

use super::{done, items, show};
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Message {
    /// List messages that wait to be sent, or those that were given up
    List {
        /// Which
        #[arg(long, value_enum, default_value = "waiting")]
        state: State,
    },
    /// Try a message again now, also one that was given up
    Retry {
        /// Its number, as the list shows it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All that were given up and are still of use
        #[arg(long)]
        all: bool,
        /// Of those only the ones of this kind, as the list shows it
        #[arg(long, requires = "all")]
        kind: Option<String>,
    },
    /// Send a message no more
    Drop {
        /// Its number, as the list shows it
        id: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(in crate::cli) enum State {
    /// To be sent
    Waiting,
    /// Refused for good, or over before they could be sent
    Failed,
}

pub(super) async fn run(message: Message, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match message {
        Message::List { state } => {
            let (name, column) = match state {
                State::Waiting => ("waiting", ("NEXT TRY", "next_try")),
                State::Failed => ("failed", ("GIVEN UP", "failed_at")),
            };
            let answer = client.all(&format!("/api/v1/messages?state={name}")).await?;
            let columns = [
                ("ID", "id"),
                ("KIND", "kind"),
                ("VIA", "via"),
                ("TO", "to"),
                ("SINCE", "created_at"),
                ("UNTIL", "expires_at"),
                ("TRIES", "attempts"),
                column,
                ("LAST ERROR", "last_error"),
            ];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Message::Retry { id: None, kind, .. } => retry_all(kind.as_deref(), client, json).await,
        Message::Retry { id: Some(id), .. } => {
            let answer = client.post(&format!("{}/retry", path(&id)), json!({})).await?;
            done(&answer, json, "it is tried again now")
        }
        Message::Drop { id } => {
            let answer = client.call(Method::DELETE, &path(&id), None).await?;
            done(&answer, json, "it is sent no more")
        }
    }
}

fn path(id: &str) -> String {
    format!("/api/v1/messages/{}", encode(id))
}

/// Has everything that was given up tried again: after a fault of the settings it is all of use again.
async fn retry_all(kind: Option<&str>, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let failed = client.all("/api/v1/messages?state=failed").await?;
    let text = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
    let of_kind = |item: &&Value| kind.is_none_or(|kind| text(item, "kind").as_deref() == Some(kind));
    let (mut retried, mut over) = (0_u64, 0_u64);
    for item in items(&failed).as_array().into_iter().flatten().filter(of_kind) {
        let id = text(item, "id").unwrap_or_default();
        match client.post_where_possible(&format!("{}/retry", path(&id))).await? {
            true => retried = retried.saturating_add(1),
            false => over = over.saturating_add(1),
        }
    }
    let words = format!("{retried} are tried again now; {over} are of no use any more");
    done(&json!({"retried": retried, "over": over}), json, &words)
}
