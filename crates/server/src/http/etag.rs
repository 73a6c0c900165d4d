//! Entity tags made from the hash of the content (RFC 9110, section 8.8.3).

use axum::http::{HeaderMap, HeaderName, header};

use crate::http::base64url;

/// The entity tag of content with this SHA-256.
pub fn from_hash(hash: &[u8; 32]) -> String {
    format!("\"{}\"", base64url::encode(hash))
}

/// Whether `If-None-Match` (RFC 9110, section 13.1.2) contains this tag.
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    list(headers, header::IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// The members of a list header (RFC 9110, section 5.6.1).
pub fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}
