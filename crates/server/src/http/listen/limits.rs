//! What connections may take of the server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;

/// The most connections at once, if there are enough file descriptors. Each has buffers of at most 64 KiB in either
/// direction (see [`HEAD_BYTES`]), which makes 512 MiB.
const MAX_PLACES: usize = 4096;
/// File descriptors that are kept for the database, the log, webhooks, exports and so on.
const RESERVED_DESCRIPTORS: u64 = 256;
/// A connection takes a descriptor, and another one while it sends or receives a recording.
const DESCRIPTORS_PER_CONNECTION: u64 = 2;
/// Bytes of a request head, and of what is buffered of a response. hyper notices after a read that a head is longer, so
/// that up to 56 KiB can be accepted and are in memory.
pub const HEAD_BYTES: usize = 32 << 10;

/// The limits on connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at once. Further ones wait in the kernel's queue.
    pub places: usize,
    /// Connections at once from one client network. Further ones are closed.
    pub per_client: usize,
    /// Networks whose connections are not counted, because each carries the requests of many clients.
    pub exempt: Vec<IpNet>,
    /// Deadline for the first byte of a connection.
    pub first_byte: Duration,
    /// Deadline for a request head, and for the next request on an idle connection.
    pub head: Duration,
    /// Deadline for the next byte that a client reads of a response, or sends of a request body.
    pub progress: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            places: MAX_PLACES,
            per_client: 256,
            exempt: vec![
                IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 8).trunc(),
                IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
            ],
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(30),
            progress: Duration::from_secs(30),
        }
    }
}

impl ConnectionLimits {
    /// The number of places for a process that may have this many file descriptors; `None` is any number.
    pub fn places_for(descriptors: Option<u64>) -> usize {
        let places = descriptors
            .map_or(u64::MAX, |number| number.saturating_sub(RESERVED_DESCRIPTORS) / DESCRIPTORS_PER_CONNECTION);
        usize::try_from(places).unwrap_or(usize::MAX).clamp(16, MAX_PLACES)
    }

    /// The limits of a server behind these proxies, which are exempt. Without any, this machine is: a proxy may run on it.
    #[must_use]
    pub fn behind(self, proxies: &[IpNet]) -> Self {
        if proxies.is_empty() { self } else { Self { exempt: proxies.to_vec(), ..self } }
    }

    /// Whether connections from this address are not counted.
    pub(super) fn is_exempt(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.exempt.iter().any(|network| network.contains(&address))
    }
}

/// Raises this process's soft limit of file descriptors to the hard one, and returns the limit that now applies; `None`
/// if there is none.
pub fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors could not be raised");
            limit.current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_from_descriptors() {
        assert_eq!(ConnectionLimits::places_for(None), 4096);
        assert_eq!(ConnectionLimits::places_for(Some(1 << 20)), 4096);
        assert_eq!(ConnectionLimits::places_for(Some(1024)), 384);
        assert_eq!(ConnectionLimits::places_for(Some(64)), 16);
    }

    #[test]
    fn proxies_are_exempt_or_this_machine() {
        let alone = ConnectionLimits::default().behind(&[]);
        let behind_proxy = ConnectionLimits::default().behind(&["10.0.0.0/8".parse().unwrap()]);
        for (address, exempt) in [
            ("127.0.0.9", (true, false)),
            ("::1", (true, false)),
            ("::ffff:10.1.2.3", (false, true)),
            ("192.0.2.1", (false, false)),
            ("2001:db8::1", (false, false)),
        ] {
            let address = address.parse().unwrap();
            assert_eq!((alone.is_exempt(address), behind_proxy.is_exempt(address)), exempt, "{address}");
        }
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        assert_eq!(raise_descriptor_limit(), hard);
        assert_eq!(rustix::process::getrlimit(rustix::process::Resource::Nofile).current, hard);
    }
}
