//! The command: `serve` runs the daemon, `check` looks at the settings; `verify`, `restore`, `import` and `compact` work
//! on a store that no daemon runs on; everything else talks to the running daemon through its admin socket.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::base::clock::Clock;
use crate::base::panic;
use crate::config::{Faults, Loaded};

mod backup;
mod client;
mod commands;
mod download;
mod exit;
mod output;
mod serve;
mod table;
mod upkeep;

use exit::{Exit, Failure};

/// Where the settings are, where nothing else is said.
const INSTALLED: &str = "/etc/musterd/musterd.toml";

/// A directory daemon: local, LDAP and SCIM users behind one login endpoint.
#[derive(Parser)]
#[command(version, about, propagate_version = true, max_term_width = 100, after_help = Exit::help())]
struct Arguments {
    /// The settings [default: /etc/musterd/musterd.toml, where it exists]
    #[arg(long, global = true, env = "MUSTERD_CONFIG", hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer in JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    /// Print ids only
    #[arg(short, long, global = true, conflicts_with = "json")]
    quiet: bool,
    /// Print tables without their first line
    #[arg(long, global = true)]
    no_headers: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon
    Serve,
    /// Check the file and the environment, and show each setting with where it comes from; what was set while the daemon
    /// runs is not looked at (`settings list` shows it)
    Check,
    /// Check a store that no daemon runs on: records, indexes, references, audit trail
    Verify {
        /// Put right what can be: rebuild indexes, drop what belongs to nobody
        #[arg(long)]
        repair: bool,
    },
    /// Take a backup of the running daemon's store
    Backup(download::Target),
    /// Export everything from the running daemon as JSON lines, which `import` takes
    Export(download::Target),
    /// Make the store from a backup, in a folder that has none
    Restore(upkeep::Restore),
    /// Make the store from an export, in a folder that has none
    Import(upkeep::Restore),
    /// Give back the disk that a store's old versions take; no daemon may run on it
    Compact,
    /// Print what lets a shell complete this command
    Completion {
        /// Which shell
        shell: Shell,
    },
    #[command(flatten)]
    Remote(Box<commands::Remote>),
}

/// Runs the command; `--help` says what its exit codes mean.
#[must_use]
pub fn run() -> ExitCode {
    panic::tell_in_one_line();
    let arguments = Arguments::parse();
    match dispatch(arguments) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            exit::of(&error).into()
        }
    }
}

fn dispatch(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { config, json, quiet, no_headers, command } = arguments;
    output::begin(output::Style { quiet, no_headers });
    let loaded = load(config.as_deref())?;
    match command {
        Command::Check => Ok(check(loaded, json)),
        Command::Serve => serve::serve(settled(loaded)?),
        Command::Verify { repair } => serve::look(settled(loaded)?, repair, json),
        Command::Restore(restore) => upkeep::restore(&settled(loaded)?, &restore, json),
        Command::Import(import) => upkeep::import(&settled(loaded)?, &import, json),
        Command::Compact => upkeep::compact(&settled(loaded)?, json),
        Command::Completion { shell } => Ok(completion(shell)),
        Command::Backup(backup) => talk(loaded, async |client| backup::run(backup, &client, json).await),
        Command::Export(target) => talk(loaded, async |client| backup::export(target, &client, json).await),
        Command::Remote(remote) => talk(loaded, async |client| commands::run(*remote, &client, json).await),
    }
}

/// Prints the script of a shell.
fn completion(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "musterd", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}

/// Runs what talks to the daemon.
fn talk(
    loaded: Result<Loaded, Faults>,
    what: impl AsyncFnOnce(client::Client) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let socket = settled(loaded)?.settings.http.admin_socket;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(what(client::Client::new(socket)))
}

/// Reads the settings: the named file, or the installed one, and the environment.
fn load(file: Option<&Path>) -> anyhow::Result<Result<Loaded, Faults>> {
    let installed = Path::new(INSTALLED);
    let file = file.or_else(|| installed.exists().then_some(installed));
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        if name.starts_with("MUSTERD__") {
            let value = value.into_string().map_err(|_| anyhow!("the variable {name} is not UTF-8"))?;
            variables.push((name, value));
        }
    }
    Ok(crate::config::load(file, variables.into_iter(), Clock::system().now()))
}

fn settled(loaded: Result<Loaded, Faults>) -> anyhow::Result<Loaded> {
    Ok(loaded.map_err(|faults| Failure::new(Exit::Settings, format!("the settings cannot be used: {faults}")))?)
}

fn check(loaded: Result<Loaded, Faults>, json: bool) -> ExitCode {
    let certain = |loaded: Loaded| if loaded.doubts.is_empty() { Ok(loaded) } else { Err(Faults(loaded.doubts)) };
    match loaded.and_then(certain) {
        Ok(loaded) if json => output::json(&loaded.effective),
        Ok(loaded) => loaded
            .effective
            .iter()
            .for_each(|one| output::line(&format!("{} = {}  # {}", one.key, one.value, one.origin))),
        Err(faults) => {
            if json {
                output::json(&faults);
            } else {
                output::complain(&faults.to_string());
            }
            return Exit::Settings.into();
        }
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests;
