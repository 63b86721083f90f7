//! `musterd group …`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::{done, items, show};
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Group {
    /// List groups of all sources and organisations
    List {
        /// Only those of this source
        #[arg(long, value_name = "ID", conflicts_with = "organization")]
        source: Option<String>,
        /// Only those of this organisation
        #[arg(long, value_name = "ORGANIZATION")]
        organization: Option<String>,
        /// Only those that fit, in SCIM syntax: name sw "dev"
        #[arg(long)]
        filter: Option<String>,
    },
    /// Show one group
    Show {
        /// Its id, or the name of one of the directory's own
        group: String,
    },
    /// Make a group
    Create {
        name: String,
        /// A description
        #[arg(long, default_value = "")]
        description: String,
        /// The organisation that it is of, by id or name; it takes its members alone
        #[arg(long, value_name = "ORGANIZATION")]
        organization: Option<String>,
    },
    /// Rename a group, or change its description
    #[command(visible_alias = "change")]
    Set {
        /// Its id, or the name of one of the directory's own
        group: String,
        /// Its new name
        #[arg(long)]
        name: Option<String>,
        /// A description
        #[arg(long)]
        description: Option<String>,
    },
    /// Add users and groups to a group
    Add(Members),
    /// Take users and groups out of a group
    Remove(Members),
    /// List the direct members of a group
    Members { group: String },
    /// Remove a group with its memberships
    Delete { group: String },
}

#[derive(Args)]
pub(in crate::cli) struct Members {
    /// Its id, or the name of one of the directory's own
    group: String,
    /// Users by id or username
    #[arg(required_unless_present = "groups")]
    users: Vec<String>,
    /// A group by id or name, with all who are in it; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
}

pub(super) async fn run(group: Group, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |group: &str, rest: &str| format!("/api/v1/groups/{}{rest}", encode(group));
    match group {
        Group::List { source, organization, filter } => {
            let given = [("source", source), ("organization", organization), ("filter", filter)].into_iter();
            let query: Vec<_> = given.filter_map(|(name, value)| Some(format!("{name}={}", encode(&value?)))).collect();
            let answer = client.all(&format!("/api/v1/groups?{}", query.join("&"))).await?;
            let columns = [
                ("NAME", "name"),
                ("SOURCE", "source"),
                ("ORGANISATION", "organization"),
                ("DESCRIPTION", "description"),
                ("ID", "id"),
            ];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Group::Show { group } => show(&client.get(&path(&group, "")).await?, json, output::card),
        Group::Create { name, description, organization } => {
            let wish = json!({"name": name, "description": description, "organization": organization});
            let answer = client.post("/api/v1/groups", wish).await?;
            done(&answer, json, &format!("{name} is made"))
        }
        Group::Set { group, name, description } => {
            let given = [("name", name), ("description", description)].into_iter();
            let wish: Map<String, Value> =
                given.filter_map(|(member, value)| Some((member.to_owned(), value?.into()))).collect();
            let answer = client.call(Method::PATCH, &path(&group, ""), Some(Value::Object(wish))).await?;
            done(&answer, json, &format!("{} is changed", output::text_at(&answer, "name")))
        }
        Group::Add(Members { group, users, groups }) => {
            let wish = json!({"add_users": users, "add_groups": groups});
            let answer = client.post(&path(&group, "/members"), wish).await?;
            done(&answer, json, &format!("{} joined {group}", output::text_at(&answer, "changed")))
        }
        Group::Remove(Members { group, users, groups }) => {
            let wish = json!({"remove_users": users, "remove_groups": groups});
            let answer = client.post(&path(&group, "/members"), wish).await?;
            done(&answer, json, &format!("{} left {group}", output::text_at(&answer, "changed")))
        }
        Group::Members { group } => {
            let answer = client.all(&path(&group, "/members")).await?;
            let columns = [("KIND", "kind"), ("USERNAME", "username"), ("NAME", "name"), ("ID", "id")];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Group::Delete { group } => {
            let answer = client.call(Method::DELETE, &path(&group, ""), None).await?;
            done(&answer, json, &format!("{group} is removed"))
        }
    }
}
