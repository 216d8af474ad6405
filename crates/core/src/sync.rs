//! The wire forms between key service and filter.
//!
//! A [`Frame`] carries key records, credit states and tiers from the service: a page of a snapshot, a delta, or the answer
//! about one key. [`events`] carries usage to the service, and [`objects`] the answers about objects. Integers are
//! big-endian.
//!
//! ```text
//! frame  = version:1 kind:1 more:1 epoch:8 from:8 to:8 keys:2 teams:2 tiers:2
//!          (length:2 key)* (length:2 team)* (length:2 tier)* watch
//! watch  = version:8 count:2 (length:2 team id)*
//! key    = digest:32 version:8 flags:1 [length:2 record]    flags: 1 has a record, 2 over budget
//! team   = version:8 exhausted:1 length:2 id
//! tier   = version:8 exists:1 length:2 name [length:2 tier]
//! ```
//!
//! Frames of version 1 have no lengths before keys and teams, and those of versions 1 and 2 have no tiers and no watch. [`versions`] says how the forms change.
//!
//! What it is not: it does not transport, retry, or decide when to ask.
//!
//! # How versions of entries work
//! Every change of a key, of a credit state or of a tier takes the next version of one counter. An entry carries the version of
//! its last change, so that a reader keeps the entry with the higher one, in whatever order answers arrive. The epoch
//! identifies one history of that counter. It changes when the service is restored from an older state or replaced, and
//! versions of different epochs are never compared.
//!
//! # Failure policy
//! Bytes that are cut, too long, not canonical or of an unknown version are refused as a whole, and the reader keeps
//! its state. A record of an unknown version closes its key and affects no other entry. Counts and lengths are checked
//! before memory is allocated for them.

mod bytes;
pub mod events;
pub mod levels;
pub mod objects;
pub mod own;
pub mod versions;

use bytes::{Reader, put_block, put_count};

use crate::ident::{TeamId, TierName};
use crate::key::KeyDigest;
use crate::record::{KeyRecord, WireError};
use crate::tier::Tier;

use versions::{KEYS, Wire};

/// The most keys, the most teams, and the most tiers, in one frame.
pub const MAX_FRAME_ENTRIES: usize = 2_000;

/// The longest frame that is read, in bytes.
pub const MAX_FRAME_LEN: usize = 4 << 20;

const HAS_RECORD: u8 = 1;
const OVER_BUDGET: u8 = 2;

/// Why bytes cannot be read as a message, or why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// Written by a newer or a foreign program.
    #[error("version {1} of {name} is not supported; versions {oldest} to {newest} are", name = .0.name, oldest = .0.oldest, newest = .0.newest)]
    Version(Wire, u8),
    /// Cut, or not this form.
    #[error("malformed sync bytes")]
    Malformed,
    /// More entries or bytes than a message may have.
    #[error("too large for one sync message")]
    TooLarge,
}

/// The kind of a frame, which decides about entries that the frame does not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The first page of a snapshot. Once its last page is applied, keys that were not in it do not exist.
    Snapshot,
    /// Changes after the version `from`, up to and including `to`. Also the later pages of a snapshot.
    Delta,
    /// The answer about one key, as of the version `to`. It does not change the applied version.
    Resolved,
}

/// One message of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The kind.
    pub kind: FrameKind,
    /// Whether another page is ready. If so, poll again at once from `to`.
    pub more: bool,
    /// The history to which the versions belong. Never 0.
    pub epoch: u64,
    /// The version that the reader must have applied; 0 in a snapshot.
    pub from: u64,
    /// The version that is applied after this frame.
    pub to: u64,
    /// Keys, in the order of their versions.
    pub keys: Vec<KeyEntry>,
    /// Credit states, in the order of their versions.
    pub teams: Vec<TeamEntry>,
    /// Tiers. The first page of a snapshot has all of them, and the answer about a key has that key's, so that a key is
    /// never known before its tier.
    pub tiers: Vec<TierEntry>,
    /// The teams whose limits somebody watches.
    pub watch: Watch,
}

/// Teams whose limits somebody watches: proxies report the levels of their keys' limits for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Which set of teams it is; 0 if nobody watches.
    pub version: u64,
    /// The teams.
    pub teams: Vec<TeamId>,
}

/// The most teams that are watched at once.
pub const MAX_WATCHED: usize = 200;

/// One key as of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The key.
    pub digest: KeyDigest,
    /// The version of its last change; for an unknown key, the version at the time of the look-up.
    pub version: u64,
    /// `None`: there is no such key.
    pub state: Option<KeyState>,
}

/// The state of a key that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The record.
    pub record: Record,
    /// Whether the key has spent its budget of the day or of the month.
    pub over_budget: bool,
}

/// A key's record, if it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A record that can be read.
    Read(KeyRecord),
    /// The bytes of a record with an unknown version, or of one that was written for an older program. The key is
    /// closed, since it may have restrictions that cannot be enforced here.
    Unreadable(Vec<u8>),
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// [`SyncError::Malformed`] if the version is known and the bytes are not a record.
    fn from_wire(bytes: &[u8]) -> Result<Self, SyncError> {
        match KeyRecord::from_wire(bytes) {
            Ok(record) => Ok(Self::Read(record)),
            Err(WireError::Version(_) | WireError::Closed) => Ok(Self::Unreadable(bytes.to_vec())),
            Err(WireError::Malformed) => Err(SyncError::Malformed),
        }
    }

    /// The record, if it can be read.
    #[must_use]
    pub fn readable(&self) -> Option<&KeyRecord> {
        match self {
            Self::Read(record) => Some(record),
            Self::Unreadable(_) => None,
        }
    }

    /// Writes the wire form for a reader whose newest version is `newest`.
    ///
    /// # Errors
    /// [`WireError`] if it cannot be written, which no valid record causes.
    pub fn to_wire_for(&self, newest: u8) -> Result<Vec<u8>, WireError> {
        match self {
            Self::Read(record) => record.to_wire_for(newest),
            Self::Unreadable(bytes) => Ok(bytes.clone()),
        }
    }
}

impl From<KeyRecord> for Record {
    fn from(record: KeyRecord) -> Self {
        Self::Read(record)
    }
}

/// One team's credit as of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamEntry {
    /// The team.
    pub team: TeamId,
    /// The version of its last change.
    pub version: u64,
    /// Whether the team's credit is spent.
    pub exhausted: bool,
}

/// One tier as of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierEntry {
    /// Its name.
    pub name: TierName,
    /// The version of its last change.
    pub version: u64,
    /// `None`: it was removed.
    pub tier: Option<Tier>,
}

impl Frame {
    /// Writes the wire form in a version of [`KEYS`], as chosen by [`Wire::for_reader`].
    ///
    /// # Errors
    /// [`SyncError::TooLarge`] with more than [`MAX_FRAME_ENTRIES`] keys, teams or tiers, [`SyncError::Version`] for a version
    /// that is not written here.
    pub fn encode_for(&self, version: u8) -> Result<Vec<u8>, SyncError> {
        let version = KEYS.read(version)?;
        let kind = match self.kind {
            FrameKind::Snapshot => 0,
            FrameKind::Delta => 1,
            FrameKind::Resolved => 2,
        };
        let mut out = vec![version, kind, u8::from(self.more)];
        for number in [self.epoch, self.from, self.to] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        put_count(&mut out, self.keys.len(), MAX_FRAME_ENTRIES)?;
        put_count(&mut out, self.teams.len(), MAX_FRAME_ENTRIES)?;
        if version >= WITH_TIERS {
            put_count(&mut out, self.tiers.len(), MAX_FRAME_ENTRIES)?;
        }
        for key in &self.keys {
            put_entry(&mut out, version, &key.to_bytes(version)?)?;
        }
        for team in &self.teams {
            put_entry(&mut out, version, &team.to_bytes()?)?;
        }
        if version >= WITH_TIERS {
            for tier in &self.tiers {
                put_entry(&mut out, version, &tier.to_bytes()?)?;
            }
            self.watch.put(&mut out)?;
        }
        if out.len() > MAX_FRAME_LEN {
            return Err(SyncError::TooLarge);
        }
        Ok(out)
    }

    /// Writes the wire form in the newest version.
    ///
    /// # Errors
    /// As [`Self::encode_for`].
    pub fn encode(&self) -> Result<Vec<u8>, SyncError> {
        self.encode_for(KEYS.newest)
    }

    /// Reads the wire form. Every record and name is checked.
    ///
    /// # Errors
    /// [`SyncError`] if the version is unknown, bytes are cut or trailing, or there are too many entries.
    pub fn decode(bytes: &[u8]) -> Result<Self, SyncError> {
        if bytes.len() > MAX_FRAME_LEN {
            return Err(SyncError::TooLarge);
        }
        let mut reader = Reader::new(bytes);
        let version = KEYS.read(reader.u8()?)?;
        let kind = match reader.u8()? {
            0 => FrameKind::Snapshot,
            1 => FrameKind::Delta,
            2 => FrameKind::Resolved,
            _ => return Err(SyncError::Malformed),
        };
        let more = flag(reader.u8()?)?;
        let (epoch, from, to) = (reader.u64()?, reader.u64()?, reader.u64()?);
        if epoch == 0 || from > to || (kind == FrameKind::Snapshot && from != 0) {
            return Err(SyncError::Malformed);
        }
        let (keys, teams) = (usize::from(reader.u16()?), usize::from(reader.u16()?));
        let tiers = match version {
            WITH_TIERS.. => usize::from(reader.u16()?),
            _ => 0,
        };
        if [keys, teams, tiers].iter().any(|n| *n > MAX_FRAME_ENTRIES) {
            return Err(SyncError::TooLarge);
        }
        let keys = (0..keys)
            .map(|_| entry(&mut reader, version, KeyEntry::decode))
            .collect::<Result<_, _>>()?;
        let teams = (0..teams)
            .map(|_| entry(&mut reader, version, TeamEntry::decode))
            .collect::<Result<_, _>>()?;
        let tiers = (0..tiers)
            .map(|_| entry(&mut reader, version, TierEntry::decode))
            .collect::<Result<_, _>>()?;
        let watch = match version {
            WITH_TIERS.. => Watch::decode(&mut reader)?,
            _ => Watch::default(),
        };
        reader.end()?;
        Ok(Self {
            kind,
            more,
            epoch,
            from,
            to,
            keys,
            teams,
            tiers,
            watch,
        })
    }
}

impl Watch {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), SyncError> {
        out.extend_from_slice(&self.version.to_be_bytes());
        put_count(out, self.teams.len(), MAX_WATCHED)?;
        self.teams
            .iter()
            .try_for_each(|team| put_block(out, team.as_str().as_bytes()))
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, SyncError> {
        let version = reader.u64()?;
        let count = usize::from(reader.u16()?);
        if count > MAX_WATCHED {
            return Err(SyncError::TooLarge);
        }
        let teams = (0..count)
            .map(|_| TeamId::new(reader.text()?).map_err(|_| SyncError::Malformed))
            .collect::<Result<_, _>>()?;
        Ok(Self { version, teams })
    }
}

impl KeyEntry {
    fn to_bytes(&self, version: u8) -> Result<Vec<u8>, SyncError> {
        let mut out = self.digest.as_bytes().to_vec();
        out.extend_from_slice(&self.version.to_be_bytes());
        let Some(state) = &self.state else {
            out.push(0);
            return Ok(out);
        };
        out.push(HAS_RECORD | if state.over_budget { OVER_BUDGET } else { 0 });
        let record = state.record.to_wire_for(version);
        put_block(&mut out, &record.map_err(|_| SyncError::Malformed)?)?;
        Ok(out)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, SyncError> {
        let digest = KeyDigest::from_bytes(reader.array()?);
        let version = reader.u64()?;
        let state = match reader.u8()? {
            0 => None,
            flags if flags & !(HAS_RECORD | OVER_BUDGET) == 0 && flags & HAS_RECORD != 0 => {
                Some(KeyState {
                    record: Record::from_wire(reader.block()?)?,
                    over_budget: flags & OVER_BUDGET != 0,
                })
            }
            _ => return Err(SyncError::Malformed),
        };
        Ok(Self {
            digest,
            version,
            state,
        })
    }
}

impl TeamEntry {
    fn to_bytes(&self) -> Result<Vec<u8>, SyncError> {
        let mut out = self.version.to_be_bytes().to_vec();
        out.push(u8::from(self.exhausted));
        put_block(&mut out, self.team.as_str().as_bytes())?;
        Ok(out)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, SyncError> {
        let version = reader.u64()?;
        let exhausted = flag(reader.u8()?)?;
        let team = TeamId::new(reader.text()?).map_err(|_| SyncError::Malformed)?;
        Ok(Self {
            team,
            version,
            exhausted,
        })
    }
}

impl TierEntry {
    fn to_bytes(&self) -> Result<Vec<u8>, SyncError> {
        let mut out = self.version.to_be_bytes().to_vec();
        out.push(u8::from(self.tier.is_some()));
        put_block(&mut out, self.name.as_str().as_bytes())?;
        if let Some(tier) = &self.tier {
            put_block(&mut out, &tier.to_wire())?;
        }
        Ok(out)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, SyncError> {
        let version = reader.u64()?;
        let exists = flag(reader.u8()?)?;
        let name = TierName::new(reader.text()?).map_err(|_| SyncError::Malformed)?;
        let tier = match exists {
            true => Some(Tier::from_wire(reader.block()?).ok_or(SyncError::Malformed)?),
            false => None,
        };
        Ok(Self {
            name,
            version,
            tier,
        })
    }
}

/// The first version with tiers and a watch.
const WITH_TIERS: u8 = 3;

/// The first version with a length before each entry, so that fields can be appended.
const WITH_LENGTHS: u8 = 2;

fn put_entry(out: &mut Vec<u8>, version: u8, entry: &[u8]) -> Result<(), SyncError> {
    if version >= WITH_LENGTHS {
        return put_block(out, entry);
    }
    out.extend_from_slice(entry);
    Ok(())
}

/// Reads an entry, and skips unknown fields at its end.
fn entry<'a, T>(
    reader: &mut Reader<'a>,
    version: u8,
    decode: impl FnOnce(&mut Reader<'a>) -> Result<T, SyncError>,
) -> Result<T, SyncError> {
    if version >= WITH_LENGTHS {
        decode(&mut Reader::new(reader.block()?))
    } else {
        decode(reader)
    }
}

fn flag(byte: u8) -> Result<bool, SyncError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(SyncError::Malformed),
    }
}

#[cfg(test)]
mod tests;
