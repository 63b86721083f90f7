//! What the daemon streams, taken into a file, which gets its name when all of it has come and was looked at. Only one
//! command at a time writes to it.

use std::fs::{self, File, TryLockError};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::client::Client;

/// Pieces that may wait for the disk.
const WAITING: usize = 16;

/// Where to.
#[derive(Args)]
pub(super) struct Target {
    /// Where to; `-` is standard output
    pub(super) file: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    pub(super) force: bool,
}

impl Target {
    /// Is it standard output?
    pub(super) fn is_output(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    fn refuse_to_replace(&self) -> anyhow::Result<()> {
        let file = self.file.display();
        match fs::symlink_metadata(&self.file) {
            Ok(there) if !there.is_file() => bail!("{file} is there and no file: name another"),
            Ok(_) if !self.force => bail!("{file} is there already: name another file, or replace it with --force"),
            _ => Ok(()),
        }
    }
}

/// What is taken: its path in the API, its name for people, how all of it is read and looked at.
pub(super) struct Wanted<Read> {
    pub(super) path: String,
    pub(super) what: &'static str,
    pub(super) is_text: bool,
    pub(super) read: Read,
}

/// Takes it; gives what was found by who reads it.
pub(super) async fn take<Found: Send + 'static>(
    client: &Client,
    target: &Target,
    wanted: Wanted<impl FnOnce(&mut dyn Read) -> anyhow::Result<Found> + Send + 'static>,
) -> anyhow::Result<Found> {
    let what = wanted.what;
    if target.is_output() {
        if !wanted.is_text && io::stdout().is_terminal() {
            bail!("{what} is no text: send it to a file or a program");
        }
        return receive(client, wanted, io::stdout()).await;
    }
    target.refuse_to_replace()?;
    let partial = Partial::make(&target.file)?;
    let taken = receive(client, wanted, partial.file.try_clone()?).await;
    match taken.and_then(|found| target.refuse_to_replace().map(|()| found)) {
        Ok(found) => partial.finish(&target.file).map(|()| found),
        Err(error) => {
            partial.give_up();
            Err(error)
        }
    }
}

/// The file while it is not whole.
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
        let busy = || anyhow!("another command writes to {}: wait for it, or name another file", path.display());
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

/// Takes it, writes it out as it comes, and looks at all of it.
async fn receive<Found: Send + 'static>(
    client: &Client,
    wanted: Wanted<impl FnOnce(&mut dyn Read) -> anyhow::Result<Found> + Send + 'static>,
    output: impl Write + Send + 'static,
) -> anyhow::Result<Found> {
    let Wanted { path, what, read, .. } = wanted;
    let body = client.stream(&path).await?;
    let (pieces, coming) = mpsc::channel(WAITING);
    let reading = tokio::task::spawn_blocking(move || {
        let mut tee = Tee { coming, piece: Bytes::new(), output, failed: None };
        let found = read(&mut tee);
        if let Some(error) = tee.failed.take() {
            return Err(error).with_context(|| format!("{what} cannot be written"));
        }
        tee.output.flush().with_context(|| format!("{what} cannot be written"))?;
        found
    });
    let came = forward(body, pieces).await;
    let found = reading.await?;
    match came {
        Ok(()) => found,
        // Nobody takes it any more: the reason is on the other side.
        Err(Ended::Refused) => Err(found.err().unwrap_or_else(|| anyhow!("{what} has no end"))),
        Err(Ended::Broken(why)) => Err(anyhow!("{what} broke off and is not kept: {why}; the daemon's log says more")),
    }
}

/// How many lines and bytes there are; the last line has its end.
pub(super) fn count_lines(input: &mut dyn Read) -> anyhow::Result<(u64, u64)> {
    let (mut lines, mut bytes, mut last) = (0_u64, 0_u64, b'\n');
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = input.read(&mut buffer)?;
        let piece = buffer.get(..read).unwrap_or_default();
        let Some(end) = piece.last() else { break };
        last = *end;
        let found = piece.iter().filter(|byte| **byte == b'\n').count();
        lines = lines.saturating_add(u64::try_from(found).unwrap_or(u64::MAX));
        bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    if last == b'\n' { Ok((lines, bytes)) } else { Err(anyhow!("what the daemon sent ends in the middle of a line")) }
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
