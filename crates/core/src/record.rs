//! A key's record: everything the gate knows about a key, except its text.
//!
//! Its wire form is used between service and filter, and in the filter's shared data: a version byte, then the record
//! in postcard. A reader skips unknown fields at the end and refuses unknown versions, since it must not ignore a
//! restriction of the key. So a field that restricts the key needs a new version; any other field is appended.

use serde::{Deserialize, Serialize};

use crate::address::AddressSet;
use crate::ident::{KeyId, TeamId, TierName};
use crate::limits::LimitOverrides;
use crate::model::ModelSet;
use crate::request::EndpointSet;
use crate::vocabulary::vocabulary;

/// The newest version of the wire form. This code reads every version up to it.
const WIRE_VERSION: u8 = 2;

/// The expiry of a record that is closed for an older reader, because its version cannot express the key's
/// restrictions.
const CLOSED: u64 = 0;

/// The version without lineage, addresses, endpoints and spent models.
const PLAIN: u8 = 1;

vocabulary! {
    /// Whether a key may be used, as its owner set it. Expiry is judged separately, against the clock. The wire form
    /// uses the order, so a new status is appended.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Status {
        /// In use.
        Active = "active",
        /// Paused by its owner; can be resumed. Answered 401.
        Suspended = "suspended",
        /// Ended for good. Answered 403 `key_revoked`.
        Revoked = "revoked",
    }
}

/// Everything the gate knows about a key, except its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key's public name.
    pub id: KeyId,
    /// The team that it is attributed to and billed with.
    pub team: TeamId,
    /// The tier whose limits and models apply.
    pub tier: TierName,
    /// The status that the owner set.
    pub status: Status,
    /// Allowed models; the tier must allow them too. `None` allows all models of the tier.
    pub models: Option<ModelSet>,
    /// The key's own limits, which replace those of the tier.
    pub limits: LimitOverrides,
    /// The time from which the key is refused, in seconds since the Unix epoch; `None` means never.
    pub expires_at: Option<u64>,
    /// The first key of the rotation chain; `None` if this key is the first. Limits, budgets and spend belong to the
    /// whole chain ([`Self::account`]).
    pub lineage: Option<KeyId>,
    /// The networks from which it may be used; `None` allows any.
    pub addresses: Option<AddressSet>,
    /// The groups of endpoints that it may use; the gate's configuration must open them too. `None` allows all open
    /// groups.
    pub endpoints: Option<EndpointSet>,
    /// The models whose budgets the key has spent. They are answered 429 until the budget is renewed.
    pub spent_models: Option<ModelSet>,
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Written by a newer or a foreign program.
    #[error("record version {0} is not supported")]
    Version(u8),
    /// Written for an older program, so that it refuses the key.
    #[error("the record was written for an older program and is incomplete")]
    Closed,
    /// Cut, or not a record.
    #[error("not a key record")]
    Malformed,
}

impl KeyRecord {
    /// The key whose limits, budgets and spend its requests count against: the first of the rotation chain.
    #[must_use]
    pub fn account(&self) -> &KeyId {
        self.lineage.as_ref().unwrap_or(&self.id)
    }

    /// Writes the wire form in the oldest version that can express the record.
    ///
    /// # Errors
    /// [`WireError::Malformed`] if the record cannot be written, which no valid record causes.
    pub fn to_wire(&self) -> Result<Vec<u8>, WireError> {
        self.to_wire_for(WIRE_VERSION)
    }

    /// Writes the wire form for a reader whose newest version is `newest`. If that version cannot express the record,
    /// the key is written as expired, so that the older program refuses it. A newer program that reads such bytes gets
    /// [`WireError::Closed`], and asks for the record again.
    ///
    /// # Errors
    /// As [`Self::to_wire`].
    pub fn to_wire_for(&self, newest: u8) -> Result<Vec<u8>, WireError> {
        let says_all = self.lineage.is_none()
            && self.addresses.is_none()
            && self.endpoints.is_none()
            && self.spent_models.is_none();
        let is_plain = says_all || newest < WIRE_VERSION;
        let expires_at = if is_plain && !says_all {
            Some(CLOSED)
        } else {
            self.expires_at.map(|at| at.max(CLOSED.saturating_add(1)))
        };
        let out = vec![if is_plain { PLAIN } else { WIRE_VERSION }];
        let plain = (
            &self.id,
            &self.team,
            &self.tier,
            self.status,
            &self.models,
            &self.limits,
            expires_at,
        );
        let out = postcard::to_extend(&plain, out).map_err(|_| WireError::Malformed)?;
        if is_plain {
            return Ok(out);
        }
        let restrictions = (
            &self.lineage,
            &self.addresses,
            &self.endpoints,
            &self.spent_models,
        );
        postcard::to_extend(&restrictions, out).map_err(|_| WireError::Malformed)
    }

    /// Reads the wire form. Every identifier, pattern and network is checked again.
    ///
    /// # Errors
    /// [`WireError`] if the version is unknown, or the record was closed for an older program, or the bytes are cut.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, WireError> {
        let malformed = |_| WireError::Malformed;
        let (&version, body) = bytes.split_first().ok_or(WireError::Malformed)?;
        if !matches!(version, PLAIN | WIRE_VERSION) {
            return Err(WireError::Version(version));
        }
        let (plain, rest) = postcard::take_from_bytes(body).map_err(malformed)?;
        let (id, team, tier, status, models, limits, expires_at) = plain;
        let (lineage, addresses, endpoints, spent_models) = match version {
            PLAIN if expires_at == Some(CLOSED) => return Err(WireError::Closed),
            PLAIN => (None, None, None, None),
            _ => postcard::take_from_bytes(rest).map_err(malformed)?.0,
        };
        Ok(Self {
            id,
            team,
            tier,
            status,
            models,
            limits,
            expires_at,
            lineage,
            addresses,
            endpoints,
            spent_models,
        })
    }
}

#[cfg(test)]
impl KeyRecord {
    /// The record of key `key_<n>` of team `acme` and tier `free`: bound to nothing, without limits of its own.
    pub(crate) fn plain(n: u32, status: Status) -> Self {
        Self {
            id: KeyId::new(&format!("key_{n}")).unwrap(),
            team: TeamId::new("acme").unwrap(),
            tier: TierName::new("free").unwrap(),
            status,
            models: None,
            limits: LimitOverrides::default(),
            expires_at: None,
            lineage: None,
            addresses: None,
            endpoints: None,
            spent_models: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::model::ModelPattern;
    use crate::request::EndpointGroup;

    fn plain() -> KeyRecord {
        KeyRecord {
            models: Some(ModelSet::new(vec![ModelPattern::new("gpt-4o*").unwrap()])),
            limits: LimitOverrides {
                requests_per_minute: NonZeroU32::new(7),
                ..LimitOverrides::default()
            },
            expires_at: Some(1_800_000_000),
            ..KeyRecord::plain(1, Status::Suspended)
        }
    }

    /// The fields of version 1.
    type Plain = (
        KeyId,
        TeamId,
        TierName,
        Status,
        Option<ModelSet>,
        LimitOverrides,
        Option<u64>,
    );

    /// Each field of version 2 alone, and all together.
    fn restricted() -> Vec<KeyRecord> {
        let lineage = Some(KeyId::new("key_0").unwrap());
        let networks = ["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"];
        let networks = networks.iter().map(|n| n.parse().unwrap()).collect();
        let addresses = Some(AddressSet::new(networks).unwrap());
        let groups = [EndpointGroup::ChatCompletions, EndpointGroup::Files];
        let endpoints = Some(groups.into_iter().collect());
        let nothing = (
            Some(AddressSet::new(vec![]).unwrap()),
            Some(EndpointSet::EMPTY),
        );
        [
            (lineage.clone(), None, None, None),
            (None, addresses.clone(), None, None),
            (None, None, endpoints, None),
            (None, None, None, plain().models),
            (None, nothing.0, nothing.1, None),
            (lineage, addresses, endpoints, plain().models),
        ]
        .into_iter()
        .map(|(lineage, addresses, endpoints, spent_models)| KeyRecord {
            lineage,
            addresses,
            endpoints,
            spent_models,
            ..plain()
        })
        .collect()
    }

    #[test]
    fn the_wire_form_round_trips_and_is_compact() {
        let wire = plain().to_wire().unwrap();
        assert!(wire.len() < 48, "{} bytes", wire.len());
        assert_eq!(KeyRecord::from_wire(&wire), Ok(plain()));
        for record in restricted() {
            let wire = record.to_wire().unwrap();
            assert!(wire.len() < 48 + 80, "{} bytes", wire.len());
            assert_eq!(KeyRecord::from_wire(&wire), Ok(record));
        }
    }

    #[test]
    fn a_record_is_written_in_the_oldest_version_that_can_express_it() {
        let version_1 = [
            b"\x01\x05key_1\x04acme\x04free\x01".as_slice(),
            b"\x01\x01\x07gpt-4o*\x01\x07\x00\x00\x00\x00",
            b"\x01\x80\xa4\xa7\xda\x06",
        ]
        .concat();
        assert_eq!(plain().to_wire().unwrap(), version_1);
        assert_eq!(KeyRecord::from_wire(&version_1), Ok(plain()));
        for record in restricted() {
            let wire = record.to_wire().unwrap();
            assert_eq!(wire.first(), Some(&2), "{record:?}");
        }
    }

    #[test]
    fn a_restriction_closes_the_key_for_readers_that_cannot_express_it() {
        assert_eq!(plain().to_wire_for(1), plain().to_wire());
        for record in restricted() {
            // As a program reads it that knows version 1 only.
            let wire = record.to_wire_for(1).unwrap();
            let (plain, rest) = postcard::take_from_bytes(&wire[1..]).unwrap();
            let (id, _, _, _, _, _, expires_at): Plain = plain;
            assert_eq!((wire[0], id, rest), (1, record.id.clone(), &[][..]));
            assert_eq!(expires_at, Some(0), "{record:?}");
            // As a newer program reads it.
            assert_eq!(KeyRecord::from_wire(&wire), Err(WireError::Closed));
            assert_eq!(record.to_wire_for(2), record.to_wire());
            assert_eq!(record.to_wire_for(3), record.to_wire());
        }
        let long_ago = KeyRecord {
            expires_at: Some(0),
            ..plain()
        };
        let read = KeyRecord::from_wire(&long_ago.to_wire().unwrap()).unwrap();
        assert_eq!(read.expires_at, Some(1));
    }

    #[test]
    fn the_account_of_a_chain_is_its_first_key() {
        assert_eq!(plain().account().as_str(), "key_1");
        let successor = &restricted()[0];
        assert_eq!(successor.account().as_str(), "key_0");
    }

    #[test]
    fn malformed_records_are_refused_and_unknown_fields_skipped() {
        for record in restricted().into_iter().chain([plain()]) {
            let wire = record.to_wire().unwrap();
            for cut in 0..wire.len() {
                assert!(KeyRecord::from_wire(&wire[..cut]).is_err(), "cut at {cut}");
            }
            let longer = [wire.as_slice(), b"a field of tomorrow"].concat();
            assert_eq!(KeyRecord::from_wire(&longer), Ok(record));
            for version in [0, 3, 9] {
                let mut other = wire.clone();
                other[0] = version;
                assert_eq!(
                    KeyRecord::from_wire(&other),
                    Err(WireError::Version(version))
                );
            }
        }
    }
}
