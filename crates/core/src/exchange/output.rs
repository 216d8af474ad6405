//! How much output to expect of a request of which nothing was learned yet.

use crate::config::Policy;
use crate::request::EndpointKind;

/// OpenAI's default for `max_tokens` of the old completions API.
const COMPLETIONS_OUTPUT: u64 = 16;

/// Tokens of output to expect of one answer of this endpoint.
pub(super) fn usual(kind: EndpointKind, policy: &Policy) -> u64 {
    match kind {
        EndpointKind::Completions => COMPLETIONS_OUTPUT,
        _ => policy.metering().default_output,
    }
}
