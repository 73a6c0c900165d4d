//! Tells the monitor and the disk space check what went wrong inside of requests.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use sotto_domain::storage::StorageError;

use crate::app::App;
use crate::http::error::{Cause, DiskFullMarker};

/// Notes storage errors and refusals for lack of disk space.
pub(super) async fn note_faults(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let cause = response.extensions().get::<Cause>();
    if let Some(error) = cause.and_then(|cause| cause.downcast_ref::<StorageError>()) {
        app.monitor.note(error);
    }
    if response.extensions_mut().remove::<DiskFullMarker>().is_some() {
        app.disk_space.note_refusal();
    }
    response
}
