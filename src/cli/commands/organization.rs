//! `musterd organization …`

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::{Map, Value, json};

use super::{done, items, show};
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Organization {
    /// List organisations
    List,
    /// Show one organisation
    Show {
        /// Its id or name
        organization: String,
    },
    /// Make an organisation
    Create {
        name: String,
        /// A description
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Rename an organisation, or change its description
    #[command(visible_alias = "change")]
    Set {
        /// Its id or name
        organization: String,
        /// Its new name
        #[arg(long)]
        name: Option<String>,
        /// A description
        #[arg(long)]
        description: Option<String>,
    },
    /// Remove an organisation without members and groups
    Delete {
        /// Its id or name
        organization: String,
    },
    /// List the members, with their roles inside
    Members {
        /// Its id or name
        organization: String,
    },
    /// Invite users, or give members other roles inside
    Add {
        /// Its id or name
        organization: String,
        /// Users by id, username or address
        #[arg(required = true)]
        users: Vec<String>,
        /// A role inside; may be given several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Take members out; nobody is deleted
    Remove {
        /// Its id or name
        organization: String,
        /// Users by id, username or address
        #[arg(required = true)]
        users: Vec<String>,
    },
}

pub(super) async fn run(organization: Organization, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |name: &str, rest: &str| format!("/api/v1/organizations/{}{rest}", encode(name));
    match organization {
        Organization::List => {
            let answer = client.all("/api/v1/organizations").await?;
            let columns = [("NAME", "name"), ("DESCRIPTION", "description"), ("ID", "id")];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Organization::Show { organization } => show(&client.get(&path(&organization, "")).await?, json, output::card),
        Organization::Create { name, description } => {
            let answer =
                client.post("/api/v1/organizations", json!({"name": name, "description": description})).await?;
            done(&answer, json, &format!("{name} is made"))
        }
        Organization::Set { organization, name, description } => {
            let given = [("name", name), ("description", description)].into_iter();
            let wish: Map<String, Value> =
                given.filter_map(|(member, value)| Some((member.to_owned(), value?.into()))).collect();
            let answer = client.call(Method::PATCH, &path(&organization, ""), Some(Value::Object(wish))).await?;
            done(&answer, json, &format!("{} is changed", output::text_at(&answer, "name")))
        }
        Organization::Delete { organization } => {
            let answer = client.call(Method::DELETE, &path(&organization, ""), None).await?;
            done(&answer, json, &format!("{organization} is removed"))
        }
        Organization::Members { organization } => {
            let answer = client.all(&path(&organization, "/members")).await?;
            let columns = [
                ("USERNAME", "username"),
                ("NAME", "name"),
                ("STATE", "state"),
                ("ROLES", "roles"),
                ("MANAGED HERE", "managed_here"),
                ("ID", "id"),
            ];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Organization::Add { organization, users, roles } => {
            let add: Vec<Value> = users.iter().map(|user| json!({"user": user, "roles": roles})).collect();
            let answer = client.post(&path(&organization, "/members"), json!({"add": add})).await?;
            show(&answer, json, outcomes)
        }
        Organization::Remove { organization, users } => {
            let answer = client.post(&path(&organization, "/members"), json!({"remove": users})).await?;
            show(&answer, json, outcomes)
        }
    }
}

fn outcomes(answer: &Value) {
    output::table(items(answer), &[("USERNAME", "username"), ("CAME TO", "outcome")]);
}
