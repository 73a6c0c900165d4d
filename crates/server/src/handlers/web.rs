//! The web app. An address outside of the API that is no file of the app is a page of the app.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use crate::app::App;
use crate::http::error::{ApiError, Code};
use crate::http::etag;
use crate::http::middleware::WebAppMarker;
use crate::web_files::{self, File, INDEX};

/// The first path segments that never become a page of the app.
const RESERVED_SEGMENTS: [&str; 3] = ["api", "health", "metrics"];
/// The names of these files contain a hash of their content, so they never change.
const HASHED: &str = "assets/";
/// The file extensions of compressed copies by encoding, smallest first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

pub async fn file(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let name = uri.path().trim_start_matches('/');
    let (first, last) = (name.split('/').next().unwrap_or_default(), name.rsplit('/').next().unwrap_or_default());
    if RESERVED_SEGMENTS.contains(&first) {
        return Err(not_found().await);
    }
    let name = if name.is_empty() { INDEX } else { name };
    if let Some(response) = find(&app, name, &headers).await? {
        return Ok(response);
    }
    // A missing script must not be replaced by a page: the browser would fail on it later, with a worse message.
    if last.contains('.') || name.starts_with(HASHED) {
        return Err(ApiError::NotFound(
            Code::NotFound,
            "The web app has no such file; reload the page to get the newest version.",
        ));
    }
    let page = find(&app, INDEX, &headers).await?;
    Ok(page.unwrap_or_else(|| (StatusCode::NOT_FOUND, Html(NOT_INCLUDED)).into_response()))
}

pub async fn not_found() -> ApiError {
    ApiError::NotFound(Code::NotFound, "There is nothing at this address; see /api/docs.")
}

/// The file with this name, in the smallest encoding that the client accepts.
async fn find(app: &App, name: &str, headers: &HeaderMap) -> Result<Option<Response>, ApiError> {
    let get = async |name: &str| web_files::get(app.config.web_dir.as_deref(), name).await.map_err(ApiError::internal);
    for (encoding, ending) in ENCODINGS.into_iter().filter(|(encoding, _)| accepts(headers, encoding)) {
        if let Some(file) = get(&format!("{name}{ending}")).await? {
            return Ok(Some(file_response(name, file, Some(encoding), headers)));
        }
    }
    Ok(get(name).await?.map(|file| file_response(name, file, None, headers)))
}

fn file_response(name: &str, file: File, encoding: Option<&'static str>, request_headers: &HeaderMap) -> Response {
    // Each encoding has its own entity tag (RFC 9110, section 8.8.3.3), made from the bytes that are sent.
    let tag = etag::from_hash(&file.hash);
    let keep = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut headers = HeaderMap::new();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.extend(HeaderValue::try_from(&tag).ok().map(|tag| (header::ETAG, tag)));
    let mut response = if etag::is_known(request_headers, &tag) {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        headers.extend(HeaderValue::try_from(media_type(name)).ok().map(|kind| (header::CONTENT_TYPE, kind)));
        headers.extend(encoding.map(|name| (header::CONTENT_ENCODING, HeaderValue::from_static(name))));
        (headers, file.bytes).into_response()
    };
    response.extensions_mut().insert(WebAppMarker);
    response
}

fn media_type(name: &str) -> String {
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    if kind.type_() == mime_guess::mime::TEXT { format!("{kind}; charset=utf-8") } else { kind.to_string() }
}

/// Whether `Accept-Encoding` (RFC 9110, section 12.5.3) accepts this encoding. The server chooses among the accepted
/// ones.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let weight = |wanted: &str| {
        etag::list(headers, header::ACCEPT_ENCODING).find_map(|item| {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.parse::<f32>().ok());
            name.trim().eq_ignore_ascii_case(wanted).then_some(weight.unwrap_or_default())
        })
    };
    weight(encoding).or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

/// Text only: the policy of the API forbids styles.
const NOT_INCLUDED: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sotto</title>
<h1>The web app is not included</h1>
<p>This server was built without it. Your journal is here, and its <a href="/api/docs/">API</a> works.
<p>To include the app, build the server with <code>make run</code>, for which Node 20.19 or newer is needed; or run
<code>npm ci</code> and <code>npm run build</code> in the folder <code>web</code> before <code>cargo build</code>. A server that
is there already serves the app from the folder that <code>SOTTO_WEB_DIR</code> names.
</html>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_chosen_by_name_and_weight() {
        let accepted = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::try_from(value).unwrap());
            ENCODINGS.map(|(encoding, _)| accepts(&headers, encoding))
        };
        for (value, taken) in [
            ("gzip, deflate, br, zstd", [true, true]),
            ("gzip", [false, true]),
            ("BR;q=0.1", [true, false]),
            ("br; q=0, gzip; q=0.5", [false, true]),
            ("*", [true, true]),
            ("*;q=0", [false, false]),
            ("br;q=0, *", [false, true]),
            ("br;q=nonsense", [false, false]),
            ("identity", [false, false]),
            ("", [false, false]),
        ] {
            assert_eq!(accepted(value), taken, "{value}");
        }
        assert!(!accepts(&HeaderMap::new(), "br"));
    }

    #[test]
    fn files_have_media_types() {
        for (name, kind) in [
            ("index.html", "text/html; charset=utf-8"),
            ("assets/app-1a2b.js", "text/javascript; charset=utf-8"),
            ("assets/app.css", "text/css; charset=utf-8"),
            ("assets/opaque.wasm", "application/wasm"),
            ("assets/serif.woff2", "font/woff2"),
            ("manifest.webmanifest", "application/manifest+json"),
            ("icons/icon.svg", "image/svg+xml"),
            ("icons/icon-192.png", "image/png"),
            ("messages/de.json", "application/json"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name), kind, "{name}");
        }
    }
}
