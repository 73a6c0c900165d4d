//! Every way in which a request can fail, and the one place that turns it into an answer.
//!
//! Answers are `application/problem+json` (RFC 9457); `detail` is a sentence that a person can act on. What went wrong
//! inside is logged with the request's id and never sent.

mod code;

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sotto_domain::storage::StorageError;
use sotto_domain::{Flaw, Timestamp, Violations};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, SchemaType, Type};

pub use code::{FieldCode, ProblemCode as Code};

/// Why a request was not carried out.
#[derive(Debug)]
pub enum ApiError {
    /// 400: the request broke off or cannot be read.
    BadRequest(Code, &'static str),
    /// 401: nobody is signed in, or no longer.
    Unauthorized(Code, &'static str),
    /// 403: somebody is, but may not do this.
    Forbidden(Code, &'static str),
    /// 404: no such thing, or not this user's.
    NotFound(Code, &'static str),
    /// 405: the address exists, the method does not.
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    Timeout,
    /// 409: it would clash with what is stored; for an entry, with how it is stored.
    Conflict(Code, &'static str, Option<Box<serde_json::Value>>),
    /// 412: it has changed since the client saw it; this is how it is now.
    PreconditionFailed(Box<serde_json::Value>),
    /// 413: the body is larger than so many bytes.
    TooLarge(u64),
    /// 415: the body is of the wrong kind.
    UnsupportedMediaType(&'static str),
    /// 416: the part asked for is beyond the end of what has so many bytes.
    RangeNotSatisfiable(u64),
    /// 422: what was sent is not valid.
    Invalid(Vec<FieldError>),
    /// 428: without a condition, somebody else's change could be overwritten.
    PreconditionRequired(&'static str),
    /// 429: too often.
    TooManyRequests {
        /// In seconds.
        retry_after: u64,
    },
    /// 503: too much is going on.
    Busy,
    /// 503: the database cannot be reached.
    Unavailable(Cause),
    /// 503: the store of recordings cannot be reached, or does not take one.
    StoreUnavailable(Cause),
    /// 507: the user's recordings would be too many bytes.
    OverQuota {
        /// How many they may be.
        quota: u64,
        /// How many the others are.
        used: u64,
    },
    /// 500: a fault of ours.
    Internal(Cause),
}

/// What went wrong inside; for the log only.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// The body of every error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do about it, in a sentence.
    pub detail: String,
    /// What kind of problem it is, for programs (an extension, RFC 9457, section 3.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<Code>,
    /// What is wrong with each field (status 422).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// How the thing is stored now (statuses 409 and 412), or how many entries are in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub current: Option<serde_json::Value>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is: `["body", "title"]`, `["query", "limit"]` or `["path", "entry_id"]`.
    pub loc: Vec<String>,
    /// What is wrong with it.
    pub msg: String,
    /// The same for programs.
    pub code: FieldCode,
    /// The values in it, such as `{"max": 100}`.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    #[schema(schema_with = params, required = false)]
    pub params: serde_json::Map<String, serde_json::Value>,
}

fn params() -> Object {
    let value = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Integer, Type::String]));
    ObjectBuilder::new()
        .additional_properties(Some(AdditionalProperties::from(value)))
        .description(Some("The values in it, such as `{\"max\": 100}`."))
        .build()
}

impl FieldError {
    /// An error at `place` (`body`, `query` or `path`), in `field` unless that is empty.
    pub fn new(place: &str, field: &str, flaw: &Flaw) -> Self {
        let field = (!field.is_empty()).then_some(field);
        let loc = [Some(place), field].into_iter().flatten().map(str::to_owned).collect();
        Self { loc, msg: flaw.to_string(), code: flaw.into(), params: flaw.params() }
    }
}

impl ApiError {
    /// A fault of ours, with its cause.
    pub fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(cause))
    }

    /// One field of the body, query or path is wrong.
    pub fn invalid(place: &str, field: &str, flaw: &Flaw) -> Self {
        Self::Invalid(vec![FieldError::new(place, field, flaw)])
    }

    /// None before this instant.
    pub fn wait_until(then: Timestamp, now: Timestamp) -> Self {
        let micros = u64::try_from(then.as_micros() - now.as_micros()).unwrap_or_default();
        Self::TooManyRequests { retry_after: micros.div_ceil(1_000_000).max(1) }
    }

    /// A tag was named by an id that is none of the user's.
    pub fn unknown_tag(tag: sotto_domain::TagId) -> Self {
        Self::invalid("body", "tag_ids", &Flaw::UnknownTag { tag })
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(..) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(..) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(..) => StatusCode::FORBIDDEN,
            Self::NotFound(..) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(..) => StatusCode::CONFLICT,
            Self::PreconditionFailed(_) => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RangeNotSatisfiable(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::PreconditionRequired(_) => StatusCode::PRECONDITION_REQUIRED,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Unavailable(_) | Self::StoreUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::PreconditionFailed(_) => Some(Code::EntryChanged),
            Self::TooLarge(_) => Some(Code::TooLarge),
            Self::UnsupportedMediaType(_) => Some(Code::UnsupportedMediaType),
            Self::PreconditionRequired(_) => Some(Code::MissingCondition),
            Self::TooManyRequests { .. } => Some(Code::TooManyAttempts),
            Self::OverQuota { .. } => Some(Code::OverQuota),
            // `errors` have codes of their own; of the others, the status says it all.
            Self::Invalid(_)
            | Self::MethodNotAllowed
            | Self::RangeNotSatisfiable(_)
            | Self::Busy
            | Self::Unavailable(_)
            | Self::StoreUnavailable(_)
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
            Self::MethodNotAllowed => "This address does not take this method; see /api/docs.".into(),
            Self::Timeout => "The request did not arrive in time; send it again.".into(),
            Self::PreconditionFailed(_) => {
                "This entry has changed since you last read it; `current` is how it is now.".into()
            }
            Self::TooLarge(limit) => format!("The body is larger than {limit} bytes."),
            Self::RangeNotSatisfiable(length) => format!("There are {length} bytes, and none in this range."),
            Self::Invalid(errors) => {
                let places = errors.iter().map(|error| format!("{} {}", error.loc.join("."), error.msg));
                format!("{}.", places.collect::<Vec<_>>().join("; "))
            }
            Self::TooManyRequests { retry_after } => format!("Too many attempts; try again in {retry_after} seconds."),
            Self::Busy => "The server is busy; try again in a moment.".into(),
            Self::Unavailable(_) => "The database cannot be reached at the moment; try again soon.".into(),
            Self::StoreUnavailable(_) => "Recordings cannot be stored or read at the moment; try again soon.".into(),
            Self::OverQuota { quota, used } => format!(
                "Your recordings may be {quota} bytes together, and the others are {used} bytes; delete some first."
            ),
            Self::Internal(_) => "Something went wrong on our side; it has been logged with this request's id.".into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let (code, detail) = (self.code(), self.detail());
        let mut cause = None;
        let mut retry_after = None;
        let mut content_range = None;
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
            Self::Busy => retry_after = Some(1),
            Self::Unavailable(why) | Self::StoreUnavailable(why) => (cause, retry_after) = (Some(why), Some(5)),
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
        // The middleware that knows the request's id logs it.
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

impl From<object_store::Error> for ApiError {
    fn from(error: object_store::Error) -> Self {
        Self::StoreUnavailable(Arc::new(error))
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        metrics::counter!("sotto_storage_errors_total", "kind" => kind(&error)).increment(1);
        match &error {
            StorageError::Conflict { constraint } => match constraint.as_str() {
                "idx_users_email" => {
                    Self::Conflict(Code::EmailTaken, "There is an account with this e-mail address already.", None)
                }
                "uq_tags_user_name" | "uq_tags_user_name_key" => {
                    Self::Conflict(Code::TagNameTaken, "You have a tag with this name already.", None)
                }
                "uq_identities_issuer_subject" => {
                    Self::Conflict(Code::IdentityTaken, "This identity is linked to an account already.", None)
                }
                // The account was deleted while the request was under way.
                "fk_journal_entries_user"
                | "fk_tags_user"
                | "fk_reminders_user"
                | "fk_login_sessions_user"
                | "fk_identities_user"
                | "fk_api_tokens_user"
                | "fk_secret_tags_user"
                | "fk_opaque_sessions_user" => Self::Unauthorized(Code::AccountGone, "This account no longer exists."),
                _ => Self::internal(error),
            },
            StorageError::Busy => Self::Busy,
            StorageError::Unavailable(_) => Self::Unavailable(Arc::new(error)),
            StorageError::Corrupt(_) | StorageError::Other(_) => Self::internal(error),
        }
    }
}

impl From<Violations> for ApiError {
    fn from(violations: Violations) -> Self {
        let errors = violations.0.iter().map(|one| FieldError::new("body", one.field, &one.flaw));
        Self::Invalid(errors.collect())
    }
}

fn kind(error: &StorageError) -> &'static str {
    match error {
        StorageError::Conflict { .. } => "conflict",
        StorageError::Busy => "busy",
        StorageError::Corrupt(_) => "corrupt",
        StorageError::Unavailable(_) => "unavailable",
        StorageError::Other(_) => "other",
    }
}
