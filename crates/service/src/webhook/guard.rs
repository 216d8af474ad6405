//! Where posts may go: the addresses come from people of teams, and the service stands in the operator's network.
//!
//! Names are resolved here, and the connection goes to an address that was checked: a name that leads elsewhere the next time
//! leads nowhere. An address that is written as a number is checked before each post.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use gmtech_core::address::{AddressSet, Network};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::MAX_URL;
use crate::config::WebhookConfig;

/// What is no host of the public Internet: IANA's special-purpose registries, and what is for many hosts.
const NOT_PUBLIC: [&str; 26] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    // All that is not global unicast.
    "::/3",
    "4000::/2",
    "8000::/1",
];

static NETWORKS: LazyLock<Vec<Network>> =
    LazyLock::new(|| NOT_PUBLIC.iter().filter_map(|n| n.parse().ok()).collect());

/// Which addresses may be reached.
#[derive(Clone)]
pub(crate) struct Guard {
    allowed: Arc<Option<AddressSet>>,
    http: bool,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The host is in a network that is not public.
    NotPublic,
    /// It is not encrypted.
    Http,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPublic => {
                "the host must be on the public Internet; an operator can allow other networks (gmtech serve --alert-networks)"
            }
            Self::Http => "the address must begin with https://; an operator can allow http (gmtech serve --alert-http)",
        })
    }
}

impl std::error::Error for Refused {}

impl Guard {
    /// A guard that allows what the configuration says.
    pub(super) fn new(config: &WebhookConfig) -> Self {
        Self {
            allowed: Arc::new(config.networks.clone()),
            http: config.http,
        }
    }

    /// Whether a post may go to this address.
    fn judge(&self, address: IpAddr, is_https: bool) -> Result<(), Refused> {
        let address = embedded(address);
        let is_allowed = self
            .allowed
            .as_ref()
            .as_ref()
            .is_some_and(|n| n.contains(address));
        let is_public = !NETWORKS.iter().any(|network| network.contains(address));
        if !is_public && !is_allowed {
            return Err(Refused::NotPublic);
        }
        // On the loopback nobody listens in between.
        match is_https || self.http || address.is_loopback() {
            true => Ok(()),
            false => Err(Refused::Http),
        }
    }

    /// Checks an address as it is written.
    pub(super) fn check(&self, text: &str) -> Result<Url, String> {
        let form = || "url must be an address such as https://hooks.example.com/gmtech".to_owned();
        let begins = text.starts_with("https://") || text.starts_with("http://");
        if !begins
            || text.len() > MAX_URL
            || text.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return Err(form());
        }
        let url = Url::parse(text).map_err(|_| form())?;
        let is_https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(form()),
        };
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("url must have no user, password or fragment (#) in it".into());
        }
        let host = url.host_str().ok_or_else(form)?;
        // IPv6 stands in brackets.
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
        match literal {
            Ok(address) => self
                .judge(address, is_https)
                .map_err(|refused| refused.to_string())?,
            // A name: only where it leads shows whether http is right, unless it never is.
            Err(_) if !is_https && !self.http && self.allowed.is_none() => {
                return Err(Refused::Http.to_string());
            }
            Err(_) => {}
        }
        Ok(url)
    }

    /// Resolves names to addresses that may be reached.
    pub(super) fn resolver(&self, is_https: bool) -> Resolver {
        Resolver {
            guard: self.clone(),
            is_https,
        }
    }
}

/// The IPv4 address within an IPv6 one, if it stands for that: mapped, or translated (NAT64).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else {
        return address;
    };
    if let Some(four) = six.to_ipv4_mapped() {
        return four.into();
    }
    match six.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let bits = u32::from(high) << 16 | u32::from(low);
            Ipv4Addr::from_bits(bits).into()
        }
        _ => address,
    }
}

/// Resolves names for one kind of connection.
pub(super) struct Resolver {
    guard: Guard,
    is_https: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, is_https) = (self.guard.clone(), self.is_https);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut refused = None;
            let mut passed: Vec<SocketAddr> = Vec::new();
            for address in found {
                match guard.judge(address.ip(), is_https) {
                    Ok(()) => passed.push(address),
                    Err(why) => refused = Some(why),
                }
            }
            match (passed.is_empty(), refused) {
                (true, Some(why)) => Err(why.into()),
                _ => Ok(Box::new(passed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(networks: &[&str], http: bool) -> Guard {
        let networks: Vec<Network> = networks.iter().map(|n| n.parse().unwrap()).collect();
        Guard {
            allowed: Arc::new((!networks.is_empty()).then(|| AddressSet::new(networks).unwrap())),
            http,
        }
    }

    #[test]
    fn every_network_of_the_list_is_one() {
        assert_eq!(NETWORKS.len(), NOT_PUBLIC.len());
    }

    #[test]
    fn only_hosts_of_the_public_internet_are_reached() {
        let guard = guard(&[], false);
        for (address, is_public) in [
            ("93.184.216.34", true),
            ("8.8.8.8", true),
            ("172.15.0.1", true),
            ("172.32.0.1", true),
            ("2606:2800:220:1:248:1893:25c8:1946", true),
            ("64:ff9b::808:808", true),
            ("::ffff:8.8.8.8", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("127.8.8.8", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("::7f00:1", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("64:ff9b:1::a00:1", false),
            ("2002:7f00:1::", false),
            ("2001::1", false),
            ("fe80::1", false),
            ("fc00::1", false),
            ("fd12:3456::1", false),
            ("ff02::1", false),
        ] {
            let judged = guard.judge(address.parse().unwrap(), true);
            assert_eq!(judged.is_ok(), is_public, "{address}");
        }
    }

    #[test]
    fn what_the_operator_allows_is_reached() {
        for (networks, http, address, is_https, result) in [
            (&["10.0.0.0/8"][..], false, "10.1.2.3", true, Ok(())),
            (
                &["10.0.0.0/8"],
                false,
                "10.1.2.3",
                false,
                Err(Refused::Http),
            ),
            (&["10.0.0.0/8"], true, "10.1.2.3", false, Ok(())),
            (
                &["10.0.0.0/8"],
                true,
                "192.168.0.1",
                false,
                Err(Refused::NotPublic),
            ),
            (&["127.0.0.0/8"], false, "127.0.0.1", false, Ok(())),
            (&["127.0.0.0/8"], false, "::ffff:127.0.0.1", false, Ok(())),
            (&[], true, "127.0.0.1", false, Err(Refused::NotPublic)),
            (&[], false, "8.8.8.8", false, Err(Refused::Http)),
            (&[], true, "8.8.8.8", false, Ok(())),
        ] {
            let judged = guard(networks, http).judge(address.parse().unwrap(), is_https);
            assert_eq!(judged, result, "{address} with {networks:?}, http: {http}");
        }
    }

    #[test]
    fn an_address_is_checked_as_it_is_written() {
        let plain = guard(&[], false);
        let loopback = guard(&["127.0.0.0/8"], false);
        let long = format!("https://a.example/{}", "x".repeat(MAX_URL));
        for (url, fits, fits_with_loopback) in [
            ("https://hooks.example.com/gmtech?team=acme", true, true),
            ("https://hooks.example.com:8443/", true, true),
            ("https://[2606:2800:220:1::1]/", true, true),
            ("http://hooks.example.com/", false, true),
            ("http://localhost:9000/", false, true),
            ("http://127.0.0.1:9000/", false, true),
            ("https://127.0.0.1/", false, true),
            // Whatever way a number is written.
            ("https://2130706433/", false, true),
            ("https://0x7f.1/", false, true),
            ("https://017700000001/", false, true),
            ("https://169.254.169.254/latest/meta-data", false, false),
            ("https://[::ffff:a9fe:a9fe]/", false, false),
            ("https://[::1]/", false, false),
            ("https://user:secret@hooks.example.com/", false, false),
            ("https://user@hooks.example.com/", false, false),
            ("https://hooks.example.com/#part", false, false),
            ("ftp://hooks.example.com/", false, false),
            ("file:///etc/passwd", false, false),
            ("hooks.example.com", false, false),
            ("https://", false, false),
            ("https://a b.example/", false, false),
            ("https://a.example/\n", false, false),
            ("", false, false),
            (&long, false, false),
        ] {
            assert_eq!(plain.check(url).is_ok(), fits, "{url}");
            assert_eq!(
                loopback.check(url).is_ok(),
                fits_with_loopback,
                "{url} with the loopback"
            );
        }
    }
}
