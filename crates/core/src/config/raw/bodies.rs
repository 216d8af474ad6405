//! The section on the request bodies that Envoy may hold.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::super::ConfigError;
use super::error;
use crate::holding::Bounds;

/// Bounds in bytes for each worker.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBodies {
    per_body_bytes: NonZeroU32,
    per_key_bytes: NonZeroU32,
    unresolved_bytes: NonZeroU32,
    all_bytes: NonZeroU32,
}

const fn mebibytes(count: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add((count << 20).saturating_sub(1))
}

impl Default for RawBodies {
    /// Two of the largest bodies for a key, and eight for all keys: most bodies are small and arrive quickly.
    fn default() -> Self {
        Self {
            per_body_bytes: mebibytes(32),
            per_key_bytes: mebibytes(64),
            unresolved_bytes: mebibytes(32),
            all_bytes: mebibytes(256),
        }
    }
}

impl RawBodies {
    pub(super) fn compile(self) -> Result<Bounds, ConfigError> {
        for (field, less, name, more) in [
            (
                "per_key_bytes",
                self.per_body_bytes,
                "per_body_bytes",
                self.per_key_bytes,
            ),
            (
                "all_bytes",
                self.per_key_bytes,
                "per_key_bytes",
                self.all_bytes,
            ),
            (
                "all_bytes",
                self.unresolved_bytes,
                "unresolved_bytes",
                self.all_bytes,
            ),
        ] {
            if more < less {
                let problem = format!("must be at least `{name}` ({less})");
                return Err(error(format!("held_bodies.{field}"), problem));
            }
        }
        let bytes = |n: NonZeroU32| u64::from(n.get());
        Ok(Bounds {
            per_body: bytes(self.per_body_bytes),
            per_key: bytes(self.per_key_bytes),
            unresolved: bytes(self.unresolved_bytes),
            all: bytes(self.all_bytes),
        })
    }
}
