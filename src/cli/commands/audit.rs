//! `audit`: the trail for people, one line an entry, or exported as it is stored.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::super::backup;
use super::super::client::{Client, encode};
use super::super::download::Target;
use super::super::output;
use super::show;

#[derive(Args)]
pub(in crate::cli) struct Audit {
    /// Only about this user, by username or id
    #[arg(long)]
    user: Option<String>,
    /// Only by this author: user:NAME, token:ID, source:ID, socket:UID, system:PART or anonymous
    #[arg(long)]
    actor: Option<String>,
    /// Only this action, such as user.disabled, or a family such as user.*
    #[arg(long)]
    action: Option<String>,
    /// Not before this time, such as 2027-01-31T09:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many lines
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Write all of them, oldest first, as JSON lines; `-` is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "limit")]
    export: Option<PathBuf>,
    /// Replace the file if there is one
    #[arg(long, requires = "export")]
    force: bool,
}

impl Audit {
    /// The filters, as they stand in a query.
    fn query(&self) -> String {
        let filters = [
            ("user", &self.user),
            ("actor", &self.actor),
            ("action", &self.action),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let given = filters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given.map(|(name, value)| format!("{name}={}&", encode(value))).collect()
    }
}

pub(super) async fn run(wish: Audit, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let query = wish.query();
    if let Some(file) = wish.export {
        let target = Target { file, force: wish.force };
        return backup::lines(target, client, format!("/api/v1/audit/export?{query}"), json).await;
    }
    let answer = client.pages(&format!("/api/v1/audit?{query}"), wish.limit, None).await?;
    show(&answer, json, people)
}

fn people(answer: &Value) {
    let columns = [("WHEN", "at"), ("WHAT", "action"), ("BY", "actor"), ("WHOM", "target"), ("WHY", "reason")];
    let mut lines = answer.get("items").cloned().unwrap_or_default();
    for line in lines.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let by = line.get("actor").map(who).unwrap_or_default();
        let target = line.get("target").map(whom).unwrap_or_default();
        line.insert("actor".to_owned(), by.into());
        line.insert("target".to_owned(), target.into());
    }
    output::table(&lines, &columns);
}

/// An actor in words: `user 0190…`, `socket uid 0`, `source corp`, `system sweep`.
fn who(actor: &Value) -> String {
    let text = |name: &str| actor.get(name).map(|_| output::text_at(actor, name));
    let uid = text("uid").map(|uid| format!("uid {uid}"));
    let what = text("id").or(uid).or_else(|| text("part"));
    [text("kind"), what].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A target in words: a user by name alone, others with what they are.
fn whom(target: &Value) -> String {
    let text = |name: &str| target.get(name).map(|_| output::text_at(target, name));
    let named = text("name").or_else(|| text("id"));
    match (text("username"), text("kind"), named) {
        (Some(username), ..) => username,
        (None, Some(kind), Some(name)) => format!("{kind} {name}"),
        _ => "-".to_owned(),
    }
}
