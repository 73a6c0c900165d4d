//! The certified `oidc-provider` in a separate process, and a server with it as a provider.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use sotto_server::{Config, ProviderSettings};
use sotto_storage::testing::{Scratch, wait_for};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::server::{Server, free_port, lenient};

/// A provider and a server that know each other. `test` and `second` are the same provider under two names.
pub struct Setup {
    pub server: Server,
    pub provider: Provider,
}

/// A provider; killed when it is dropped.
pub struct Provider {
    pub issuer: String,
    child: Child,
}

impl Setup {
    pub async fn new(scratch: Scratch) -> Self {
        let listener = free_port().await;
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (provider, settings) = Provider::start(&url).await;
        let second = ProviderSettings { id: "second".into(), ..settings.clone() };
        let config = Config { public_url: Some(url), providers: vec![settings, second], ..lenient() };
        Self { server: Server::start_on(listener, scratch, config).await, provider }
    }

    /// The same with other settings.
    pub async fn restart(self, config: Config) -> Self {
        let Self { mut server, provider } = self;
        server.stop().await;
        let listener = tokio::net::TcpListener::bind(server.address).await.unwrap();
        let scratch = server.into_scratch();
        Self { server: Server::start_on(listener, scratch, config).await, provider }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The address that starts a sign-in.
    pub fn start(&self, query: &str) -> String {
        format!("{}/api/auth/oidc/test/start{query}", self.url())
    }
}

impl Provider {
    async fn start(url: &str) -> (Self, ProviderSettings) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc/provider.mjs");
        let redirects = ["test", "second"].map(|id| format!("{url}/api/auth/oidc/{id}/callback"));
        let mut node = Command::new("node");
        node.arg(script).args(redirects).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = node.spawn().expect("node is needed: `scripts/tools node` installs it");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready: Value = wait_for("the provider prints its address", async || {
            let line = lines.next_line().await.unwrap();
            let line = line.expect("its packages are needed: `scripts/tools node` installs them");
            serde_json::from_str(&line).ok()
        })
        .await;
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        let settings = ProviderSettings {
            id: "test".into(),
            name: "A provider".into(),
            issuer: text("issuer"),
            client_id: text("client_id"),
            client_secret: text("client_secret"),
            scopes: ProviderSettings::SCOPES.map(str::to_owned).to_vec(),
        };
        (Self { issuer: text("issuer"), child }, settings.check().unwrap())
    }

    /// From now on, new keys sign.
    pub async fn rotate(&self) {
        let rotated = reqwest::Client::new().post(format!("{}/rotate", self.issuer)).send().await.unwrap();
        assert!(rotated.status().is_success());
    }

    pub async fn stop(&mut self) {
        self.child.kill().await.unwrap();
    }
}
