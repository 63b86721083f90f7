//! The log: one readable line an event on standard error, or JSON where the settings ask for it.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{LogFormat, LogSettings};

/// Starts logging. The first call of a process counts.
///
/// # Errors
/// When the level is none that can be read.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    // The scheduler's own talk of its start says nothing to an administrator. That of passkeys shows what a browser sent
    // and what it was asked; the audit trail says why one was refused.
    let level = format!("tokio_cron_scheduler=warn,webauthn_rs=off,webauthn_rs_core=off,{}", settings.level);
    let filter = EnvFilter::try_new(level).map_err(|error| format!("log.level: {error}"))?;
    let format =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let started = match settings.format {
        LogFormat::Text => {
            format.with_target(false).with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init()
        }
        LogFormat::Json => format.json().flatten_event(true).with_current_span(false).try_init(),
    };
    started.map_err(|error| error.to_string())
}
