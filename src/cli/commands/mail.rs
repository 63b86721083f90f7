//! `musterd mail …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::show;
use crate::cli::client::Client;
use crate::cli::exit::Exit;
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Mail {
    /// Send one mail at once, and tell what the server said
    Test {
        /// The address, such as ada@example.org
        address: String,
    },
}

/// Runs the command; it fails where the server did not take the mail.
pub(super) async fn run(mail: Mail, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let Mail::Test { address } = mail;
    let answer = client.post("/api/v1/mail/test", json!({"to": address})).await?;
    let accepted = answer.get("accepted").and_then(Value::as_bool) == Some(true);
    show(&answer, json, |answer| {
        let text = |name: &str| output::text_at(answer, name);
        let outcome = if accepted { "the mail server took it" } else { "it was not sent" };
        output::line(&format!("{outcome}: {}", text("said")));
        output::line(&format!("TLS: {}", text("tls")));
    })?;
    Ok(Exit::fine_if(accepted).into())
}
