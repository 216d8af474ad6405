//! Callouts to the key service.
//!
//! The SDK dispatches them, since it stores the tokens that assign an answer to its context.

use gmtech_core::agent::Call;
use proxy_wasm::traits::Context;

use super::headers::{self, Map};
use super::{Status, body};
use std::time::Duration;

/// Sends a call and returns the host's number for it; `None` if the cluster does not exist or cannot be reached.
pub(crate) fn send(from: &dyn Context, call: &Call) -> Option<u32> {
    let service = &call.service;
    let body = call.body.as_ref().map(|body| body.as_slice());
    let authorization = format!("Bearer {}", service.token.reveal());
    let headers = vec![
        (":method", call.method),
        (":path", call.path.as_str()),
        (":authority", service.cluster.as_str()),
        ("authorization", authorization.as_str()),
        ("content-type", "application/octet-stream"),
    ];
    let timeout = Duration::from_nanos(call.timeout);
    from.dispatch_http_call(&service.cluster, headers, body, vec![], timeout)
        .ok()
}

/// Reads the answer that a callback reports: the body if it is a 2xx, otherwise `None`. Envoy reports an unreachable
/// service as a 5xx.
pub(crate) fn answer(size: usize) -> Result<Option<Vec<u8>>, Status> {
    let pairs = headers::read(Map::CallResponse)?;
    let succeeded = pairs
        .head()
        .get(":status")
        .is_some_and(|s| s.first() == Some(&b'2') && s.len() == 3);
    if succeeded {
        body::call_response(size).map(Some)
    } else {
        Ok(None)
    }
}
