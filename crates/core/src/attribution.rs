//! Attribution: the sole owner of the `x-gmtech-*` names.
//!
//! Whatever a client sends under these names, or under a name that some upstream would read as one of
//! them (`x_gmtech_team_id`), is removed first; then the gate's own are set. The client's key and the
//! account headers that belong to it go too: the provider's key is Envoy's to add.

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

/// On answers: the gate decides by what the key service said some time ago.
pub const DEGRADED: &str = "x-gmtech-degraded";

const OURS: &[u8] = b"x-gmtech-";

/// Account headers of OpenAI's own: they name the client's account, which is not the provider's.
const ACCOUNT: [&str; 2] = ["openai-organization", "openai-project"];

/// What some upstreams, Google's among them, obey in place of the method: the endpoint that was judged would not be
/// the one that is called.
const METHOD: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// Whether a header name claims an identity that only the gate may give: `x-gmtech-…` with any mixture
/// of case, `-` and `_`, since CGI-like upstreams read these alike.
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    name.len() >= OURS.len()
        && OURS.iter().zip(name).all(|(ours, theirs)| match theirs {
            b'_' => *ours == b'-',
            b => *ours == b.to_ascii_lowercase(),
        })
}

/// What to change in the request's head so that it carries the gate's attribution and no identity of the
/// client's.
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
            || ACCOUNT.iter().chain(&METHOD).any(|h| name == h.as_bytes())
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
    fn identities_of_the_client_are_removed_each_once() {
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
