//! Addresses of clients, and the networks from which a key may be used.
//!
//! A network is one address or CIDR notation (RFC 4632, RFC 4291), IPv4 or IPv6. An IPv4-mapped IPv6 address
//! (`::ffff:10.0.0.1`, as a dual-stack socket reports it) counts as the IPv4 address, both for clients and in lists.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most networks in one list, the same as OpenAI's limit. The list is read with every request of its key.
pub const MAX_NETWORKS: usize = 50;

/// The length of the prefix before the IPv4 address in an IPv4-mapped IPv6 address, in bits.
const MAPPED_BITS: u8 = 96;

/// One address or network. Its text form is CIDR notation, or the address alone if it is a single one.
///
/// ```
/// use gmtech_core::address::{Network, of_peer};
///
/// let network: Network = "10.0.0.0/8".parse().unwrap();
/// assert!(network.contains(of_peer(b"[::ffff:10.1.2.3]:443").unwrap()));
/// assert!("10.0.0.1/8".parse::<Network>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpNet);

/// Why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// Neither an address nor CIDR notation.
    #[error(
        "must be an IP address (203.0.113.7, 2001:db8::1) or a network (203.0.113.0/24, 2001:db8::/32)"
    )]
    Unreadable,
    /// The address has bits set beyond the prefix length, so it could mean the address or the network.
    #[error(
        "has address bits set beyond its prefix length: write {network} for the network, or the address alone"
    )]
    HostBits {
        /// The network with these bits cleared.
        network: Network,
    },
}

impl Network {
    /// Whether the network contains the address. An IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        if let Ok(address) = IpAddr::from_str(text) {
            return Ok(Self(address.to_canonical().into()));
        }
        let network = IpNet::from_str(text).map_err(|_| InvalidNetwork::Unreadable)?;
        let network = unmapped(network);
        if network.addr() != network.network() {
            let network = Self(network.trunc());
            return Err(InvalidNetwork::HostBits { network });
        }
        Ok(Self(network))
    }
}

/// Converts a network of IPv4-mapped IPv6 addresses to the IPv4 network. Other networks stay as they are.
fn unmapped(network: IpNet) -> IpNet {
    let inner = |mapped: Ipv6Addr| {
        let len = network.prefix_len().checked_sub(MAPPED_BITS)?;
        IpNet::new(mapped.to_ipv4_mapped()?.into(), len).ok()
    };
    match network {
        IpNet::V6(net) => inner(net.addr()).unwrap_or(network),
        IpNet::V4(_) => network,
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        } else {
            IpNet::deserialize(deserializer).map(Self)
        }
    }
}

/// The networks from which a key may be used, at most [`MAX_NETWORKS`]. An empty list allows no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Network>", into = "Vec<Network>")]
pub struct AddressSet(Vec<Network>);

/// More networks than a list may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("holds more than {MAX_NETWORKS} networks: combine adjacent ones to larger networks")]
pub struct TooManyNetworks;

impl AddressSet {
    /// Makes a list of networks.
    ///
    /// # Errors
    /// [`TooManyNetworks`] if there are more than [`MAX_NETWORKS`].
    pub fn new(networks: Vec<Network>) -> Result<Self, TooManyNetworks> {
        if networks.len() > MAX_NETWORKS {
            return Err(TooManyNetworks);
        }
        Ok(Self(networks))
    }

    /// Whether a client with this address may use the key.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The networks in their order.
    #[must_use]
    pub fn networks(&self) -> &[Network] {
        &self.0
    }
}

impl TryFrom<Vec<Network>> for AddressSet {
    type Error = TooManyNetworks;
    fn try_from(networks: Vec<Network>) -> Result<Self, TooManyNetworks> {
        Self::new(networks)
    }
}

impl From<AddressSet> for Vec<Network> {
    fn from(set: AddressSet) -> Self {
        set.0
    }
}

/// Reads the address from Envoy's text for a peer: `203.0.113.7:443`, `[2001:db8::1]:443`, or an address alone. `None`
/// if the peer has no IP address, such as a client on a Unix domain socket.
#[must_use]
pub fn of_peer(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let socket = SocketAddr::from_str(text).map(|peer| peer.ip());
    let address = socket.or_else(|_| IpAddr::from_str(text)).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests;
