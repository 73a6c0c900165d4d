//! A request body whose client has to keep sending.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body that fails with [`io::ErrorKind::TimedOut`] if a reader waits too long for its next bytes.
pub(super) struct WatchedBody {
    body: Incoming,
    progress: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl WatchedBody {
    pub(super) fn new(body: Incoming, progress: Duration) -> Self {
        Self { body, progress, timer: None }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let progress = self.progress;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(progress)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
