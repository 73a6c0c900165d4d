//! API calls that prepare a measurement.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::Result;
use crate::http::{self, Connection};
use crate::seed::Author;

/// The password of every account.
const PASSWORD: &str = "a long walk by the lake";

/// An author who has signed in. The token is valid for 15 minutes.
pub struct SignedIn {
    pub author: Author,
    /// The access token.
    pub token: String,
}

/// Creates an account.
///
/// # Errors
/// If the server refuses.
pub async fn register(address: SocketAddr, email: &str) -> Result<()> {
    let body = json!({ "email": email, "password": PASSWORD, "time_zone": "UTC" });
    post(&mut Connection::open(address).await?, "/api/auth/register", None, &body, 201).await?;
    Ok(())
}

/// Signs authors in, one after another.
///
/// # Errors
/// If the server refuses one.
pub async fn sign_in(address: SocketAddr, authors: impl Iterator<Item = Author>) -> Result<Vec<SignedIn>> {
    let mut connection = Connection::open(address).await?;
    let mut signed_in = vec![];
    for author in authors {
        let response = post(&mut connection, "/api/auth/login", None, &credentials(author), 200).await?;
        let token = response["access_token"].as_str().ok_or("a login without an access token")?.to_owned();
        signed_in.push(SignedIn { author, token });
    }
    Ok(signed_in)
}

/// The body of a sign-in.
pub fn credentials(author: Author) -> Value {
    json!({ "email": author.email(), "password": PASSWORD })
}

/// Sends a body as JSON, and returns the body of the response.
///
/// # Errors
/// If the response has another status.
pub async fn post(
    connection: &mut Connection,
    path: &str,
    token: Option<&str>,
    body: &Value,
    expected: u16,
) -> Result<Value> {
    send(connection, path, &http::render("POST", path, token, Some(&body.to_string())), expected).await
}

/// Sends a rendered request, and returns the body of the response.
///
/// # Errors
/// If the response has another status.
pub async fn send(connection: &mut Connection, path: &str, request: &[u8], expected: u16) -> Result<Value> {
    let response = connection.exchange(request).await?;
    if response.status != expected {
        let body = String::from_utf8_lossy(response.body);
        return Err(format!("POST {path} responded {}: {body}", response.status).into());
    }
    Ok(serde_json::from_slice(response.body)?)
}
