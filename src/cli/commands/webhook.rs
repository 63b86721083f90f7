//! `musterd webhook …` and `musterd alarm …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{items, show};
use crate::cli::client::{Client, encode};
use crate::cli::exit::Exit;
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Webhook {
    /// How each webhook stands
    List,
    /// Send one event that tells of nothing; one that is taken ends every pause
    Test {
        /// The name of the settings
        name: String,
    },
}

#[derive(Subcommand)]
pub(in crate::cli) enum Alarm {
    /// What needs a person now
    List,
}

/// Runs the command; a trial fails where the endpoint did not take the event.
pub(super) async fn run(webhook: Webhook, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match webhook {
        Webhook::List => {
            let answer = client.get("/api/v1/webhooks").await?;
            let columns = [
                ("NAME", "name"),
                ("STATE", "state"),
                ("WAITING", "waiting"),
                ("DELIVERED", "delivered"),
                ("LINE", "position"),
                ("LAST ANSWER", "last_answer.said"),
            ];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Webhook::Test { name } => {
            let answer = client.post(&format!("/api/v1/webhooks/{}/test", encode(&name)), json!({})).await?;
            let accepted = answer.get("accepted").and_then(Value::as_bool).unwrap_or_default();
            show(&answer, json, |answer| {
                let (said, ms) = (output::text_at(answer, "said"), output::text_at(answer, "took_ms"));
                let verdict = if accepted { "taken" } else { "not taken" };
                output::line(&format!("{verdict}: {said} ({ms} ms)"));
            })?;
            Ok(Exit::fine_if(accepted).into())
        }
    }
}

/// Runs the command.
pub(super) async fn alarms(Alarm::List: Alarm, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let answer = client.get("/api/v1/alarms").await?;
    let columns = [("CAUSE", "cause"), ("SINCE", "since"), ("MAILED", "mailed_at"), ("WHAT", "detail")];
    show(&answer, json, |answer| match items(answer).as_array() {
        Some(items) if items.is_empty() => output::line("nothing needs you"),
        _ => output::table(items(answer), &columns),
    })
}
