//! `musterd sms …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{items, show};
use crate::cli::client::Client;
use crate::cli::exit::Exit;
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Sms {
    /// Send one text to a phone, and tell what each provider said
    Test {
        /// The number, such as +31612345600
        number: String,
        /// Only by this provider; otherwise by all in their order, until one takes it
        #[arg(long, value_name = "NAME")]
        provider: Option<String>,
    },
}

/// Runs the command; it fails where no provider took the text.
pub(super) async fn run(sms: Sms, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let Sms::Test { number, provider } = sms;
    let mut wish = json!({"to": number});
    if let (Some(provider), Some(wish)) = (provider, wish.as_object_mut()) {
        wish.insert("provider".to_owned(), provider.into());
    }
    let answer = client.post("/api/v1/sms/test", wish).await?;
    let columns =
        [("PROVIDER", "provider"), ("KIND", "kind"), ("OUTCOME", "outcome"), ("MS", "took_ms"), ("DETAIL", "detail")];
    let is_accepted = |item: &Value| item.get("outcome").and_then(Value::as_str) == Some("accepted");
    let accepted = items(&answer).as_array().is_some_and(|items| items.iter().any(is_accepted));
    show(&answer, json, |answer| output::table(items(answer), &columns))?;
    Ok(Exit::fine_if(accepted).into())
}
