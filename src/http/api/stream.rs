//! Answers that are too large to be held: made on a thread of their own while they are read, at the reader's pace. One
//! that breaks off ends its connection, so that nobody takes it for whole.

use std::fmt::Display;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::{Bytes, Frame};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::base::clock::Stopwatch;

/// The type of JSON lines.
pub(super) const LINES: &str = "application/x-ndjson";
/// Bytes that are handed over at once.
const PIECE: usize = 64 << 10;
/// Pieces that may wait for the reader.
const WAITING: usize = 16;
/// A reader that takes nothing for so long is given up: what is looked at costs memory while others write.
const STALLED: Duration = Duration::from_secs(60);
/// How long to wait before trying a slow reader again.
const PAUSE: Duration = Duration::from_millis(5);

/// Answers with what `make` writes. It tells the number of its rows or lines when all of them are written; `what` names
/// it in the log.
pub(super) fn stream<E: Display + From<io::Error>>(
    content_type: &'static str,
    what: &'static str,
    make: impl FnOnce(&mut Pieces) -> Result<u64, E> + Send + 'static,
) -> Response {
    let (pieces, made) = mpsc::channel(WAITING);
    drop(spawn_blocking(move || {
        let mut output = Pieces { pieces, piece: Vec::with_capacity(PIECE) };
        let whole = make(&mut output).and_then(|number| {
            output.flush()?;
            output.end()?;
            Ok(number)
        });
        match whole {
            Ok(number) => tracing::info!(stream.rows = number, "{what} was handed over"),
            Err(error) => tracing::warn!(error = %error, "{what} broke off"),
        }
    }));
    ([(header::CONTENT_TYPE, content_type)], Body::new(Made(Some(made)))).into_response()
}

/// Cuts what is written into pieces, and waits for the reader.
pub(super) struct Pieces {
    pieces: mpsc::Sender<Bytes>,
    piece: Vec<u8>,
}

/// Who reads what is written.
pub(super) struct Reader(mpsc::Sender<Bytes>);

impl Reader {
    /// Fails once the reader has gone away.
    pub(super) fn is_there(&self) -> io::Result<()> {
        if self.0.is_closed() { Err(gone()) } else { Ok(()) }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "its reader went away")
}

impl Pieces {
    /// Who reads it.
    pub(super) fn reader(&self) -> Reader {
        Reader(self.pieces.clone())
    }

    /// Says that it is whole: by an empty piece.
    fn end(&self) -> io::Result<()> {
        self.hand_over(Bytes::new())
    }

    fn hand_over(&self, mut piece: Bytes) -> io::Result<()> {
        let since = Stopwatch::start();
        loop {
            piece = match self.pieces.try_send(piece) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(piece)) => piece,
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(gone()),
            };
            if since.elapsed() >= STALLED {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "its reader takes nothing"));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE.saturating_sub(self.piece.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.piece.extend_from_slice(taken);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.hand_over(piece.into())
    }
}

/// The body of the answer: the pieces as they are made. One that breaks off breaks off the answer too, so that nobody
/// takes it for whole.
struct Made(Option<mpsc::Receiver<Bytes>>);

impl hyper::body::Body for Made {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(pieces) = &mut self.0 else { return Poll::Ready(None) };
        let frame = match ready!(pieces.poll_recv(context)) {
            Some(piece) if !piece.is_empty() => return Poll::Ready(Some(Ok(Frame::data(piece)))),
            Some(_) => None,
            None => Some(Err(io::Error::other("it broke off"))),
        };
        self.0 = None;
        Poll::Ready(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_out_in_pieces_and_a_reader_that_goes_away_ends_it() {
        let (sender, mut made) = mpsc::channel(WAITING);
        let mut output = Pieces { pieces: sender, piece: Vec::new() };
        output.write_all(&[7; PIECE * 2 + 10]).unwrap();
        output.flush().unwrap();
        let sizes: Vec<_> = std::iter::from_fn(|| made.try_recv().ok()).map(|piece| piece.len()).collect();
        assert_eq!(sizes, [PIECE, PIECE, 10]);
        drop(made);
        assert_eq!(output.end().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(output.write_all(&[7; PIECE]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn an_answer_ends_well_only_when_it_is_whole() {
        for whole in [true, false] {
            let (sender, made) = mpsc::channel(WAITING);
            sender.send(Bytes::from_static(b"some")).await.unwrap();
            if whole {
                sender.send(Bytes::new()).await.unwrap();
            }
            drop(sender);
            assert_eq!(axum::body::to_bytes(Body::new(Made(Some(made))), 9).await.is_ok(), whole);
        }
    }
}
