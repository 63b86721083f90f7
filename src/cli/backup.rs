//! `backup`: the running daemon's store in one file. What comes is checked to its last byte before it gets the name
//! that was asked for.

use std::fs::{self, File, TryLockError};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::client::Client;
use super::output;
use crate::store::upkeep::reader::{Checked, Reader};

/// Pieces that may wait for the disk.
const WAITING: usize = 16;

#[derive(Args)]
pub(super) struct Backup {
    /// Where to; `-` is standard output
    file: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(wish: Backup, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    if wish.file.as_os_str() == "-" {
        if io::stdout().is_terminal() {
            bail!("a backup is no text: send it to a file or a program");
        }
        let checked = receive(client, io::stdout()).await?;
        output::complain(&told(&checked, &wish.file));
        return Ok(ExitCode::SUCCESS);
    }
    refuse_to_replace(&wish)?;
    let partial = Partial::make(&wish.file)?;
    let taken = receive(client, partial.file.try_clone()?).await;
    let checked = match taken.and_then(|checked| refuse_to_replace(&wish).map(|()| checked)) {
        Ok(checked) => partial.finish(&wish.file).map(|()| checked)?,
        Err(error) => {
            partial.give_up();
            return Err(error);
        }
    };
    if json {
        output::json(&json!({
            "file": wish.file,
            "rows": checked.summary.rows,
            "bytes": checked.summary.bytes,
            "created_at": checked.header.created_at,
            "schema": checked.header.schema,
        }));
    } else {
        output::line(&told(&checked, &wish.file));
    }
    Ok(ExitCode::SUCCESS)
}

fn told(checked: &Checked, file: &Path) -> String {
    let summary = &checked.summary;
    format!("{} rows, {} in {}", output::number(summary.rows), output::size(summary.bytes), file.display())
}

fn refuse_to_replace(wish: &Backup) -> anyhow::Result<()> {
    let file = wish.file.display();
    match fs::symlink_metadata(&wish.file) {
        Ok(there) if !there.is_file() => bail!("{file} is there and no file: name another"),
        Ok(_) if !wish.force => bail!("{file} is there already: name another file, or replace it with --force"),
        _ => Ok(()),
    }
}

/// The file while it is not whole. Only one command at a time writes to it.
struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    fn make(file: &Path) -> anyhow::Result<Self> {
        let mut path = file.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        let told = || format!("{} cannot be written", path.display());
        let busy = || anyhow!("another backup writes to {}: wait for it, or name another file", path.display());
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path).with_context(told)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(error)) => return Err(error).with_context(told),
        }
        // It may have been finished and renamed before the lock was had.
        let same = fs::symlink_metadata(&path).ok().zip(file.metadata().ok());
        if same.is_none_or(|(named, open)| (named.dev(), named.ino()) != (open.dev(), open.ino())) {
            return Err(busy());
        }
        file.set_permissions(fs::Permissions::from_mode(0o600)).and_then(|()| file.set_len(0)).with_context(told)?;
        Ok(Self { path, file })
    }

    /// It is whole: it gets its name once it is on disk.
    fn finish(self, name: &Path) -> anyhow::Result<()> {
        let folder = name.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let renamed = self.file.sync_all().and_then(|()| fs::rename(&self.path, name));
        let kept = renamed.and_then(|()| File::open(folder)?.sync_all());
        kept.with_context(|| format!("{} could not be kept", name.display()))
    }

    fn give_up(self) {
        drop(fs::remove_file(&self.path));
    }
}

/// Takes the daemon's backup, writes it out as it comes, and checks all of it.
async fn receive(client: &Client, output: impl Write + Send + 'static) -> anyhow::Result<Checked> {
    let body = client.stream("/api/v1/backup").await?;
    let (pieces, coming) = mpsc::channel(WAITING);
    let checking = tokio::task::spawn_blocking(move || check(coming, output));
    let came = forward(body, pieces).await;
    let checked = checking.await?;
    match came {
        Ok(()) => checked,
        // Nobody takes it any more: the reason is on the other side.
        Err(Ended::Refused) => Err(checked.err().unwrap_or_else(|| anyhow!("the backup has no end"))),
        Err(Ended::Broken(why)) => {
            Err(anyhow!("the backup broke off and is not kept: {why}; the daemon's log says more"))
        }
    }
}

fn check(coming: mpsc::Receiver<Bytes>, output: impl Write) -> anyhow::Result<Checked> {
    let mut tee = Tee { coming, piece: Bytes::new(), output, failed: None };
    let checked = Reader::open(&mut tee).and_then(Reader::check);
    if let Some(error) = tee.failed.take() {
        return Err(error).context("the backup cannot be written");
    }
    tee.output.flush().context("the backup cannot be written")?;
    checked.map_err(|fault| anyhow!("what the daemon sent {fault}"))
}

/// Why not all of it was taken.
enum Ended {
    Refused,
    Broken(String),
}

async fn forward(mut body: Incoming, pieces: mpsc::Sender<Bytes>) -> Result<(), Ended> {
    let broken = |error: &dyn std::error::Error| Ended::Broken(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| broken(&error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| broken(&error))?;
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            _ = terminate.recv() => return Err(Ended::Broken("it was stopped".to_owned())),
            _ = interrupt.recv() => return Err(Ended::Broken("it was stopped".to_owned())),
        };
        let Some(frame) = frame else { return Ok(()) };
        if let Ok(piece) = frame.map_err(|error| broken(&error))?.into_data() {
            pieces.send(piece).await.map_err(|_| Ended::Refused)?;
        }
    }
}

/// Writes out whatever is read.
struct Tee<W> {
    coming: mpsc::Receiver<Bytes>,
    piece: Bytes,
    output: W,
    failed: Option<io::Error>,
}

impl<W: Write> Read for Tee<W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(piece) = self.coming.blocking_recv() else { return Ok(0) };
            if let Err(error) = self.output.write_all(&piece) {
                self.failed = Some(error);
                return Err(io::Error::other("it cannot be written"));
            }
            self.piece = piece;
        }
        let mut unread: &[u8] = &self.piece;
        let read = unread.read(buffer)?;
        self.piece = self.piece.slice(read..);
        Ok(read)
    }
}
