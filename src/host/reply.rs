//! Local replies.

use gmtech_core::denial::Reply;

use super::headers::serialise;
use super::{Status, abi};

/// Makes Envoy answer the request. The details become `%RESPONSE_CODE_DETAILS%`, which the SDK's wrapper leaves blank.
pub(crate) fn send(reply: &Reply) -> Result<(), Status> {
    let headers = serialise(&reply.headers);
    abi::send_local_response(
        reply.status,
        reply.details.as_bytes(),
        reply.body.as_bytes(),
        &headers,
    )
}
