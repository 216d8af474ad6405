//! One stream in Envoy: the client's address, the protocol, and continuing a held request.

use std::net::IpAddr;

use gmtech_core::address;
use gmtech_core::stream::Host;

use super::{Envoy, Status, abi};

impl Host for Envoy {
    type Error = Status;

    /// Envoy's address of the client, which takes `use_remote_address` and `xff_num_trusted_hops` into account.
    fn client_address(&self) -> Result<Option<IpAddr>, Status> {
        match abi::get_property(b"source\0address") {
            Err(Status::NOT_FOUND) => Ok(None),
            read => Ok(address::of_peer(&read?)),
        }
    }

    fn protocol(&self) -> Option<Vec<u8>> {
        abi::get_property(b"request\0protocol").ok()
    }
}

/// Continues a request that was held for a callout.
pub(crate) fn continue_request() -> Result<(), Status> {
    abi::continue_request()
}
