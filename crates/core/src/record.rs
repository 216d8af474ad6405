//! A key's record: all that the gate knows of a key, without the key.
//!
//! Its wire form serves the synchronisation between service and filter and the filter's shared data:
//! one version byte, then the record in postcard. A reader refuses versions it does not know.

use serde::{Deserialize, Serialize};

use crate::ident::{KeyId, TeamId, TierName};
use crate::model::ModelSet;
use crate::quota::LimitOverrides;

/// The version of the wire form that this code writes and reads.
pub const WIRE_VERSION: u8 = 1;

/// Whether a key may be used, as its owner set it. Expiry is judged separately, against the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In use.
    Active,
    /// Paused by its owner; can be resumed. Answered 401.
    Suspended,
    /// Ended for good. Answered 403 `key_revoked`.
    Revoked,
}

/// All that the gate knows of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The key's public name.
    pub id: KeyId,
    /// The team that it is attributed to and billed with.
    pub team: TeamId,
    /// The tier whose limits and models apply.
    pub tier: TierName,
    /// As its owner set it.
    pub status: Status,
    /// What the key may use beyond what its tier allows being required too; `None` leaves it to the tier.
    pub models: Option<ModelSet>,
    /// What replaces the tier's limits for this key.
    pub limits: LimitOverrides,
    /// Seconds since the Unix epoch from which on the key is refused; `None` is never.
    pub expires_at: Option<u64>,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Written by a newer or a foreign program.
    #[error("record version {0} is not known here")]
    Version(u8),
    /// Cut, or not a record at all.
    #[error("not a key record")]
    Malformed,
}

impl KeyRecord {
    /// The wire form.
    ///
    /// # Errors
    /// [`WireError::Malformed`] if the record cannot be written, which no valid record causes.
    pub fn to_wire(&self) -> Result<Vec<u8>, WireError> {
        let out = vec![WIRE_VERSION];
        postcard::to_extend(self, out).map_err(|_| WireError::Malformed)
    }

    /// Reads the wire form; every identifier and pattern is checked again.
    ///
    /// # Errors
    /// [`WireError`] on an unknown version, a cut record or trailing bytes.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, WireError> {
        match bytes.split_first() {
            Some((&WIRE_VERSION, body)) => match postcard::take_from_bytes(body) {
                Ok((record, [])) => Ok(record),
                _ => Err(WireError::Malformed),
            },
            Some((version, _)) => Err(WireError::Version(*version)),
            None => Err(WireError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::model::ModelPattern;

    fn record() -> KeyRecord {
        KeyRecord {
            id: KeyId::new("key_1").unwrap(),
            team: TeamId::new("acme").unwrap(),
            tier: TierName::new("free").unwrap(),
            status: Status::Suspended,
            models: Some(ModelSet::new(vec![ModelPattern::new("gpt-4o*").unwrap()])),
            limits: LimitOverrides {
                requests_per_minute: NonZeroU32::new(7),
                ..LimitOverrides::default()
            },
            expires_at: Some(1_800_000_000),
        }
    }

    #[test]
    fn the_wire_form_gives_back_the_record_and_is_compact() {
        let wire = record().to_wire().unwrap();
        assert!(wire.len() < 48, "{} bytes", wire.len());
        assert_eq!(KeyRecord::from_wire(&wire), Ok(record()));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let wire = record().to_wire().unwrap();
        for cut in 0..wire.len() {
            assert!(KeyRecord::from_wire(&wire[..cut]).is_err(), "cut at {cut}");
        }
        let longer = [wire.as_slice(), b"x"].concat();
        assert_eq!(KeyRecord::from_wire(&longer), Err(WireError::Malformed));
        let mut newer = wire;
        newer[0] = 9;
        assert_eq!(KeyRecord::from_wire(&newer), Err(WireError::Version(9)));
    }
}
