//! The web app, from a folder and from the binary.

use std::fs;
use std::path::Path;

use reqwest::{Method, Response, StatusCode};
use sotto_server::{Config, web_files};
use sotto_storage::testing::Scratch;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{ApiResponse, Server, lenient};

const PAGE: &str = "<!doctype html><title>Sotto</title>";

/// A server with a folder for its app, and a secret file beside that folder.
struct App {
    server: Server,
    _home: TempDir,
}

impl App {
    async fn start() -> Self {
        let home = TempDir::new().unwrap();
        let dist = home.path().join("dist");
        let write = |name: &str, content: &str| {
            let path = dist.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("index.html", PAGE);
        write("assets/app-1a2b.js", "the script");
        write("assets/app-1a2b.js.br", "the script, by brotli");
        write("assets/app-1a2b.js.gz", "the script, by gzip");
        write("assets/small.css", "a{}");
        write("assets/small.css.gz", "a{}, by gzip");
        write("manifest.webmanifest", "{}");
        write(".hidden", "secret");
        fs::write(home.path().join("keys.json"), "secret").unwrap();
        let config = Config { web_dir: Some(dist), ..lenient() };
        Self { server: Server::start(Scratch::sqlite(), config).await, _home: home }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.server.request(Method::GET, path);
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_page_starts_with_the_same_document() {
    let app = App::start().await;
    for path in
        ["/", "/login", "/entries/0190b5a4-1111-7222-8333-444455556666", "/search?q=a.b", "/apiary", "/index.html"]
    {
        let page = app.get(path, &[]).await;
        assert_eq!(
            (page.status(), header(&page, "content-type")),
            (StatusCode::OK, "text/html; charset=utf-8"),
            "{path}"
        );
        assert_eq!(header(&page, "cache-control"), "no-cache");
        assert_eq!(page.text().await.unwrap(), PAGE);
    }
}

#[tokio::test]
async fn a_missing_file_is_not_a_page() {
    let app = App::start().await;
    for path in [
        "/assets/app-0000.js",
        "/assets/none",
        "/favicon.ico",
        "/some/where.png",
        "/api",
        "/api/nothing",
        "/api/docs/nothing.js",
        "/health",
        "/health/nothing",
        "/metrics/nothing",
    ] {
        ApiResponse::receive(app.server.request(Method::GET, path)).await.expect(StatusCode::NOT_FOUND);
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        ApiResponse::receive(app.server.request(method, "/login")).await.expect(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn files_are_sent_in_the_smallest_accepted_encoding() {
    let app = App::start().await;
    for (path, taken, encoding, body) in [
        ("/assets/app-1a2b.js", "gzip, deflate, br, zstd", "br", "the script, by brotli"),
        ("/assets/app-1a2b.js", "gzip", "gzip", "the script, by gzip"),
        ("/assets/app-1a2b.js", "br;q=0, gzip", "gzip", "the script, by gzip"),
        ("/assets/app-1a2b.js", "identity", "", "the script"),
        ("/assets/small.css", "br, gzip", "gzip", "a{}, by gzip"),
        ("/manifest.webmanifest", "br, gzip", "", "{}"),
    ] {
        let file = app.get(path, &[("accept-encoding", taken)]).await;
        assert_eq!((file.status(), header(&file, "content-encoding")), (StatusCode::OK, encoding), "{path} {taken}");
        assert_eq!(header(&file, "vary"), "accept-encoding");
        assert_eq!(file.text().await.unwrap(), body);
    }
    let file = app.get("/assets/app-1a2b.js", &[("accept-encoding", "br")]).await;
    assert_eq!(header(&file, "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(header(&file, "cache-control"), "public, max-age=31536000, immutable");
}

#[tokio::test]
async fn cached_files_are_not_sent_again() {
    let app = App::start().await;
    let path = "/assets/app-1a2b.js";
    let tag = |response: &Response| header(response, "etag").to_owned();
    let (plain, small) = (app.get(path, &[]).await, app.get(path, &[("accept-encoding", "br")]).await);
    assert_ne!(tag(&plain), tag(&small), "what differs in its bytes differs in its tag");
    for known in [tag(&small), format!("W/{}", tag(&small)), format!("\"other\", {}", tag(&small)), "*".to_owned()] {
        let again = app.get(path, &[("accept-encoding", "br"), ("if-none-match", &known)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!((tag(&again), header(&again, "vary")), (tag(&small), "accept-encoding"));
        assert_eq!(again.text().await.unwrap(), "");
    }
    for other in [tag(&plain), "\"other\"".to_owned()] {
        let again = app.get(path, &[("accept-encoding", "br"), ("if-none-match", &other)]).await;
        assert_eq!(again.status(), StatusCode::OK, "{other}");
    }
}

#[tokio::test]
async fn head_returns_the_headers_of_get() {
    let app = App::start().await;
    let head = app.server.request(Method::HEAD, "/").send().await.unwrap();
    let get = app.get("/", &[]).await;
    for name in ["content-type", "content-length", "etag", "cache-control", "content-security-policy"] {
        assert!(!header(&head, name).is_empty() && header(&head, name) == header(&get, name), "{name}");
    }
    assert_eq!((head.status(), head.text().await.unwrap().as_str()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn the_security_policy_allows_only_what_the_app_needs() {
    let app = App::start().await;
    let page = app.get("/login", &[]).await;
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; media-src 'self' blob:; frame-ancestors 'none'; \
             base-uri 'none'; form-action 'self'; object-src 'none'",
        ),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(header(&page, name), value);
    }
    let features = header(&page, "permissions-policy");
    assert!(features.contains("microphone=(self)") && features.contains("camera=()"), "{features}");
    // A path of the API never returns the app.
    let missing = app.get("/assets/none.js", &[]).await;
    assert_eq!(header(&missing, "content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    assert_eq!((header(&missing, "cache-control"), header(&missing, "permissions-policy")), ("no-store", ""));
    let metrics = app.server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("route=\"app\",status=\"200\""), "{metrics}");
}

#[tokio::test]
async fn no_path_leaves_the_folder() {
    let app = App::start().await;
    for path in [
        "/../keys.json",
        "/assets/../../keys.json",
        "/assets/..\\..\\keys.json",
        "//keys.json",
        "/./../keys.json",
        "/..%2fkeys.json",
        "/%2e%2e/keys.json",
        "/.hidden",
        "/assets/../.hidden",
    ] {
        // This client would normalise the path.
        let mut stream = TcpStream::connect(app.server.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let status = response.split(' ').nth(1).unwrap_or_default();
        assert!(["404", "400"].contains(&status) && !response.contains("secret"), "{path}: {response}");
    }
}

/// `web/dist` at the time of the build, with or without an app.
#[tokio::test]
async fn the_binary_contains_the_built_app() {
    let server = Server::start(Scratch::sqlite(), lenient()).await;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist/index.html");
    let page = server.request(Method::GET, "/").send().await.unwrap();
    if built.exists() {
        assert!(web_files::is_embedded());
        assert_eq!((page.status(), page.bytes().await.unwrap()), (StatusCode::OK, fs::read(built).unwrap().into()));
    } else {
        assert!(!web_files::is_embedded());
        assert_eq!((page.status(), header(&page, "content-type")), (StatusCode::NOT_FOUND, "text/html; charset=utf-8"));
        let page = page.text().await.unwrap();
        assert!(page.contains("The web app is not included") && page.contains("make run"), "{page}");
        ApiResponse::receive(server.request(Method::GET, "/assets/app.js")).await.expect(StatusCode::NOT_FOUND);
    }
}
