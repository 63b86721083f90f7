//! `musterd user export` and `musterd user template`: users as files.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use crate::cli::backup;
use crate::cli::client::{Client, encode};
use crate::cli::download::{Target, Wanted, count_lines};
use crate::cli::exit::{Exit, Failure};
use crate::exchange::Format;

/// Which users, in what form, and where to.
#[derive(Args)]
pub(in crate::cli) struct Export {
    /// SCIM filter, such as 'source eq "corp" and active eq true'
    #[arg(long)]
    filter: Option<String>,
    /// Columns, separated by commas [default: everything but secrets]
    #[arg(long)]
    columns: Option<String>,
    #[command(flatten)]
    file: FileWish,
}

/// A file that is written.
#[derive(Args)]
pub(in crate::cli) struct FileWish {
    /// csv or xlsx [default: as the file's name ends, or csv]
    #[arg(long)]
    format: Option<String>,
    /// Where to; `-` is standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    output: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    force: bool,
}

/// Takes users as a file.
pub(super) async fn export(wish: Export, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let Export { filter, columns, file } = wish;
    let mut path = "/api/v1/users/export?".to_owned();
    for (name, value) in [("filter", filter), ("columns", columns)] {
        path.extend(value.map(|value| format!("{name}={}&", encode(&value))));
    }
    take(path, file, client, json).await
}

/// Takes a file to fill in.
pub(super) async fn template(file: FileWish, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    take("/api/v1/users/template?".to_owned(), file, client, json).await
}

async fn take(path: String, file: FileWish, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let format = match &file.format {
        Some(name) => Format::by_name(name),
        None => file.output.extension().map_or(Some(Format::Csv), |end| Format::by_name(&end.to_string_lossy())),
    };
    let Some(format) = format.filter(|format| format.is_written()) else {
        return Err(Failure::new(Exit::Usage, "the format must be csv or xlsx: say --format").into());
    };
    let wanted = Wanted {
        path: format!("{path}format={}", format.name()),
        what: "the file",
        is_text: format == Format::Csv,
        read: move |input: &mut dyn Read| if format == Format::Csv { count_lines(input) } else { count_bytes(input) },
    };
    backup::counted(Target { file: file.output, force: file.force }, client, wanted, json).await
}

/// How many bytes there are; the last of an archive are the end of its list.
fn count_bytes(input: &mut dyn Read) -> anyhow::Result<(u64, u64)> {
    let (mut bytes, mut last) = (0_u64, Vec::new());
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = input.read(&mut buffer)?;
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        last.extend_from_slice(piece);
        last.drain(..last.len().saturating_sub(ARCHIVE_END));
    }
    if last.starts_with(b"PK\x05\x06") {
        Ok((0, bytes))
    } else {
        Err(anyhow!("what the daemon sent has no end of an archive"))
    }
}

/// How long the end of an archive without a comment is.
const ARCHIVE_END: usize = 22;
