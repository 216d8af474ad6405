//! Callouts to the key service.
//!
//! Dispatching stays with the SDK, which keeps the tokens that lead an answer back to its context.

use gmtech_core::agent::Call;
use proxy_wasm::traits::Context;

use super::headers::{self, Map};
use super::{Status, body};
use std::time::Duration;

/// Sends it. `None` if there is no such cluster or it cannot be reached now.
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

/// The body of the answer that a callback announces, if it is a 2xx; an unreachable service is a
/// synthetic 5xx.
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
