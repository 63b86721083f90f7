//! `musterd conflict …`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::json;

use super::{done, items, show};
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Conflict {
    /// List the entries that wait because another user holds their username or email
    List {
        /// Only those of this source
        source: Option<String>,
        /// Also those that were decided
        #[arg(long)]
        all: bool,
    },
    /// Let the entry take over the other user, with everything but the password
    Link(Place),
    /// Give the entry another username here
    Rename {
        #[command(flatten)]
        place: Place,
        username: String,
    },
    /// Leave the entry out, and do not ask again
    Ignore(Place),
    /// Let the entry wait for a decision again
    Reopen(Place),
}

/// Which conflict.
#[derive(Args)]
pub(in crate::cli) struct Place {
    /// The source that has the entry
    source: String,
    /// The entry's external id, as the list shows it
    external_id: String,
}

impl Place {
    fn path(&self, what: &str) -> String {
        format!("/api/v1/conflicts/{}/{}/{what}", encode(&self.source), encode(&self.external_id))
    }
}

pub(super) async fn run(conflict: Conflict, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let post = async |place: &Place, what: &str, body| client.call(Method::POST, &place.path(what), Some(body)).await;
    match conflict {
        Conflict::List { source, all } => {
            let source = source.map(|source| format!("&source={}", encode(&source))).unwrap_or_default();
            let answer = client.all(&format!("/api/v1/conflicts?all={all}{source}")).await?;
            let columns = [
                ("SOURCE", "source"),
                ("EXTERNAL ID", "external_id"),
                ("USERNAME", "username"),
                ("EMAIL", "email"),
                ("CLASHES BY", "field"),
                ("WITH", "holder_username"),
                ("OF", "holder_source"),
                ("SINCE", "since"),
                ("DECIDED", "decision.is"),
                ("ENTRY", "entry"),
            ];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Conflict::Link(place) => {
            let answer = post(&place, "link", json!({})).await?;
            let words = format!("{} belongs to {} now", output::text_at(&answer, "username"), place.source);
            done(&answer, json, &words)
        }
        Conflict::Rename { place, username } => {
            let answer = post(&place, "rename", json!({"username": username})).await?;
            done(&answer, json, "the entry goes by that name here; the next pass takes it")
        }
        Conflict::Ignore(place) => {
            let answer = post(&place, "ignore", json!({})).await?;
            done(&answer, json, "the entry stays out")
        }
        Conflict::Reopen(place) => {
            let answer = post(&place, "reopen", json!({})).await?;
            done(&answer, json, "the entry waits for a decision again")
        }
    }
}
