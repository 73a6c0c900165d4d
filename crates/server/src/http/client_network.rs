//! The networks of clients, by which limits count: the owner of one address of an IPv6 network has all of them.

use std::net::{IpAddr, Ipv6Addr};

/// The bits of the IPv6 network that counts as one client: what providers assign to a household.
pub const HOUSEHOLD: u8 = 56;

/// The network of an address: an IPv4 address by itself, an IPv6 address with only its first `bits`.
pub fn network(address: IpAddr, bits: u8) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The network of an address that counts as one client.
pub fn household(address: IpAddr) -> IpAddr {
    network(address, HOUSEHOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_counts_as_one_client() {
        let at = |text: &str, bits| network(text.parse().unwrap(), bits).to_string();
        assert_eq!(at("2001:db8:1:2:ffff::9", 64), "2001:db8:1:2::");
        assert_eq!(at("2001:db8:1:2ff::9", 56), "2001:db8:1:200::");
        assert_eq!(at("2001:db8:1:2ff::9", 48), "2001:db8:1::");
        assert_eq!(at("2001:db8::1", 0), "::");
        assert_eq!(at("2001:db8::1", 128), "2001:db8::1");
        assert_eq!(at("::ffff:192.0.2.1", 56), "192.0.2.1");
        assert_eq!(at("192.0.2.1", 48), "192.0.2.1");
    }
}
