//! Errors as responses: status, code and sentence of each, in the form of a problem document.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{ApiError, Code, DiskFullMarker, Problem};

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let (code, detail) = (self.code(), self.detail());
        let mut cause = None;
        let mut retry_after = None;
        let mut content_range = None;
        let mut no_room = false;
        let mut problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            code,
            errors: Vec::new(),
            current: None,
        };
        match self {
            Self::Invalid(errors) => problem.errors = errors,
            Self::Conflict(.., current) => problem.current = current.map(|value| *value),
            Self::PreconditionFailed(current) => problem.current = Some(*current),
            Self::TooManyRequests { retry_after: seconds } => retry_after = Some(seconds),
            Self::TooManyAtOnce | Self::Busy | Self::Stopping => retry_after = Some(1),
            Self::ExportRunning => retry_after = Some(30),
            Self::Unavailable(why) | Self::StoreUnavailable(why) | Self::OutcomeUnknown(why) => {
                (cause, retry_after) = (Some(why), Some(5));
            }
            Self::DiskFull(why) => (cause, retry_after, no_room) = (Some(why), Some(60), true),
            Self::RangeNotSatisfiable(length) => {
                content_range = HeaderValue::try_from(format!("bytes */{length}")).ok();
            }
            Self::Internal(why) => cause = Some(why),
            _ => {}
        }
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        headers.extend(content_range.map(|range| (header::CONTENT_RANGE, range)));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if no_room {
            response.extensions_mut().insert(DiskFullMarker);
        }
        // The log middleware removes the cause and logs it with the request's id.
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(..) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(..) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(..) => StatusCode::FORBIDDEN,
            Self::NotFound(..) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(..) => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::PreconditionFailed(_) => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RangeNotSatisfiable(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::PreconditionRequired(_) => StatusCode::PRECONDITION_REQUIRED,
            Self::TooManyRequests { .. } | Self::TooManyAtOnce | Self::ExportRunning => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy
            | Self::Stopping
            | Self::Unavailable(_)
            | Self::WrongSchema(_)
            | Self::StoreUnavailable(_)
            | Self::DiskFull(_)
            | Self::OutcomeUnknown(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::OverQuota { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> Option<Code> {
        match self {
            Self::BadRequest(code, _)
            | Self::Unauthorized(code, _)
            | Self::Forbidden(code, _)
            | Self::NotFound(code, _)
            | Self::Conflict(code, ..) => Some(*code),
            Self::Timeout => Some(Code::TimedOut),
            Self::Gone => Some(Code::Gone),
            Self::PreconditionFailed(_) => Some(Code::EntryChanged),
            Self::TooLarge(_) => Some(Code::TooLarge),
            Self::UnsupportedMediaType(_) => Some(Code::UnsupportedMediaType),
            Self::PreconditionRequired(_) => Some(Code::MissingCondition),
            Self::TooManyRequests { .. } => Some(Code::TooManyAttempts),
            Self::TooManyAtOnce => Some(Code::TooManyAtOnce),
            Self::ExportRunning => Some(Code::ExportRunning),
            Self::Busy => Some(Code::Busy),
            Self::Stopping => Some(Code::Stopping),
            Self::Unavailable(_) => Some(Code::Unavailable),
            Self::StoreUnavailable(_) => Some(Code::StoreUnavailable),
            Self::DiskFull(_) => Some(Code::DiskFull),
            Self::OutcomeUnknown(_) => Some(Code::OutcomeUnknown),
            Self::OverQuota { .. } => Some(Code::OverQuota),
            // Each field error has its code; other problems without a code are identified by their status.
            Self::Invalid(_)
            | Self::MethodNotAllowed
            | Self::RangeNotSatisfiable(_)
            | Self::WrongSchema(_)
            | Self::Internal(_) => None,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::BadRequest(_, detail)
            | Self::Unauthorized(_, detail)
            | Self::Forbidden(_, detail)
            | Self::NotFound(_, detail)
            | Self::Conflict(_, detail, _)
            | Self::PreconditionRequired(detail)
            | Self::UnsupportedMediaType(detail) => (*detail).to_owned(),
            Self::MethodNotAllowed => "This address does not support this method; see /api/docs.".into(),
            Self::Timeout => "The request did not arrive in time; send it again.".into(),
            Self::Gone => {
                "This request was carried out before, and the row that it created no longer exists. To create it \
                 again, send a new Idempotency-Key."
                    .into()
            }
            Self::PreconditionFailed(_) => {
                "This entry has changed since you last read it; `current` has the new version.".into()
            }
            Self::TooLarge(limit) => format!("The body is larger than {limit} bytes."),
            Self::RangeNotSatisfiable(length) => format!("The range is beyond the end: there are {length} bytes."),
            Self::Invalid(errors) => {
                let places = errors.iter().map(|error| format!("{} {}", error.loc.join("."), error.msg));
                format!("{}.", places.collect::<Vec<_>>().join("; "))
            }
            Self::TooManyRequests { retry_after } => format!("Too many attempts; try again in {retry_after} seconds."),
            Self::TooManyAtOnce => {
                "Too many of your requests are under way, and this one changed nothing; try again in a moment.".into()
            }
            Self::ExportRunning => "Another export of yours is running; wait until it ends, or stop it.".into(),
            Self::Busy => "The server is busy, and nothing was changed; try again in a moment.".into(),
            Self::Stopping => "The server is about to stop; send requests to another server.".into(),
            Self::Unavailable(_) => {
                "The database cannot be reached at the moment, and nothing was changed; try again soon.".into()
            }
            Self::WrongSchema(sentence) => {
                format!("The schema of the database does not fit this program: {sentence}.")
            }
            Self::StoreUnavailable(_) => {
                "Recordings cannot be read or stored at the moment, and none was changed; try again soon.".into()
            }
            Self::DiskFull(_) => "The server's disk is full, and nothing was changed; try again later.".into(),
            Self::OutcomeUnknown(_) => "The database did not respond in time, and the change may have been made. \
                Check before you send it again, or send it again with the same Idempotency-Key or id."
                .into(),
            Self::OverQuota { quota, used } => format!(
                "Your quota for recordings is {quota} bytes, and your other recordings have {used} bytes; delete \
                 some first."
            ),
            Self::Internal(_) => {
                "Something went wrong on the server; it has been logged with this request's id.".into()
            }
        }
    }
}
