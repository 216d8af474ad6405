//! What the key service and the filter say to each other, as bytes.
//!
//! A [`Frame`] carries key records and credit states from the service: a page of a snapshot, a delta,
//! or the answer to one resolve. [`events`] carries usage the other way. Integers are big-endian.
//!
//! ```text
//! frame  = version:1 kind:1 more:1 epoch:8 from:8 to:8 keys:2 teams:2 key* team*
//! key    = digest:32 version:8 flags:1 [length:2 record]    flags: 1 has a record, 2 over budget
//! team   = version:8 exhausted:1 length:2 id
//! ```
//!
//! What it is not: no transport, no retry, no opinion on when to ask.
//!
//! # How versions work
//! Every change of a key or of a credit state takes the next version of one counter. An entry carries the
//! version of its last change, so a reader keeps the entry with the higher one, whatever order answers
//! arrive in. The epoch names one history of that counter: it changes when the service was restored or
//! replaced, and versions of different epochs are never compared.
//!
//! # Failure policy
//! Bytes that are cut, too long, of an unknown version or not canonical are refused whole: a reader keeps
//! what it had. Counts and lengths are checked before anything is allocated for them.

mod bytes;
pub mod events;
pub mod objects;

use bytes::{Reader, put_block, put_count};

use crate::ident::TeamId;
use crate::key::KeyDigest;
use crate::record::KeyRecord;

/// The version of the wire form that this code writes and reads.
pub const SYNC_VERSION: u8 = 1;

/// The most keys, and the most teams, in one frame.
pub const MAX_FRAME_ENTRIES: usize = 2_000;

/// The longest frame that is read, in bytes.
pub const MAX_FRAME_LEN: usize = 4 << 20;

const HAS_RECORD: u8 = 1;
const OVER_BUDGET: u8 = 2;

/// Why bytes are no frame or batch, or why one cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// Written by a newer or a foreign program.
    #[error("sync version {0} is not known here")]
    Version(u8),
    /// Cut, or not this form at all.
    #[error("malformed sync bytes")]
    Malformed,
    /// More entries or bytes than one message may have.
    #[error("too large for one sync message")]
    TooLarge,
}

/// What a frame says about the entries that it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The first page of everything: once its last page is applied, what was not mentioned does not exist.
    Snapshot,
    /// Changes after `from`, up to and with `to`. Also the later pages of a snapshot.
    Delta,
    /// The answer to a resolve, as of `to`; it moves no version.
    Resolved,
}

/// One message from the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// Whether a further page is ready: ask again at once from `to`.
    pub more: bool,
    /// Which history the versions belong to. Never 0.
    pub epoch: u64,
    /// The version that the reader must have applied before; 0 in a snapshot.
    pub from: u64,
    /// The version that the reader has applied afterwards.
    pub to: u64,
    /// Keys, in the order of their versions.
    pub keys: Vec<KeyEntry>,
    /// Credit states, in the order of their versions.
    pub teams: Vec<TeamEntry>,
}

/// One key as of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// Which key.
    pub digest: KeyDigest,
    /// The version of its last change; for an unknown key, the version it was looked up at.
    pub version: u64,
    /// `None`: there is no such key.
    pub state: Option<KeyState>,
}

/// All that the service says of a key that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The record.
    pub record: KeyRecord,
    /// Whether the key has spent its budget of the day or of the month.
    pub over_budget: bool,
}

/// One team's credit as of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamEntry {
    /// Which team.
    pub team: TeamId,
    /// The version of its last change.
    pub version: u64,
    /// Whether its credit pool is empty.
    pub exhausted: bool,
}

impl Frame {
    /// The wire form.
    ///
    /// # Errors
    /// [`SyncError::TooLarge`] with more than [`MAX_FRAME_ENTRIES`] keys or teams.
    pub fn encode(&self) -> Result<Vec<u8>, SyncError> {
        let kind = match self.kind {
            FrameKind::Snapshot => 0,
            FrameKind::Delta => 1,
            FrameKind::Resolved => 2,
        };
        let mut out = vec![SYNC_VERSION, kind, u8::from(self.more)];
        for number in [self.epoch, self.from, self.to] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        put_count(&mut out, self.keys.len(), MAX_FRAME_ENTRIES)?;
        put_count(&mut out, self.teams.len(), MAX_FRAME_ENTRIES)?;
        for key in &self.keys {
            key.encode(&mut out)?;
        }
        for team in &self.teams {
            out.extend_from_slice(&team.version.to_be_bytes());
            out.push(u8::from(team.exhausted));
            put_block(&mut out, team.team.as_str().as_bytes())?;
        }
        if out.len() > MAX_FRAME_LEN {
            return Err(SyncError::TooLarge);
        }
        Ok(out)
    }

    /// Reads the wire form; every record and name is checked.
    ///
    /// # Errors
    /// [`SyncError`] on an unknown version, cut or trailing bytes, or too many entries.
    pub fn decode(bytes: &[u8]) -> Result<Self, SyncError> {
        if bytes.len() > MAX_FRAME_LEN {
            return Err(SyncError::TooLarge);
        }
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            SYNC_VERSION => {}
            version => return Err(SyncError::Version(version)),
        }
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
        if keys > MAX_FRAME_ENTRIES || teams > MAX_FRAME_ENTRIES {
            return Err(SyncError::TooLarge);
        }
        let keys = (0..keys)
            .map(|_| KeyEntry::decode(&mut reader))
            .collect::<Result<_, _>>()?;
        let teams = (0..teams)
            .map(|_| TeamEntry::decode(&mut reader))
            .collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Self {
            kind,
            more,
            epoch,
            from,
            to,
            keys,
            teams,
        })
    }
}

impl KeyEntry {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), SyncError> {
        out.extend_from_slice(self.digest.as_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        let Some(state) = &self.state else {
            out.push(0);
            return Ok(());
        };
        out.push(HAS_RECORD | if state.over_budget { OVER_BUDGET } else { 0 });
        let record = state.record.to_wire().map_err(|_| SyncError::Malformed)?;
        put_block(out, &record)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, SyncError> {
        let digest = KeyDigest::from_bytes(reader.array()?);
        let version = reader.u64()?;
        let state = match reader.u8()? {
            0 => None,
            flags if flags & !(HAS_RECORD | OVER_BUDGET) == 0 && flags & HAS_RECORD != 0 => {
                let record =
                    KeyRecord::from_wire(reader.block()?).map_err(|_| SyncError::Malformed)?;
                Some(KeyState {
                    record,
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

fn flag(byte: u8) -> Result<bool, SyncError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(SyncError::Malformed),
    }
}

#[cfg(test)]
mod tests;
