//! What the gate's decisions are called in logs, metrics and the ledger, as far as others must tell them apart.
//!
//! A refusal is called by its reason ([`crate::denial::Denial::decision`]). The rest is listed here, so that a
//! new refusal is one without anybody's being told.

/// Passed on to the upstream.
pub const ALLOWED: &str = "allowed";

/// Passed on, on a path that needs no key.
pub const FREE: &str = "free";

/// `GET /limits`, answered by the gate.
pub const LIMITS: &str = "limits";

/// OPTIONS, answered by the gate.
pub const PREFLIGHT: &str = "preflight";

/// The client left before its request was decided, or Envoy refused its body: neither admitted nor refused by the gate.
pub const INCOMPLETE: &str = "incomplete";

/// Whether a request with this decision was refused by the gate.
#[must_use]
pub fn refuses(decision: &str) -> bool {
    !matches!(decision, ALLOWED | FREE | LIMITS | PREFLIGHT | INCOMPLETE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denial::Denial;

    #[test]
    fn what_is_no_denial_refuses_nothing() {
        for decision in [ALLOWED, FREE, LIMITS, PREFLIGHT, INCOMPLETE] {
            assert!(!refuses(decision), "{decision}");
        }
        for denial in [Denial::KeyRevoked, Denial::Credit, Denial::Unavailable] {
            assert!(refuses(denial.decision()), "{denial:?}");
        }
        assert!(refuses("a_reason_to_come"));
    }
}
