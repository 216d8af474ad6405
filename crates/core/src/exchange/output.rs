//! The output to expect of a request without a forecast.

use crate::config::Policy;
use crate::request::EndpointKind;

/// OpenAI's default for `max_tokens` of the old completions API.
const COMPLETIONS_OUTPUT: u64 = 16;

/// The output to expect of one answer of this endpoint, in tokens.
pub(super) fn usual(kind: EndpointKind, policy: &Policy) -> u64 {
    match kind {
        EndpointKind::Completions => COMPLETIONS_OUTPUT,
        _ => policy.metering().default_output,
    }
}
