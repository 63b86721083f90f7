//! `[log]`: what is logged, and how a line looks.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::super::reader::Reader;
use super::super::{LogFormat, LogSettings};

/// Reads the section.
pub(in super::super) fn read(reader: &mut Reader) -> LogSettings {
    let default = LogSettings::default();
    let section = &mut reader.section("log");
    let level = section.text("level", &default.level);
    if let Err(problem) = check_level(&level) {
        section.fault("level", problem);
    }
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    LogSettings { level, format: section.choice("format", &formats, default.format) }
}

fn check_level(level: &str) -> Result<(), String> {
    let wanted = "must be error, warn, info, debug, trace or off, or such as \"info,musterd::sync=debug\"";
    // A lone word that is no level names a part of the program, and would silence all others.
    if !level.contains(['=', ',', '[']) && level.parse::<LevelFilter>().is_err() {
        return Err(wanted.to_owned());
    }
    EnvFilter::builder().parse(level).map(drop).map_err(|error| format!("{wanted}: {error}"))
}
