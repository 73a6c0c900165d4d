//! Fields with bytes in base64url without padding (RFC 4648, section 5), decoded strictly.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sotto_crypto::Error;
use sotto_domain::Flaw;

use crate::http::error::ApiError;

/// Decodes a field of the body.
///
/// # Errors
/// [`ApiError::Invalid`] for the field.
pub fn decode(field: &str, text: &str) -> Result<Vec<u8>, ApiError> {
    let malformed = || Flaw::Malformed("must be base64url without padding".into());
    URL_SAFE_NO_PAD.decode(text).map_err(|_| ApiError::invalid("body", field, &malformed()))
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Parses a field of the body as a message or key of `sotto-crypto`.
///
/// # Errors
/// [`ApiError::Invalid`] for the field.
pub fn read<T: FromStr<Err = Error>>(field: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error| refused(field, error))
}

/// The error for a field with the wrong bytes.
pub fn refused(field: &str, error: Error) -> ApiError {
    let message = match error {
        Error::Message { length, .. } => {
            format!("must be an OPAQUE message of {length} bytes in base64url without padding")
        }
        Error::Length { min, max, .. } if min == max => format!("must be {min} bytes in base64url without padding"),
        Error::Length { min, max, .. } => format!("must be {min} to {max} bytes in base64url without padding"),
        Error::Fingerprint => "must be 32 lower-case hexadecimal digits".into(),
        other => other.to_string(),
    };
    ApiError::invalid("body", field, &Flaw::Malformed(message))
}
