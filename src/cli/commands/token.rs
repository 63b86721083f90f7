//! `musterd token …`

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::{done, items, show};
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Token {
    /// Make a token; its text is shown once
    Create {
        /// What people call it
        #[arg(long)]
        name: Option<String>,
        /// A permission, such as login.introspect or users.view, or admin for all; may be given several times
        #[arg(long = "scope", value_name = "NAME", required_unless_present = "source", conflicts_with = "source")]
        scopes: Vec<String>,
        /// The SCIM source whose identity provider carries it
        #[arg(long, value_name = "ID")]
        source: Option<String>,
        /// How that provider speaks: default, entra, okta or strict
        #[arg(long, value_name = "PROFILE", requires = "source")]
        profile: Option<String>,
        /// When it ends, such as 2027-12-31T23:59:59Z
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// List tokens, without their texts
    List,
    /// End a token at once
    Revoke { id: String },
}

pub(super) async fn run(token: Token, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match token {
        Token::Create { name, scopes, source, profile, expires_at } => {
            let name = name.or_else(|| source.clone()).unwrap_or_else(|| scopes.join(" "));
            let mut wish = json!({"name": name});
            if let Some(members) = wish.as_object_mut() {
                match source {
                    Some(source) => members.insert("source".to_owned(), source.into()),
                    None => members.insert("scopes".to_owned(), scopes.into()),
                };
                profile.map(|profile| members.insert("profile".to_owned(), profile.into()));
                expires_at.map(|end| members.insert("expires_at".to_owned(), end.into()));
            }
            let answer = client.post("/api/v1/tokens", wish).await?;
            show(&answer, json, |answer| {
                output::line(&output::text_at(answer, "token"));
                output::complain("this is shown once");
                for field in answer.get("setup").and_then(Value::as_array).into_iter().flatten() {
                    let text = |name: &str| output::text_at(field, name);
                    output::complain(&format!("  {}: {}", text("field"), text("value")));
                }
            })
        }
        Token::List => {
            let answer = client.get("/api/v1/tokens").await?;
            let columns = [
                ("NAME", "name"),
                ("BEGINS", "prefix"),
                ("SOURCE", "source"),
                ("PROFILE", "profile"),
                ("SCOPES", "scopes"),
                ("EXPIRES", "expires_at"),
                ("LAST USED", "last_used_at"),
                ("ID", "id"),
            ];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Token::Revoke { id } => {
            let answer = client.call(Method::DELETE, &format!("/api/v1/tokens/{}", encode(&id)), None).await?;
            done(&answer, json, "the token opens nothing any more")
        }
    }
}
