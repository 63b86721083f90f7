//! The log: one readable line an event on standard error, or JSON where the settings ask for it.

use std::sync::OnceLock;

use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, LogSettings};

/// Changes the filter of this process's log, once it has one.
static FILTER: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging. The first call of a process counts.
///
/// # Errors
/// When the level is none that can be read.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    let (filter, handle) = reload::Layer::new(filter(settings)?);
    let format = fmt::layer().with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let format = match settings.format {
        LogFormat::Text => format.with_target(false).with_ansi(is_terminal).boxed(),
        LogFormat::Json => format.json().flatten_event(true).with_current_span(false).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(format).try_init().map_err(|error| error.to_string())?;
    FILTER.get_or_init(|| handle);
    Ok(())
}

/// Logs by another level from here on, where logging was started.
///
/// # Errors
/// When the level is none that can be read.
pub fn set_level(settings: &LogSettings) -> Result<(), String> {
    let filter = filter(settings)?;
    FILTER.get().map_or(Ok(()), |handle| handle.reload(filter).map_err(|error| error.to_string()))
}

fn filter(settings: &LogSettings) -> Result<EnvFilter, String> {
    // The scheduler's own talk of its start says nothing to an administrator. That of passkeys shows what a browser sent
    // and what it was asked; the audit trail says why one was refused.
    let level = format!("tokio_cron_scheduler=warn,webauthn_rs=off,webauthn_rs_core=off,{}", settings.level);
    EnvFilter::try_new(level).map_err(|error| format!("log.level: {error}"))
}
