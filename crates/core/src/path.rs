//! Path rules: which paths are metered, free, or refused.
//!
//! Envoy normalises paths before the filter sees them (`/v1/../healthz`, `//v1`, `%2F`). A free rule must not match
//! more than it says, so a path that is not in normal form is never free.

use serde::Deserialize;

/// What to do with the requests of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathAction {
    /// A key is needed and its limits are charged.
    Metered,
    /// Passes without a key.
    Free,
    /// Answered 404.
    Refused,
}

/// A rule: a path or a prefix, and what to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    pattern: Pattern,
    /// What to do with the paths that match.
    pub action: PathAction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
}

/// A text is not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a path starts with / and holds no ?, # or white space")]
pub struct InvalidPath;

impl PathRule {
    /// Makes a rule for exactly `path`.
    ///
    /// # Errors
    /// [`InvalidPath`].
    pub fn exact(path: &str, action: PathAction) -> Result<Self, InvalidPath> {
        let pattern = Pattern::Exact(checked(path)?);
        Ok(Self { pattern, action })
    }

    /// Makes a rule for every path that starts with `path`.
    ///
    /// # Errors
    /// [`InvalidPath`].
    pub fn prefix(path: &str, action: PathAction) -> Result<Self, InvalidPath> {
        let pattern = Pattern::Prefix(checked(path)?);
        Ok(Self { pattern, action })
    }

    /// `/healthz` free, `/api/v1/` and `/v1/` metered, all else refused.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let rules = [
            Self::exact("/healthz", PathAction::Free),
            Self::prefix("/api/v1/", PathAction::Metered),
            Self::prefix("/v1/", PathAction::Metered),
        ];
        rules.into_iter().flatten().collect()
    }

    /// Whether the rule matches `path`, which must be without a query.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        if self.action == PathAction::Free && !is_normal(path) {
            return false;
        }
        match &self.pattern {
            Pattern::Exact(p) => path == &**p,
            Pattern::Prefix(p) => path.starts_with(p),
        }
    }
}

fn checked(path: &str) -> Result<Box<[u8]>, InvalidPath> {
    let stray = |b: u8| !b.is_ascii_graphic() || matches!(b, b'?' | b'#');
    if path.starts_with('/') && !path.bytes().any(stray) {
        Ok(path.as_bytes().into())
    } else {
        Err(InvalidPath)
    }
}

/// No escapes, no backslash, no empty segment and no dot segment.
fn is_normal(path: &[u8]) -> bool {
    let odd = |b: &u8| !b.is_ascii_graphic() || matches!(b, b'%' | b'\\' | b';');
    let mut segments = path.split(|b| *b == b'/').skip(1);
    !path.iter().any(odd)
        && !segments.any(|s| matches!(s, b"." | b".."))
        && !path.windows(2).any(|w| w == b"//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_prefix_matches_only_normalised_paths_below_it() {
        let rule = PathRule::prefix("/public/", PathAction::Free).unwrap();
        for (path, free) in [
            ("/public/a", true),
            ("/public/", true),
            ("/public", false),
            ("/public/../v1/models", false),
            ("/public/./a", false),
            ("/public/%2e%2e/v1", false),
            ("/public//v1", false),
            ("/public/\\..\\v1", false),
            ("/public/;/v1", false),
            ("/public/\u{e9}", false),
        ] {
            assert_eq!(rule.matches(path.as_bytes()), free, "{path}");
        }
    }

    #[test]
    fn a_metered_prefix_matches_every_path_that_starts_with_it() {
        let rule = PathRule::prefix("/v1/", PathAction::Metered).unwrap();
        assert!(rule.matches(b"/v1/%2e%2e/healthz"));
        assert!(!rule.matches(b"/v1"));
    }

    #[test]
    fn a_path_starts_with_a_slash() {
        for bad in ["", "v1/", "/v 1", "/v1?x", "/v1#x", "/é"] {
            assert_eq!(
                PathRule::exact(bad, PathAction::Free),
                Err(InvalidPath),
                "{bad:?}"
            );
        }
    }
}
