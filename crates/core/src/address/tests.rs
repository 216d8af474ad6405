use proptest::prelude::*;

use super::*;

fn network(text: &str) -> Network {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_network_contains_its_addresses_and_no_others() {
    for (text, client, inside) in [
        ("203.0.113.7", "203.0.113.7", true),
        ("203.0.113.7", "203.0.113.8", false),
        ("203.0.113.0/24", "203.0.113.255", true),
        ("203.0.113.0/24", "203.0.114.0", false),
        ("203.0.113.128/25", "203.0.113.127", false),
        ("0.0.0.0/0", "8.8.8.8", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("::/0", "2001:db8::1", true),
        ("::/0", "8.8.8.8", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("2001:db8::1", "2001:db8:0:0::1", true),
        // The same IPv4 address in each notation.
        ("203.0.113.0/24", "::ffff:203.0.113.7", true),
        ("::ffff:203.0.113.0/120", "203.0.113.7", true),
        ("::ffff:203.0.113.0/120", "203.0.114.7", false),
        ("::ffff:203.0.113.7", "203.0.113.7", true),
        ("::ffff:0:0/96", "8.8.8.8", true),
        // The deprecated IPv4-compatible form is not an IPv4-mapped one.
        ("203.0.113.7", "::203.0.113.7", false),
    ] {
        let contains = network(text).contains(address(client));
        assert_eq!(contains, inside, "{text} on {client}");
    }
}

#[test]
fn an_invalid_network_is_refused_and_a_likely_one_suggested() {
    for (text, problem) in [
        ("", "must be an IP address"),
        ("example.com", "must be an IP address"),
        ("203.0.113.7:443", "must be an IP address"),
        ("203.0.113.0/33", "must be an IP address"),
        ("203.0.113.0/-1", "must be an IP address"),
        ("203.0.113.0/ 24", "must be an IP address"),
        ("203.0.113.0/24,10.0.0.0/8", "must be an IP address"),
        ("203.0.113", "must be an IP address"),
        ("0203.0.113.7", "must be an IP address"),
        ("fe80::1%eth0", "must be an IP address"),
        ("203.0.113.*", "must be an IP address"),
        ("203.0.113.7/24", "write 203.0.113.0/24 for"),
        ("2001:db8::1/32", "write 2001:db8::/32 for"),
        ("::ffff:203.0.113.7/120", "write 203.0.113.0/24 for"),
    ] {
        let refused = Network::from_str(text).unwrap_err().to_string();
        assert!(refused.contains(problem), "{text:?}: {refused}");
    }
}

#[test]
fn a_network_is_written_in_its_shortest_form() {
    for (text, shown) in [
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ] {
        assert_eq!(network(text).to_string(), shown);
        let json = serde_json::to_string(&network(text)).unwrap();
        assert_eq!(json, format!("{shown:?}"));
        let read: Network = serde_json::from_str(&json).unwrap();
        assert_eq!(read, network(text));
    }
}

#[test]
fn a_list_is_bounded_and_an_empty_one_allows_nobody() {
    let many = |n: usize| vec![network("10.0.0.0/8"); n];
    assert!(AddressSet::new(many(MAX_NETWORKS)).is_ok());
    assert_eq!(
        AddressSet::new(many(MAX_NETWORKS + 1)),
        Err(TooManyNetworks)
    );
    let json = serde_json::to_string(&many(MAX_NETWORKS + 1)).unwrap();
    assert!(serde_json::from_str::<AddressSet>(&json).is_err());
    assert!(
        !AddressSet::new(vec![])
            .unwrap()
            .contains(address("10.0.0.1"))
    );
}

#[test]
fn the_address_of_a_peer_is_read_without_its_port() {
    for (peer, found) in [
        ("203.0.113.7:50000", Some("203.0.113.7")),
        ("203.0.113.7", Some("203.0.113.7")),
        ("[2001:db8::1]:50000", Some("2001:db8::1")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("[::ffff:203.0.113.7]:50000", Some("203.0.113.7")),
        ("", None),
        ("/var/run/client.sock", None),
        ("@internal", None),
        ("203.0.113.7:99999", None),
    ] {
        assert_eq!(of_peer(peer.as_bytes()), found.map(address), "{peer}");
    }
    assert_eq!(of_peer(b"203.0.113.7\xff"), None);
}

proptest! {
    /// A network contains exactly the addresses that share its first bits.
    #[test]
    fn v4_membership_is_a_prefix_comparison(net: u32, len in 0u8..=32, client: u32) {
        let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
        let base = std::net::Ipv4Addr::from(net & mask);
        let network = network(&format!("{base}/{len}"));
        let client_address = std::net::Ipv4Addr::from(client);
        prop_assert_eq!(network.contains(client_address.into()), client & mask == net & mask);
        prop_assert_eq!(network.contains(client_address.to_ipv6_mapped().into()), client & mask == net & mask);
    }

    /// Any text gives a network or an error, never a panic. A network that is written reads back the same.
    #[test]
    fn any_text_is_a_network_or_an_error(text in "[0-9a-f:./]{0,24}") {
        if let Ok(read) = Network::from_str(&text) {
            prop_assert_eq!(Network::from_str(&read.to_string()), Ok(read));
        }
    }
}
