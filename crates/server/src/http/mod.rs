//! HTTP without the resources: connections, middleware, extractors, and the parts that several handlers share.

pub mod base64url;
pub mod body;
pub mod bounded;
pub mod client_network;
pub mod cursor;
pub mod error;
pub mod etag;
pub mod extract;
pub mod idempotency;
pub mod large_json;
pub mod listen;
pub mod middleware;
mod normalize_path;
pub mod page;
pub mod range;
pub mod share;
