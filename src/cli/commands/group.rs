//! `musterd group …`

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::json;

use super::{done, items, show};
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Group {
    /// List groups of all sources
    List,
    /// Make a group
    Create {
        name: String,
        /// A description
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Add users to a group
    Add {
        group: String,
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Take users out of a group
    Remove {
        group: String,
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// List the direct members of a group
    Members { group: String },
    /// Remove a group with its memberships
    Delete { group: String },
}

pub(super) async fn run(group: Group, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |group: &str, rest: &str| format!("/api/v1/groups/{}{rest}", encode(group));
    match group {
        Group::List => {
            let answer = client.get("/api/v1/groups").await?;
            let columns = [("NAME", "name"), ("SOURCE", "source"), ("DESCRIPTION", "description"), ("ID", "id")];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Group::Create { name, description } => {
            let answer = client.post("/api/v1/groups", json!({"name": name, "description": description})).await?;
            done(&answer, json, &format!("{name} is made"))
        }
        Group::Add { group, users } => {
            let answer = client.post(&path(&group, "/members"), json!({"add_users": users})).await?;
            done(&answer, json, &format!("{} joined {group}", output::text_at(&answer, "changed")))
        }
        Group::Remove { group, users } => {
            let answer = client.post(&path(&group, "/members"), json!({"remove_users": users})).await?;
            done(&answer, json, &format!("{} left {group}", output::text_at(&answer, "changed")))
        }
        Group::Members { group } => {
            let answer = client.get(&path(&group, "/members?limit=1000")).await?;
            show(&answer, json, |answer| output::table(items(answer), &[("KIND", "kind"), ("ID", "id")]))
        }
        Group::Delete { group } => {
            let answer = client.call(Method::DELETE, &path(&group, ""), None).await?;
            done(&answer, json, &format!("{group} is removed"))
        }
    }
}
