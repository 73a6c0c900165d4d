//! All errors of the API, and the problem document (RFC 9457) that reports them.
//!
//! `detail` is a sentence that a person can act on. Internal causes are logged with the request's id and never sent.

mod code;
mod response;
mod storage;

use std::sync::Arc;

use serde::Serialize;
use sotto_domain::{Flaw, Timestamp, Violations};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, SchemaType, Type};

pub use code::{FieldCode, ProblemCode as Code};

#[derive(Debug)]
pub enum ApiError {
    /// 400: the request broke off or cannot be read.
    BadRequest(Code, &'static str),
    /// 401: the credentials are missing or no longer valid.
    Unauthorized(Code, &'static str),
    /// 403: the caller may not do this.
    Forbidden(Code, &'static str),
    /// 404: it does not exist, or belongs to another user.
    NotFound(Code, &'static str),
    /// 405: the address exists, but not with this method.
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    Timeout,
    /// 409: it conflicts with what is stored, which the last field shows for an entry.
    Conflict(Code, &'static str, Option<Box<serde_json::Value>>),
    /// 410: an earlier request with the same key was carried out, and its row no longer exists.
    Gone,
    /// 412: it has changed since the client read it; the field has the current version.
    PreconditionFailed(Box<serde_json::Value>),
    /// 413: the body is larger than this number of bytes.
    TooLarge(u64),
    /// 415: the media type of the body is not accepted.
    UnsupportedMediaType(&'static str),
    /// 416: the range is beyond the end; the field is the length in bytes.
    RangeNotSatisfiable(u64),
    /// 422: the request is not valid.
    Invalid(Vec<FieldError>),
    /// 428: without a precondition, another change could be overwritten.
    PreconditionRequired(&'static str),
    /// 429: too many attempts.
    TooManyRequests {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// 429: too many requests of one user at the same time; nothing was changed.
    TooManyAtOnce,
    /// 429: another export of the user is running.
    ExportRunning,
    /// 503: the server is busy; nothing was changed.
    Busy,
    /// 503: the server is about to stop.
    Stopping,
    /// 503: the database cannot be reached; nothing was changed.
    Unavailable(Cause),
    /// 503: the database's schema does not fit this program; the text is a sentence.
    WrongSchema(String),
    /// 503: the attachment store cannot be reached, or does not accept a recording.
    StoreUnavailable(Cause),
    /// 503: the disk is full; nothing was changed. Unlike 507, which is about one user, an operator will fix this.
    DiskFull(Cause),
    /// 503: the deadline passed while a change was being made.
    OutcomeUnknown(Cause),
    /// 507: the user's quota for recordings is exceeded.
    OverQuota {
        /// In bytes.
        quota: u64,
        /// Bytes of the user's other recordings.
        used: u64,
    },
    /// 500: a fault of the server.
    Internal(Cause),
}

/// An internal cause, for the log only.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Marks a response for [`crate::disk_space`].
#[derive(Clone)]
pub struct DiskFullMarker;

/// The body of every error response (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Problem {
    /// Always `about:blank`: the status identifies the kind of problem.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status as text.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do about it, in a sentence.
    pub detail: String,
    /// The kind of problem, for programs (an extension member, RFC 9457, section 3.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<Code>,
    /// The errors of each field (status 422).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// The stored version (statuses 409 and 412), or the number of entries that prevent a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub current: Option<serde_json::Value>,
}

/// The error of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The path of the field: `["body", "title"]`, `["query", "limit"]` or `["path", "entry_id"]`.
    pub loc: Vec<String>,
    /// The error in words.
    pub msg: String,
    /// The error for programs.
    pub code: FieldCode,
    /// The values in the message, such as `{"max": 100}`.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    #[schema(schema_with = params, required = false)]
    pub params: serde_json::Map<String, serde_json::Value>,
}

fn params() -> Object {
    let value = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Integer, Type::String]));
    ObjectBuilder::new()
        .additional_properties(Some(AdditionalProperties::from(value)))
        .description(Some("The values in the message, such as `{\"max\": 100}`."))
        .build()
}

impl FieldError {
    /// `place` is `body`, `query`, `path` or `header`. An empty `field` means the whole place.
    pub fn new(place: &str, field: &str, flaw: &Flaw) -> Self {
        let field = (!field.is_empty()).then_some(field);
        let loc = [Some(place), field].into_iter().flatten().map(str::to_owned).collect();
        Self { loc, msg: flaw.to_string(), code: flaw.into(), params: flaw.params() }
    }
}

impl ApiError {
    pub fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(cause))
    }

    /// An error of one field.
    pub fn invalid(place: &str, field: &str, flaw: &Flaw) -> Self {
        Self::Invalid(vec![FieldError::new(place, field, flaw)])
    }

    /// For attempts that are refused until `then`.
    pub fn wait_until(then: Timestamp, now: Timestamp) -> Self {
        let micros = u64::try_from(then.as_micros() - now.as_micros()).unwrap_or_default();
        Self::TooManyRequests { retry_after: micros.div_ceil(1_000_000).max(1) }
    }

    /// For a tag id that is not one of the user's tags.
    pub fn unknown_tag(tag: sotto_domain::TagId) -> Self {
        Self::invalid("body", "tag_ids", &Flaw::UnknownTag { tag })
    }
}

impl From<Violations> for ApiError {
    fn from(violations: Violations) -> Self {
        let errors = violations.0.iter().map(|one| FieldError::new("body", one.field, &one.flaw));
        Self::Invalid(errors.collect())
    }
}

/// An error and all of its sources, for the log.
pub fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
