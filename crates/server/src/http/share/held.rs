//! What a request holds, and when it gives it back.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use sotto_domain::UserId;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes of a response that are passed on at a time. hyper takes no more while the client reads none, so that a
/// response that is not read keeps its place.
const PART: usize = 16 << 10;

/// The permits of one request. Clones share them.
#[derive(Clone, Default)]
pub struct Held(Arc<Mutex<Permits>>);

#[derive(Default)]
struct Permits {
    /// Until the response is sent.
    place: Option<(UserId, Option<OwnedSemaphorePermit>)>,
    /// Until the handler has responded.
    bytes: Vec<OwnedSemaphorePermit>,
}

impl Held {
    /// The user, once one is known.
    pub fn user(&self) -> Option<UserId> {
        self.permits().place.as_ref().map(|(user, _)| *user)
    }

    pub(super) fn hold_place(&self, user: UserId, place: OwnedSemaphorePermit) {
        self.permits().place = Some((user, Some(place)));
    }

    pub(super) fn hold_bytes(&self, bytes: OwnedSemaphorePermit) {
        self.permits().bytes.push(bytes);
    }

    fn permits(&self) -> MutexGuard<'_, Permits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives back what a request holds: the bytes of its body when its handler has responded, and its user's place when the
/// response is sent.
pub async fn release_shares(mut request: Request, next: Next) -> Response {
    let held = Held::default();
    request.extensions_mut().insert(held.clone());
    let response = next.run(request).await;
    let mut permits = held.permits();
    permits.bytes.clear();
    let place = permits.place.as_mut().and_then(|(_, place)| place.take());
    drop(permits);
    match place {
        None => response,
        Some(place) => response.map(|body| Body::new(PlacedBody { body, part: Bytes::new(), _place: place })),
    }
}

/// A response body that keeps its user's place until it is dropped.
struct PlacedBody {
    body: Body,
    /// What is left of the last frame.
    part: Bytes,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for PlacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.part.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.part = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        let length = self.part.len().min(PART);
        Poll::Ready(Some(Ok(Frame::data(self.part.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.part.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, part) = (self.body.size_hint(), self.part.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + part);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + part);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_place_is_kept_until_the_last_part() {
        let places = Arc::new(Semaphore::new(1));
        let whole = vec![7; 2 * PART + 1];
        let place = places.clone().try_acquire_owned().unwrap();
        let mut body = PlacedBody { body: Body::from(whole.clone()), part: Bytes::new(), _place: place };
        let mut read = Vec::new();
        while !body.is_end_stream() {
            assert_eq!(body.size_hint().exact(), Some((whole.len() - read.len()) as u64));
            let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap().unwrap();
            read.extend_from_slice(&frame.into_data().unwrap());
            assert_eq!(places.available_permits(), 0);
        }
        assert_eq!(read, whole);
        drop(body);
        assert_eq!(places.available_permits(), 1);
    }
}
