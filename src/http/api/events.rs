//! Server-sent events (WHATWG HTML §9.2): what happens to something, until it ends or nobody listens any more.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::{Bytes, Frame};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::base::clock::Stopwatch;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// Events that wait for a slow reader; it waits for nobody else.
const WAITING: usize = 4;
/// Nobody listens for longer than this without asking again, as clients do by themselves; the right to it is then looked
/// at again.
const LONGEST: Duration = Duration::from_secs(300);
/// A listener that takes nothing for so long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// One event.
pub(super) struct Event {
    /// What kind of event it is.
    pub(super) name: &'static str,
    /// What it says.
    pub(super) data: Value,
    /// There is none after it.
    pub(super) last: bool,
}

/// Sends what `next` gives, a few times a second, up to the last one.
pub(super) fn events(mut next: impl FnMut() -> Event + Send + 'static) -> Response {
    let (lines, come) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let since = Stopwatch::start();
        while since.elapsed() < LONGEST {
            let Event { name, data, last } = next();
            let text = format!("event: {name}\ndata: {data}\n\n");
            if lines.send_timeout(Bytes::from(text), STALLED).await.is_err() || last {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::new(Lines(come))).into_response()
}

/// The body of the answer.
struct Lines(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let line = ready!(self.0.poll_recv(context));
        Poll::Ready(line.map(|line| Ok(Frame::data(line))))
    }
}
