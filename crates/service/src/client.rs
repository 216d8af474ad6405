//! Which machine a request comes from, as far as that is known.
//!
//! `X-Forwarded-For` is believed only of peers that the operator trusts: of its addresses the last one counts that is not such
//! a peer itself.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use gmtech_core::address::AddressSet;

use crate::service::Service;

/// The client's address; `None` where there is no connection, as in tests.
pub(crate) struct Client(pub(crate) Option<IpAddr>);

impl FromRequestParts<Arc<Service>> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Infallible> {
        let client = peer(parts).map(|peer| {
            let trusted = service.people.trusted_proxies.as_ref();
            behind(peer, &parts.headers, trusted)
        });
        Ok(Self(client))
    }
}

/// The other end of the connection.
pub(crate) fn peer(parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(peer)| peer.ip().to_canonical())
}

fn behind(peer: IpAddr, headers: &HeaderMap, trusted: Option<&AddressSet>) -> IpAddr {
    let Some(trusted) = trusted.filter(|trusted| trusted.contains(peer)) else {
        return peer;
    };
    let lines = headers.get_all("x-forwarded-for").into_iter().rev();
    let addresses = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.rsplit(','))
        .map(|text| text.trim().parse::<IpAddr>());
    let mut last = peer;
    for address in addresses {
        let Ok(address) = address else { break };
        last = address.to_canonical();
        if !trusted.contains(last) {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use gmtech_core::address::Network;

    use super::*;

    #[test]
    fn a_forwarded_address_is_believed_of_trusted_peers_only() {
        let trusted = AddressSet::new(vec!["10.0.0.0/8".parse::<Network>().unwrap()]).unwrap();
        for (peer, forwarded, client) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "192.0.2.6, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, 10.0.0.7", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            if !forwarded.is_empty() {
                headers.insert("x-forwarded-for", HeaderValue::from_static(forwarded));
            }
            let peer = peer.parse().unwrap();
            let expected: IpAddr = client.parse().unwrap();
            assert_eq!(
                behind(peer, &headers, Some(&trusted)),
                expected,
                "{forwarded}"
            );
            assert_eq!(behind(peer, &headers, None), peer);
        }
    }
}
