//! `musterd token …`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::{done, items, show};
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Token {
    /// Make a token; its text is shown once
    Create(Create),
    /// List tokens, without their texts
    List {
        /// Only those that this user made with a session
        #[arg(long, value_name = "USER")]
        owner: Option<String>,
        /// Only those of this SCIM source
        #[arg(long, value_name = "ID")]
        source: Option<String>,
        /// Only those of this kind: application, administration or scim
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
    },
    /// Show one token, without its text
    Show {
        /// Its id, or how it begins, as the list shows it
        token: String,
    },
    /// Change a token
    #[command(visible_alias = "change")]
    Set {
        /// Its id, or how it begins
        token: String,
        /// What people call it
        #[arg(long)]
        name: Option<String>,
        /// A permission, in place of those that it has; may be given several times
        #[arg(long = "scope", value_name = "NAME")]
        scopes: Vec<String>,
        /// Where it may be used from, in place of where it was; may be given several times; "" for everywhere
        #[arg(long = "network", value_name = "CIDR")]
        networks: Vec<String>,
        /// When it ends; "" for never
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// Give a token a new text, which is shown once; the old one works on for a while
    Rotate {
        /// Its id, or how it begins
        token: String,
        /// How long the old text works, such as 30m, 24h or 7d; 0s: it ends at once
        #[arg(long, default_value = "24h")]
        overlap: String,
    },
    /// End a token at once, and what was made by it
    Revoke {
        /// Its id, or how it begins
        id: String,
    },
}

#[derive(Args)]
pub(in crate::cli) struct Create {
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// A permission, such as login.introspect or users.view, or admin for all; may be given several times
    #[arg(long = "scope", value_name = "NAME", required_unless_present_any = ["source", "application"])]
    scopes: Vec<String>,
    /// The SCIM source whose identity provider carries it
    #[arg(long, value_name = "ID", conflicts_with = "scopes")]
    source: Option<String>,
    /// An application by this name, which logs users in and asks whether they are
    #[arg(long, value_name = "NAME", conflicts_with_all = ["scopes", "source", "name"])]
    application: Option<String>,
    /// How that provider speaks: default, entra, okta or strict
    #[arg(long, value_name = "PROFILE", requires = "source")]
    profile: Option<String>,
    /// When it ends, such as 2027-12-31T23:59:59Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Where it may be used from, such as 10.0.0.0/8; may be given several times
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
}

/// What an application does for its users.
const OF_APPLICATIONS: [&str; 2] = ["login.authenticate", "login.introspect"];

impl Create {
    fn body(self) -> Value {
        let scopes = if self.application.is_some() { OF_APPLICATIONS.map(str::to_owned).to_vec() } else { self.scopes };
        let named = self.name.or(self.application).or_else(|| self.source.clone());
        let members = [
            ("name", Some(named.unwrap_or_else(|| scopes.join(" ")).into())),
            ("scopes", (!scopes.is_empty()).then(|| scopes.into())),
            ("source", self.source.map(Value::from)),
            ("profile", self.profile.map(Value::from)),
            ("expires_at", self.expires_at.map(Value::from)),
            ("networks", (!self.networks.is_empty()).then(|| self.networks.into())),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
    }
}

pub(super) async fn run(token: Token, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |token: &str, rest: &str| format!("/api/v1/tokens/{}{rest}", encode(token));
    match token {
        Token::Create(create) => {
            let answer = client.post("/api/v1/tokens", create.body()).await?;
            Ok(show_text(&answer, json))
        }
        Token::List { owner, source, kind } => {
            let filters = [("owner", owner), ("source", source), ("kind", kind)];
            let given = filters.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encode(&value?))));
            let answer = client.all(&format!("/api/v1/tokens?{}", given.collect::<Vec<_>>().join("&"))).await?;
            show(&answer, json, |answer| output::table(items(answer), LIST))
        }
        Token::Show { token } => show(&client.get(&path(&token, "")).await?, json, output::card),
        Token::Set { token, name, scopes, networks, expires_at } => {
            let lists = |list: Vec<String>| (!list.is_empty()).then_some(list);
            let networks = lists(networks).map(|list| list.into_iter().filter(|text| !text.is_empty()).collect());
            let end = expires_at.map(|end| if end.is_empty() { Value::Null } else { end.into() });
            let members = [
                ("name", name.map(Value::from)),
                ("scopes", lists(scopes).map(Value::from)),
                ("networks", networks.map(|networks: Vec<String>| networks.into())),
                ("expires_at", end),
            ];
            let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            let body = Value::Object(members.collect());
            show(&client.call(Method::PATCH, &path(&token, ""), Some(body)).await?, json, output::card)
        }
        Token::Rotate { token, overlap } => {
            let answer = client.post(&path(&token, "/rotate"), json!({"overlap": overlap})).await?;
            Ok(show_text(&answer, json))
        }
        Token::Revoke { id } => {
            let answer = client.call(Method::DELETE, &path(&id, ""), None).await?;
            done(&answer, json, "the token opens nothing any more")
        }
    }
}

const LIST: &[(&str, &str)] = &[
    ("NAME", "name"),
    ("KIND", "kind"),
    ("STATE", "state"),
    ("BEGINS", "prefix"),
    ("SOURCE", "source"),
    ("PROFILE", "profile"),
    ("SCOPES", "scopes"),
    ("NETWORKS", "networks"),
    ("EXPIRES", "expires_at"),
    ("LAST USED", "last_used_at"),
    ("OLD TEXT UNTIL", "previous_until"),
    ("OLD TEXT USED", "previous_last_used_at"),
    ("ID", "id"),
];

/// Shows a new text: also where little is wanted, for it comes once.
fn show_text(answer: &Value, json: bool) -> ExitCode {
    if json {
        output::json(answer);
        return ExitCode::SUCCESS;
    }
    let text = |value: &Value, name: &str| output::text_at(value, name);
    output::line(&text(answer, "token"));
    output::complain("this is shown once");
    if answer.get("previous_until").is_some_and(Value::is_string) {
        output::complain(&format!("the old text works until {}", text(answer, "previous_until")));
    }
    for field in answer.get("setup").and_then(Value::as_array).into_iter().flatten() {
        output::complain(&format!("  {}: {}", text(field, "field"), text(field, "value")));
    }
    ExitCode::SUCCESS
}
