//! How many connections each client has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::http::client_network::household;

/// The number of open connections of each client network.
#[derive(Clone, Default)]
pub(super) struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One counted connection, until it is dropped.
pub(super) struct Counted {
    clients: Clients,
    network: IpAddr,
}

impl Clients {
    /// Counts a connection, unless the client has `limit` of them.
    pub(super) fn count(&self, address: IpAddr, limit: usize) -> Option<Counted> {
        let network = household(address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = counts.entry(network).or_default();
        if *open >= limit {
            return None;
        }
        *open += 1;
        Some(Counted { clients: self.clone(), network })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = counts.get_mut(&self.network) {
            *open -= 1;
            if *open == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_by_network_and_forgotten_when_they_close() {
        let clients = Clients::default();
        let count = |text: &str| clients.count(text.parse().unwrap(), 2);
        let (one, two) = (count("2001:db8::1").unwrap(), count("2001:db8:0:ff::1").unwrap());
        assert!(count("2001:db8::2").is_none());
        assert!(count("2001:db8:0:100::1").is_some());
        assert!(count("192.0.2.1").is_some());
        drop(one);
        assert!(count("2001:db8::3").is_some());
        drop(two);
        assert!(clients.0.lock().unwrap().is_empty());
    }
}
