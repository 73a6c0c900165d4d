//! The address of the client, also behind reverse proxies.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;
use crate::config::Config;

/// The address that rate limits count by: the peer's, or the one that a trusted proxy names in `X-Forwarded-For`.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Whether the peer is one of the trusted proxies, whose headers are believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct BehindTrustedProxy(pub bool);

/// Adds [`ClientAddress`] and [`BehindTrustedProxy`] to the request.
pub(super) async fn find_client_address(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<SocketAddr>().map_or(IpAddr::from([0, 0, 0, 0]), SocketAddr::ip);
    let is_proxy = is_trusted(peer, &app.config);
    let client = if is_proxy { forwarded_for(&request, &app.config).unwrap_or(peer) } else { peer };
    request.extensions_mut().insert(ClientAddress(client));
    request.extensions_mut().insert(BehindTrustedProxy(is_proxy));
    next.run(request).await
}

/// The last address in the chain that is not a trusted proxy's. Addresses before it may be forged by the client.
fn forwarded_for(request: &Request, config: &Config) -> Option<IpAddr> {
    let values = request.headers().get_all("x-forwarded-for").into_iter().filter_map(|value| value.to_str().ok());
    let chain: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut addresses = chain.iter().rev().map_while(|text| text.parse::<IpAddr>().ok());
    addresses.find(|address| !is_trusted(*address, config))
}

fn is_trusted(address: IpAddr, config: &Config) -> bool {
    config.trusted_proxies.iter().any(|net| net.contains(&address.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_forwarding_chain_is_ignored() {
        let config = Config { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() };
        let request = |chain: &str| Request::builder().header("x-forwarded-for", chain).body(axum::body::Body::empty());
        let seen = |chain| forwarded_for(&request(chain).unwrap(), &config).map(|address| address.to_string());
        assert_eq!(seen("6.6.6.6, 203.0.113.9, 10.1.1.1").as_deref(), Some("203.0.113.9"));
        assert_eq!(seen("nonsense, 10.1.1.1"), None);
    }
}
