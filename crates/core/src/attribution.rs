//! Attribution: the sole owner of the `x-gmtech-*` names.
//!
//! Headers of the client with these names are removed, also in spellings that some upstreams read alike
//! (`x_gmtech_team_id`). Then the gate sets its own. The client's key and account headers are removed too; Envoy adds
//! the provider's key.

use crate::auth::{CredentialHeader, Principal};
use crate::head::{Head, HeadEdits};
use crate::model::ModelId;

/// The team to attribute the request to.
pub const TEAM_ID: &str = "x-gmtech-team-id";
/// The key's public name.
pub const KEY_ID: &str = "x-gmtech-key-id";
/// The key's tier.
pub const TIER: &str = "x-gmtech-tier";
/// The model that was checked; Envoy can route on it.
pub const MODEL: &str = "x-gmtech-model";

/// On answers: the key service has been silent, and the gate decides by its last known state.
pub const DEGRADED: &str = "x-gmtech-degraded";

const RESERVED: &[u8] = b"x-gmtech-";

/// OpenAI's account headers. They name the client's account, but the provider's key belongs to the operator's.
const ACCOUNT_HEADERS: [&str; 2] = ["openai-organization", "openai-project"];

/// Headers that some upstreams, such as Google's, obey in place of the method. With them the upstream could serve
/// another endpoint than the gate has checked.
const METHOD_OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// Whether a header name is reserved for the gate: `x-gmtech-…` in any letter case, with `_` for `-` anywhere, since
/// CGI-like upstreams do not distinguish these.
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    name.len() >= RESERVED.len()
        && RESERVED
            .iter()
            .zip(name)
            .all(|(ours, theirs)| match theirs {
                b'_' => *ours == b'-',
                b => *ours == b.to_ascii_lowercase(),
            })
}

/// Returns the edits that remove the client's identity from the head and set the gate's attribution.
#[must_use]
pub fn forward(
    head: &Head<'_>,
    principal: Option<&Principal>,
    model: Option<&ModelId>,
) -> HeadEdits {
    let mut edits = HeadEdits::default();
    let identity = |name: &[u8]| {
        is_reserved(name)
            || CredentialHeader::ALL
                .iter()
                .any(|h| name == h.name().as_bytes())
            || ACCOUNT_HEADERS
                .iter()
                .chain(&METHOD_OVERRIDES)
                .any(|h| name == h.as_bytes())
    };
    for name in head.names().filter(|n| identity(n)) {
        if !edits.remove.iter().any(|known| **known == *name) {
            edits.remove.push(name.into());
        }
    }
    if let Some(principal) = principal {
        edits.set.push((TEAM_ID, principal.team().to_string()));
        edits.set.push((KEY_ID, principal.key().to_string()));
        edits.set.push((TIER, principal.tier().to_string()));
    }
    if let Some(model) = model {
        edits.set.push((MODEL, model.to_string()));
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_our_names_is_reserved() {
        for (name, reserved) in [
            ("x-gmtech-team-id", true),
            ("X-GMTech-Team-Id", true),
            ("x_gmtech_team_id", true),
            ("x-gmtech_team-id", true),
            ("x_gmtech-anything", true),
            ("x-gmtech-", true),
            ("x-gmtech", false),
            ("x-gmtechs-team", false),
            ("gmtech-team-id", false),
            ("authorization", false),
        ] {
            assert_eq!(is_reserved(name.as_bytes()), reserved, "{name}");
        }
    }

    #[test]
    fn each_identity_header_of_the_client_is_removed_once() {
        let names = [
            ":path",
            "x-gmtech-team-id",
            "x-gmtech-team-id",
            "x_gmtech_tier",
            "authorization",
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "openai-organization",
            "openai-project",
            "x-http-method-override",
            "x-stainless-lang",
            "content-type",
        ];
        let head = Head::new(
            names
                .iter()
                .map(|n| (n.as_bytes(), b"v".as_slice()))
                .collect(),
        );
        let removed: Vec<_> = forward(&head, None, None)
            .remove
            .iter()
            .map(|n| String::from_utf8_lossy(n).into_owned())
            .collect();
        assert_eq!(
            removed,
            [
                "x-gmtech-team-id",
                "x_gmtech_tier",
                "authorization",
                "x-api-key",
                "api-key",
                "x-goog-api-key",
                "openai-organization",
                "openai-project",
                "x-http-method-override",
            ]
        );
    }
}
