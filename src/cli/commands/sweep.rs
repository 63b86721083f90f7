//! The sweep: run one now, see what one would do at a time, and what lies ahead.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{items, show, source, unless_held};
use crate::cli::client::Client;
use crate::cli::output;

#[derive(Args)]
pub(in crate::cli) struct Sweep {
    /// Only tell who would be disabled
    #[arg(long)]
    dry_run: bool,
    /// As if it were then and nobody had come until then, such as 2027-01-01 or 2027-01-01T08:00:00Z (with --dry-run)
    #[arg(long, requires = "dry_run", value_name = "TIME")]
    at: Option<String>,
    /// Tell what lies ahead: who is told, and who is disabled, if nobody comes
    #[arg(long, conflicts_with_all = ["dry_run", "clock_is_right"])]
    upcoming: bool,
    /// For so many days, 1 to 90 (with --upcoming)
    #[arg(long, requires = "upcoming", value_name = "NUMBER", default_value_t = 14)]
    days: u32,
    /// Tell how sweeps stand: whether they wait, when the next one is
    #[arg(long, conflicts_with_all = ["dry_run", "upcoming", "clock_is_right"])]
    status: bool,
    /// Say that the clock is right, whatever it did: what waited for that goes on (not with --dry-run)
    #[arg(long, conflicts_with = "dry_run")]
    clock_is_right: bool,
}

pub(in crate::cli) async fn run(sweep: Sweep, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    if sweep.status {
        return show(&client.get("/api/v1/sweep").await?, json, |answer| {
            warn_of_pause(answer);
            output::card(answer);
        });
    }
    if sweep.upcoming {
        let answer = client.get(&format!("/api/v1/sweep/upcoming?days={}", sweep.days)).await?;
        return show(&answer, json, ahead);
    }
    let mut wish = json!({"dry_run": sweep.dry_run});
    if let Some(wish) = wish.as_object_mut() {
        sweep.at.map(|at| wish.insert("at".to_owned(), at.into()));
        if sweep.clock_is_right {
            wish.insert("clock_is_right".to_owned(), true.into());
        }
    }
    let answer = client.post("/api/v1/sweep", wish).await?;
    show(&answer, json, |answer| if sweep.dry_run { previewed(answer) } else { source::run_summary(answer) })?;
    Ok(unless_held(&answer).into())
}

fn previewed(answer: &Value) {
    warn_of_pause(answer);
    output::table(items(answer), &[("USER", "label"), ("WOULD BE", "step.do"), ("BECAUSE", "reason")]);
    more(answer);
    if let Some(why) = answer.get("would_be_held").and_then(Value::as_str) {
        output::line(&format!("This sweep would be held: {why}"));
    }
}

fn ahead(answer: &Value) {
    warn_of_pause(answer);
    let list = |name: &str| answer.get(name).cloned().unwrap_or_default();
    let columns = [("TOLD AT", "at"), ("USER", "label"), ("ABOUT", "about"), ("WHICH IS AT", "happens_at")];
    output::table(&list("notices"), &columns);
    for sweep in list("sweeps").as_array().into_iter().flatten() {
        output::line("");
        output::line(&format!("Sweep at {}", output::text_at(sweep, "at")));
        output::table(items(sweep), &[("USER", "label"), ("WILL BE", "step.do"), ("BECAUSE", "reason")]);
        if let Some(why) = sweep.get("would_be_held").and_then(Value::as_str) {
            output::line(&format!("It would be held: {why}"));
        }
    }
    more(answer);
    if answer.get("cut").and_then(Value::as_bool) == Some(true) {
        output::line("So much lies ahead that not all of it was looked at.");
    }
}

fn more(answer: &Value) {
    if let Some(more) = answer.get("more").and_then(Value::as_u64).filter(|more| *more > 0) {
        output::line(&format!("and {more} more"));
    }
}

fn warn_of_pause(answer: &Value) {
    if let Some(why) = answer.pointer("/paused/why").and_then(Value::as_str) {
        output::line(&format!("Nothing happens now: the clock is in doubt: {why}"));
    }
}
