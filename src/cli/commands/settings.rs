//! `musterd settings …`

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::{Map, Value, json};

use super::{items, show};
use crate::cli::client::{Client, encode};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Settings {
    /// List the settings with where each comes from
    List {
        /// Those alone that can be changed while the daemon runs
        #[arg(long)]
        changeable: bool,
        /// Those alone that nobody left at their default
        #[arg(long)]
        changed: bool,
    },
    /// Show one setting: its value, what it is by default, what it is for
    Show { key: String },
    /// Change policy, from the next request on and over restarts: all of it, or nothing
    Set {
        /// Such as login.deadline=5s, mfa.policy=all or 'mfa.groups=["admins"]'
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = assignment)]
        values: Vec<(String, Value)>,
        /// Only tell what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Take back what was set at run time
    Unset {
        /// A key, or a section such as lockout
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
        /// Only tell what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Have the daemon read its settings file again, as SIGHUP does
    Reload,
}

/// `KEY=VALUE`. What is no JSON is a text.
fn assignment(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as login.deadline=5s")?;
    let (key, value) = (key.trim(), value.trim());
    match serde_json::from_str(value).unwrap_or_else(|_| value.into()) {
        Value::Null => Err(format!("null takes a value back: write unset {key}")),
        value => Ok((key.to_owned(), value)),
    }
}

pub(super) async fn run(settings: Settings, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    match settings {
        Settings::List { changeable, changed } => {
            let mut answer = client.get("/api/v1/settings").await?;
            let is = |item: &Value, name: &str| item.get(name).and_then(Value::as_bool).unwrap_or_default();
            let is_default = |item: &Value| item.get("origin").and_then(Value::as_str) == Some("default");
            if let Some(items) = answer.get_mut("items").and_then(Value::as_array_mut) {
                items.retain(|item| (!changeable || is(item, "changeable")) && (!changed || !is_default(item)));
            }
            told(&answer, json, listed)
        }
        Settings::Show { key } => {
            let answer = client.get(&format!("/api/v1/settings/{}", encode(&key))).await?;
            show(&answer, json, output::card)
        }
        Settings::Set { values, dry_run } => change(client, values, dry_run, json).await,
        Settings::Unset { keys, dry_run } => {
            let values = keys.into_iter().map(|key| (key, Value::Null)).collect();
            change(client, values, dry_run, json).await
        }
        Settings::Reload => {
            let answer = client.post("/api/v1/settings/reload", json!({})).await?;
            told(&answer, json, |answer| changed(answer, "the settings were read again"))
        }
    }
}

async fn change(client: &Client, values: Vec<(String, Value)>, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    let mut patch = Map::new();
    for (key, value) in values {
        if patch.insert(key.clone(), value).is_some() {
            return Err(Failure::new(Exit::Usage, format!("{key} is given twice")).into());
        }
    }
    let path = format!("/api/v1/settings?dry_run={dry_run}");
    let answer = client.call(Method::PATCH, &path, Some(Value::Object(patch))).await?;
    told(&answer, json, |answer| changed(answer, if dry_run { "this would change" } else { "this changed" }))
}

fn listed(answer: &Value) {
    let columns = [("SETTING", "key"), ("VALUE", "value"), ("FROM", "origin"), ("CHANGEABLE", "changeable")];
    output::table(items(answer), &columns);
}

/// What changed, from what to what.
fn changed(answer: &Value, what: &str) {
    let changes = answer.get("changes").cloned().unwrap_or_default();
    if changes.as_array().is_none_or(Vec::is_empty) {
        output::line("nothing differs");
    } else {
        output::line(&format!("{what}:"));
        output::table(&changes, &[("SETTING", "key"), ("BEFORE", "old"), ("NOW", "new")]);
    }
}

/// Shows an answer, and what it leaves for a person to do, which goes to standard error for the quietest too. Programs
/// find it in the answer.
fn told(answer: &Value, json: bool, people: impl FnOnce(&Value)) -> anyhow::Result<ExitCode> {
    let code = show(answer, json, people)?;
    if json {
        return Ok(code);
    }
    let texts = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let waiting: Vec<Value> = texts("needs_restart");
    let keys: Vec<&str> = waiting.iter().filter_map(Value::as_str).collect();
    if !keys.is_empty() {
        output::complain(&format!("these wait for a restart: {}", keys.join(", ")));
    }
    texts("doubts").iter().filter_map(Value::as_str).for_each(output::complain);
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_or_else_a_text() {
        let value = |text| assignment(text).unwrap().1;
        assert_eq!((value("a.b=5"), value("a.b= true"), value("a.b=5s")), (json!(5), json!(true), json!("5s")));
        assert_eq!((value("a.b=[\"x\"]"), value("a.b=\"5\""), value("a.b=")), (json!(["x"]), json!("5"), json!("")));
        assert_eq!(assignment("a.b=x=y").unwrap(), ("a.b".to_owned(), json!("x=y")));
        assert!(assignment("login.deadline").is_err());
        assert!(assignment("login.deadline=null").unwrap_err().contains("unset login.deadline"));
    }
}
