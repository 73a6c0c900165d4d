//! As much of a browser as a sign-in needs: cookies and redirects.

use std::sync::Mutex;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};

use crate::server::{ApiResponse, PASSWORD, Server};

/// The browser of one user. Each port is a separate site.
pub struct Browser {
    client: Client,
    /// The address of the server, without a trailing slash.
    home: String,
    jar: Mutex<Vec<Cookie>>,
}

#[derive(Debug, Clone)]
struct Cookie {
    port: u16,
    name: String,
    value: String,
    path: String,
    /// The rest of the cookie.
    rest: String,
}

impl Browser {
    pub fn new(server: &Server) -> Self {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { client, home: format!("http://{}", server.address), jar: Mutex::default() }
    }

    /// Signs in by password, like the web app.
    pub async fn login(&self, email: &str) {
        let body = json!({"email": email, "password": PASSWORD, "cookie": true});
        self.send(Method::POST, "/api/auth/login", body).await.expect(StatusCode::OK);
    }

    pub async fn get(&self, path: &str) -> ApiResponse {
        self.send(Method::GET, path, Value::Null).await
    }

    /// A request of the web app.
    pub async fn send(&self, method: Method, path: &str, body: Value) -> ApiResponse {
        let url = Url::parse(&format!("{}{path}", self.home)).unwrap();
        let mut request = self.with_cookies(self.client.request(method, url.clone()), &url, false);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = ApiResponse::receive(request).await;
        self.take_cookies(&url, response.headers.get_all(SET_COOKIE));
        response
    }

    /// Goes to the provider, selects an account there, and returns the page where the browser ends up.
    pub async fn sign_in(&self, start: &str, account: &str) -> String {
        if let Some(refused) = self.refused_at(start).await {
            return refused;
        }
        let callback = self.until_callback(start, account).await;
        self.follow(&callback).await
    }

    /// Goes to a provider that asks nothing, and returns the page where the browser ends up.
    pub async fn sign_in_at_once(&self, start: &str) -> String {
        if let Some(refused) = self.refused_at(start).await {
            return refused;
        }
        let back = self.walk(start, None).await;
        self.follow(back.0.as_str()).await
    }

    /// The same, but stops before the callback and returns its address.
    pub async fn until_callback(&self, start: &str, account: &str) -> String {
        // Makes the provider ask for an account again.
        let home = Url::parse(&self.home).unwrap().port();
        self.jar.lock().unwrap().retain(|cookie| Some(cookie.port) == home);
        let page = self.walk(start, None).await;
        assert_eq!(page.1, StatusCode::OK, "{}", page.0);
        let response = self.walk(&format!("{}/login", page.0), Some(account)).await;
        assert!(response.0.as_str().contains("/callback?"), "{}", response.0);
        response.0.into()
    }

    /// Follows the provider's redirect, and returns the page of the web app where the browser ends up.
    pub async fn follow(&self, address: &str) -> String {
        let mut url = Url::parse(address).unwrap();
        loop {
            let response = self.request(Method::GET, &url, None, true).await;
            assert_eq!(response.status(), StatusCode::SEE_OTHER, "{url}");
            url = url.join(response.headers()[LOCATION].to_str().unwrap()).unwrap();
            if !url.path().starts_with("/api/") {
                assert!(url.as_str().starts_with(&self.home), "{url}");
                return url.as_str()[self.home.len()..].to_owned();
            }
        }
    }

    /// The server's cookies, without their values.
    pub fn cookies(&self) -> Vec<String> {
        let ours = |cookie: &&Cookie| cookie.name.starts_with("sotto_");
        self.jar.lock().unwrap().iter().filter(ours).map(|cookie| format!("{}; {}", cookie.name, cookie.rest)).collect()
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        let jar = self.jar.lock().unwrap();
        jar.iter().find(|cookie| cookie.name == name).map(|cookie| cookie.value.clone())
    }

    /// Sets a cookie of the server that an attacker has obtained.
    pub fn keep(&self, name: &str, value: &str) {
        let port = Url::parse(&self.home).unwrap().port().unwrap();
        let (name, value, path) = (name.to_owned(), value.to_owned(), "/api/auth/oidc".to_owned());
        let mut jar = self.jar.lock().unwrap();
        jar.retain(|cookie| cookie.name != name);
        jar.push(Cookie { port, name, value, path, rest: String::new() });
    }

    /// The redirect of a start that does not go to the provider.
    async fn refused_at(&self, start: &str) -> Option<String> {
        let url = Url::parse(start).unwrap();
        let response = self.request(Method::GET, &url, None, false).await;
        let location = response.headers()[LOCATION].to_str().unwrap();
        location.starts_with('/').then(|| location.to_owned())
    }

    /// Follows redirects up to a page, or back to the server.
    async fn walk(&self, address: &str, account: Option<&str>) -> (Url, StatusCode) {
        let mut url = Url::parse(address).unwrap();
        let method = if account.is_some() { Method::POST } else { Method::GET };
        let mut response = self.request(method, &url, account, false).await;
        while response.status().is_redirection() {
            url = url.join(response.headers()[LOCATION].to_str().unwrap()).unwrap();
            if url.as_str().starts_with(&self.home) {
                break;
            }
            response = self.request(Method::GET, &url, None, false).await;
        }
        (url, response.status())
    }

    async fn request(&self, method: Method, url: &Url, account: Option<&str>, from_elsewhere: bool) -> Response {
        let mut request = self.with_cookies(self.client.request(method, url.clone()), url, from_elsewhere);
        if let Some(account) = account {
            request = request.form(&[("account", account)]);
        }
        let response = request.send().await.unwrap();
        self.take_cookies(url, response.headers().get_all(SET_COOKIE));
        response
    }

    /// After a redirect from another site, strict cookies are not sent.
    fn with_cookies(&self, request: RequestBuilder, url: &Url, from_elsewhere: bool) -> RequestBuilder {
        let jar = self.jar.lock().unwrap();
        let sent: Vec<String> = jar
            .iter()
            .filter(|cookie| Some(cookie.port) == url.port() && url.path().starts_with(&cookie.path))
            .filter(|cookie| !from_elsewhere || !cookie.rest.contains("SameSite=Strict"))
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if sent.is_empty() { request } else { request.header(COOKIE, sent.join("; ")) }
    }

    fn take_cookies<'h>(&self, url: &Url, values: impl IntoIterator<Item = &'h reqwest::header::HeaderValue>) {
        let mut jar = self.jar.lock().unwrap();
        for text in values.into_iter().map(|value| value.to_str().unwrap()) {
            let (pair, rest) = text.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let attribute = |name: &str| {
                let mut pairs = rest.split("; ").filter_map(|pair| pair.split_once('='));
                pairs.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.to_owned()))
            };
            let path = attribute("path").unwrap();
            jar.retain(|cookie| (cookie.name.as_str(), cookie.path.as_str()) != (name, path.as_str()));
            if !value.is_empty() {
                let rest = rest.split("; Max-Age").next().unwrap().to_owned();
                jar.push(Cookie { port: url.port().unwrap(), name: name.into(), value: value.into(), path, rest });
            }
        }
    }
}
