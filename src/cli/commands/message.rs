//! `musterd message …`

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use hyper::Method;
use serde_json::json;

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
        id: String,
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
    let path = |id: &str| format!("/api/v1/messages/{}", encode(id));
    match message {
        Message::List { state } => {
            let (name, column) = match state {
                State::Waiting => ("waiting", ("NEXT TRY", "next_try")),
                State::Failed => ("failed", ("GIVEN UP", "failed_at")),
            };
            let answer = client.get(&format!("/api/v1/messages?limit=1000&state={name}")).await?;
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
        Message::Retry { id } => {
            let answer = client.post(&format!("{}/retry", path(&id)), json!({})).await?;
            done(&answer, json, "it is tried again now")
        }
        Message::Drop { id } => {
            let answer = client.call(Method::DELETE, &path(&id), None).await?;
            done(&answer, json, "it is sent no more")
        }
    }
}
