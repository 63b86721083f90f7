//! The body of a request that was answered without a look at it: what is left of it is let pass. Else the connection is
//! closed in the middle of what the client sends, and the client reads no answer, or finds the next request on that
//! connection lost (RFC 9112 §9.6).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// Most bytes that are let pass,
const PASSED_BY: usize = 32 << 20;
/// and for how long.
const AT_MOST: Duration = Duration::from_secs(5);

/// A body that comes back from whoever drops it before its end.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take().filter(|_| !self.body.is_end_stream()) {
            drop(back.send(std::mem::take(&mut self.body)));
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.back = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What may be left of a request's body.
pub(super) struct Rest(Option<oneshot::Receiver<Body>>);

/// Lends the body of a request to its handler. One that the client sends only when it is asked to stays with it: nobody
/// asks for it once the answer is there (RFC 9110 §10.1.1).
pub(super) fn lend(request: Request) -> (Request, Rest) {
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return (request, Rest(None));
    }
    let (back, rest) = oneshot::channel();
    (request.map(|body| Body::new(Lent { body, back: Some(back) })), Rest(Some(rest)))
}

impl Rest {
    /// Lets pass what the handler left of it: frame by frame, and none is kept.
    pub(super) async fn pass(self) {
        let Some(mut body) = self.0.and_then(|mut rest| rest.try_recv().ok()) else { return };
        let mut room = PASSED_BY;
        let passing = async {
            while let Some(Ok(frame)) = body.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(left) = room.checked_sub(length) else { return };
                room = left;
            }
        };
        drop(tokio::time::timeout(AT_MOST, passing).await);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// So many frames of so many bytes, and how many of them were taken; one more is waited for in vain where it hangs.
    struct Frames {
        number: usize,
        each: usize,
        hangs: bool,
        taken: Arc<AtomicUsize>,
    }

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            if self.taken.load(Ordering::SeqCst) == self.number {
                return if self.hangs { Poll::Pending } else { Poll::Ready(None) };
            }
            self.taken.fetch_add(1, Ordering::SeqCst);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; self.each])))))
        }
    }

    fn frames(number: usize, each: usize, hangs: bool) -> (Request, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let body = Frames { number, each, hangs, taken: taken.clone() };
        (Request::new(Body::new(body)), taken)
    }

    #[tokio::test]
    async fn what_a_handler_leaves_is_let_pass_up_to_a_limit_and_what_it_reads_is_not_read_again() {
        let (request, taken) = frames(5, 10, false);
        let (request, rest) = lend(request);
        drop(request);
        rest.pass().await;
        assert_eq!(taken.load(Ordering::SeqCst), 5);
        let (request, taken) = frames(5, 10, false);
        let (request, rest) = lend(request);
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes().len(), 50);
        rest.pass().await;
        assert_eq!(taken.load(Ordering::SeqCst), 5);
        let (request, taken) = frames(50, 8 << 20, false);
        let (request, rest) = lend(request);
        drop(request);
        rest.pass().await;
        assert_eq!(taken.load(Ordering::SeqCst), 5, "the limit is passed by the fifth");
    }

    #[tokio::test]
    async fn a_body_that_waits_to_be_asked_for_is_not_asked_for() {
        let (mut request, taken) = frames(5, 10, false);
        request.headers_mut().insert(header::EXPECT, header::HeaderValue::from_static("100-continue"));
        let (request, rest) = lend(request);
        drop(request);
        rest.pass().await;
        assert_eq!(taken.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_left_after_a_while() {
        let (request, taken) = frames(5, 10, true);
        let (request, rest) = lend(request);
        drop(request);
        rest.pass().await;
        assert_eq!(taken.load(Ordering::SeqCst), 5);
    }
}
