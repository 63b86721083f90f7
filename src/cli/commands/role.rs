//! `musterd role …`

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::{done, items, show};
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Role {
    /// List roles: those that are built in, and the directory's own
    List {
        /// Only those that hold there
        #[arg(long)]
        scope: Option<Scope>,
    },
    /// List what can be permitted
    Permissions,
    /// Show one role
    Show {
        /// Its id
        role: String,
    },
    /// Make a role, of permissions or of another role
    Create {
        /// Its name for people
        name: String,
        /// Its name in calls; made from the name where it is not given
        #[arg(long)]
        id: Option<String>,
        /// A description
        #[arg(long)]
        description: Option<String>,
        /// Where it holds
        #[arg(long)]
        scope: Option<Scope>,
        /// What its holders may do; may be given several times
        #[arg(long = "permission", value_name = "NAME")]
        permissions: Vec<String>,
        /// The role whose scope and permissions it starts with
        #[arg(long, value_name = "ROLE")]
        clone: Option<String>,
    },
    /// Change a role of the directory's own; its holders may do other things from the next request on
    #[command(visible_alias = "change")]
    Set {
        /// Its id
        role: String,
        /// Its name for people
        #[arg(long)]
        name: Option<String>,
        /// A description
        #[arg(long)]
        description: Option<String>,
        /// A permission, in place of those that it has; may be given several times; "" for none
        #[arg(long = "permission", value_name = "NAME")]
        permissions: Vec<String>,
    },
    /// Remove a role that nobody holds
    Delete {
        /// Its id
        role: String,
    },
}

/// Where a role holds.
#[derive(Clone, Copy, ValueEnum)]
pub(in crate::cli) enum Scope {
    /// In the whole directory
    System,
    /// Inside an organisation
    Organization,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Organization => "organization",
        }
    }
}

pub(super) async fn run(role: Role, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |role: &str| format!("/api/v1/roles/{}", encode(role));
    match role {
        Role::List { scope } => {
            let query = scope.map(|scope| format!("?scope={}", scope.name())).unwrap_or_default();
            let answer = client.get(&format!("/api/v1/roles{query}")).await?;
            let columns =
                [("ID", "id"), ("NAME", "name"), ("SCOPE", "scope"), ("BUILT IN", "built_in"), ("MAY", "permissions")];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Role::Permissions => {
            let answer = client.get("/api/v1/permissions").await?;
            let columns = [("NAME", "name"), ("IN ORGANISATIONS", "inside_organizations"), ("ALLOWS", "description")];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Role::Show { role } => show(&client.get(&path(&role)).await?, json, output::card),
        Role::Create { name, id, description, scope, permissions, clone } => {
            let mut wish = Map::from_iter([("name".to_owned(), json!(name))]);
            let given = [("id", id), ("description", description), ("clone", clone)];
            let given = given.into_iter().chain([("scope", scope.map(|scope| scope.name().to_owned()))]);
            wish.extend(given.filter_map(|(member, value)| Some((member.to_owned(), value?.into()))));
            if !permissions.is_empty() {
                wish.insert("permissions".to_owned(), json!(permissions));
            }
            let answer = client.post("/api/v1/roles", Value::Object(wish)).await?;
            done(&answer, json, &format!("{} is made", output::text_at(&answer, "id")))
        }
        Role::Set { role, name, description, permissions } => {
            let mut wish = Map::new();
            wish.extend(name.map(|name| ("name".to_owned(), name.into())));
            wish.extend(description.map(|text| ("description".to_owned(), text.into())));
            if !permissions.is_empty() {
                let named: Vec<_> = permissions.into_iter().filter(|name| !name.is_empty()).collect();
                wish.insert("permissions".to_owned(), json!(named));
            }
            let answer = client.call(Method::PATCH, &path(&role), Some(Value::Object(wish))).await?;
            done(&answer, json, &format!("{role} is changed"))
        }
        Role::Delete { role } => {
            let answer = client.call(Method::DELETE, &path(&role), None).await?;
            done(&answer, json, &format!("{role} is removed"))
        }
    }
}
