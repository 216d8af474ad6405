//! The directory: the keys, teams and tiers that the key service has reported, in a shared store.
//!
//! The store can neither list nor delete, so every entry carries the *generation* of its snapshot. A snapshot writes
//! into the next generation. When its last page is applied, [`State::generation`] moves to it, and entries that the
//! snapshot did not contain become invalid. Until then the old generation is valid, so that no entry is ever missing.
//! Within a generation the entry with the higher version wins, in whatever order answers arrive.
//!
//! What it is not: it does not transport ([`crate::sync`] is the wire form, [`crate::agent`] polls) and does not judge
//! keys ([`crate::auth`] does).
//!
//! # Failure policy
//! A frame that does not follow the applied version is ignored as a whole. While the service is silent, keys,
//! revocations and credit keep their last known state; [`State::synced_at`] is the time of the last answer.

use crate::ident::{TeamId, TierName};
use crate::key::KeyDigest;
use crate::record::KeyRecord;
use crate::shared::codec::{Reader, words};
use crate::shared::{Change, CounterStore, Retry, StoreError, SwapError, names, update};
use crate::sync::versions::KEYS;
use crate::sync::{Frame, FrameKind, KeyEntry, TeamEntry, TierEntry};
use crate::tier::Tier;
use crate::time::Nanos;

mod denied;
pub mod held;
pub mod poll_lease;
pub mod proxy_name;
pub mod resolve_budget;
pub mod watched;

/// The version of the stored values.
const VERSION: u8 = 1;

/// The state of the synchronisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The history to which the version belongs; 0 before the first snapshot.
    pub epoch: u64,
    /// The version up to which all changes are applied.
    pub version: u64,
    /// The generation in force; entries of older generations are invalid. 0 before the first snapshot is complete.
    pub generation: u64,
    /// The generation that entries are written to: one ahead while a snapshot is being applied.
    pub writing: u64,
    /// When the service last answered, on the monotonic clock; 0 if never.
    pub synced_at: Nanos,
}

impl State {
    /// Whether a snapshot was applied completely.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.generation > 0
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader::new(VERSION, bytes)?;
        let state = Self {
            epoch: r.u64()?,
            version: r.u64()?,
            generation: r.u64()?,
            writing: r.u64()?,
            synced_at: r.u64()?,
        };
        r.rest().is_empty().then_some(state)
    }

    fn to_bytes(self) -> Vec<u8> {
        words(
            VERSION,
            [
                self.epoch,
                self.version,
                self.generation,
                self.writing,
                self.synced_at,
            ],
        )
    }
}

/// The directory's entry for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The key exists.
    Record {
        /// The record.
        record: Box<KeyRecord>,
        /// Whether the key has spent its budget of the day or of the month.
        over_budget: bool,
    },
    /// The service said that there is no such key.
    None {
        /// When it said so, on the monotonic clock.
        asked_at: Nanos,
    },
    /// The key exists, but its record cannot be read here ([`crate::sync::Record::Unreadable`]).
    Unreadable {
        /// When the service sent it, on the monotonic clock.
        asked_at: Nanos,
    },
}

/// The state of the synchronisation.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn state(store: &impl CounterStore) -> Result<State, StoreError> {
    Ok(store
        .get(names::SYNC_STATE)?
        .and_then(|(bytes, _)| State::from_bytes(&bytes))
        .unwrap_or_default())
}

/// Returns the highest version of the state's epoch that any answer has shown. It can exceed the applied version,
/// because answers about single keys may be newer. If the service has a lower version of the same epoch, its database
/// was restored from an older state.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn seen(store: &impl CounterStore, state: &State) -> Result<u64, StoreError> {
    let noted = store.get(names::SEEN_VERSION)?;
    let version = noted
        .and_then(|(bytes, _)| read_seen(&bytes))
        .filter(|(epoch, _)| *epoch == state.epoch)
        .map_or(0, |(_, version)| version);
    Ok(version.max(state.version))
}

/// Epoch and version.
fn read_seen(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut r = Reader::new(VERSION, bytes)?;
    Some((r.u64()?, r.u64()?))
}

/// Stores the highest version of an epoch. A version of another epoch replaces it.
fn note_seen(store: &impl CounterStore, epoch: u64, version: u64) -> Result<(), StoreError> {
    let noted = update(
        store,
        names::SEEN_VERSION,
        Retry::Briefly,
        |known| match known.and_then(read_seen) {
            Some((e, v)) if e == epoch && v >= version => Change::Keep(()),
            _ => Change::Write(words(VERSION, [epoch, version]), ()),
        },
    );
    match noted {
        // Other workers keep writing it. The next answer stores it again.
        Err(SwapError::Lost) => Ok(()),
        other => Ok(other?),
    }
}

/// Looks up a key; `Ok(None)` if nothing is known about it.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn key(
    store: &impl CounterStore,
    digest: &KeyDigest,
    state: &State,
) -> Result<Option<Found>, StoreError> {
    let read = store.get(&names::key(digest))?;
    let entry = read.and_then(|(bytes, _)| Entry::from_bytes(&bytes));
    let Some(entry) = entry.filter(|e| e.generation >= state.generation) else {
        return denied::asked_at(store, digest)
            .map(|at| at.map(|asked_at| Found::None { asked_at }));
    };
    if !entry.has_record() {
        return Ok(Some(Found::None { asked_at: entry.at }));
    }
    Ok(Some(match KeyRecord::from_wire(&entry.record) {
        Ok(record) => Found::Record {
            record: Box::new(record),
            over_budget: entry.flags & SPENT != 0,
        },
        Err(_) => Found::Unreadable { asked_at: entry.at },
    }))
}

/// Whether the team's credit is exhausted, by the last known state.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn is_exhausted(
    store: &impl CounterStore,
    team: &TeamId,
    state: &State,
) -> Result<bool, StoreError> {
    let read = store.get(&names::team(team))?;
    let entry = read.and_then(|(bytes, _)| Entry::from_bytes(&bytes));
    Ok(entry.is_some_and(|e| e.generation >= state.generation && e.flags & SPENT != 0))
}

/// The service's tier of this name; `None` if it has reported none, or has removed it.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn tier(
    store: &impl CounterStore,
    name: &TierName,
    state: &State,
) -> Result<Option<Tier>, StoreError> {
    let read = store.get(&names::tier(name))?;
    let entry = read.and_then(|(bytes, _)| Entry::from_bytes(&bytes));
    let told = entry.filter(|e| e.generation >= state.generation && e.has_record());
    Ok(told.and_then(|e| Tier::from_wire(&e.record)))
}

/// Applies an answer of the service that arrived at `now`. Returns `false`, and changes nothing, if it does not follow
/// the applied version.
///
/// # Errors
/// [`StoreError`] if the store fails. Entries already written stay, and the next poll delivers the frame again.
pub fn apply(store: &impl CounterStore, frame: &Frame, now: Nanos) -> Result<bool, StoreError> {
    let mut next = state(store)?;
    match frame.kind {
        FrameKind::Resolved => {
            // A key that is resolved before the first snapshot is written to that snapshot's generation.
            let generation = next.writing.max(1);
            if next.epoch == 0 || next.epoch == frame.epoch {
                note_seen(store, frame.epoch, frame.to)?;
                put(store, frame, generation, now)?;
            }
            return Ok(true);
        }
        FrameKind::Snapshot => {
            next.epoch = frame.epoch;
            next.writing = next
                .generation
                .saturating_add(1)
                .max(next.writing.saturating_add(1));
        }
        FrameKind::Delta if (next.epoch, next.version) != (frame.epoch, frame.from) => {
            return Ok(false);
        }
        FrameKind::Delta => {}
    }
    put(store, frame, next.writing, now)?;
    watched::note(store, &frame.watch, now)?;
    next.version = frame.to;
    next.synced_at = now;
    if !frame.more {
        next.generation = next.writing;
    }
    // Only the holder of the poll lease writes this. If two workers hold it for a moment, they apply the same frames
    // twice, which is harmless.
    let moved = update(store, names::SYNC_STATE, Retry::Never, |_| {
        Change::Write(next.to_bytes(), true)
    });
    match moved {
        Err(SwapError::Lost) => Ok(false),
        other => Ok(other?),
    }
}

fn put(
    store: &impl CounterStore,
    frame: &Frame,
    generation: u64,
    now: Nanos,
) -> Result<(), StoreError> {
    // Tiers first, so that no key is read before its tier.
    for entry in &frame.tiers {
        write(
            store,
            &names::tier(&entry.name),
            &Entry::of_tier(entry, generation, now),
        )?;
    }
    let mut more = 0;
    let written = put_keys(store, frame, (generation, now), &mut more);
    // Also after a failure: what was written is not counted again when the frame comes again.
    held::add(store, generation, more)?;
    written?;
    for entry in &frame.teams {
        write(
            store,
            &names::team(&entry.team),
            &Entry::of_team(entry, generation, now),
        )?;
    }
    Ok(())
}

/// Writes the keys of a frame, and adds to `more` by how many more have a record now.
fn put_keys(
    store: &impl CounterStore,
    frame: &Frame,
    (generation, now): (u64, Nanos),
    more: &mut i64,
) -> Result<(), StoreError> {
    for entry in &frame.keys {
        let name = names::key(&entry.digest);
        let of_nobody = frame.kind == FrameKind::Resolved && entry.state.is_none();
        if of_nobody && store.get(&name)?.is_none() {
            denied::note(store, &entry.digest, now)?;
            continue;
        }
        let entry = Entry::of_key(entry, generation, now);
        let was = write(store, &name, &entry)?;
        let had = was.is_some_and(|was| was.generation == generation && was.has_record());
        *more += i64::from(entry.has_record()) - i64::from(had);
    }
    Ok(())
}

/// Writes an entry unless the stored one is newer. Returns the entry that was there, or `entry` itself if nothing was
/// written.
fn write(
    store: &impl CounterStore,
    name: &[u8],
    entry: &Entry,
) -> Result<Option<Entry>, StoreError> {
    let newer = |k: &Entry| (k.generation, k.version) > (entry.generation, entry.version);
    let was = update(store, name, Retry::Briefly, |known| {
        match known.and_then(Entry::from_bytes) {
            Some(known) if newer(&known) => Change::Keep(Some(entry.clone())),
            known => Change::Write(entry.to_bytes(), known),
        }
    });
    Ok(was?)
}

const HAS_RECORD: u64 = 1;
const SPENT: u64 = 2;

/// A stored entry: a key, a team's credit, or a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    generation: u64,
    version: u64,
    at: Nanos,
    flags: u64,
    record: Vec<u8>,
}

impl Entry {
    fn has_record(&self) -> bool {
        self.flags & HAS_RECORD != 0
    }

    fn of_key(key: &KeyEntry, generation: u64, at: Nanos) -> Self {
        let spent = |over: bool| if over { SPENT } else { 0 };
        // A record that was read from the wire form can be written in it.
        let state = key
            .state
            .as_ref()
            .and_then(|s| Some((s, s.record.to_wire_for(KEYS.newest).ok()?)));
        let (flags, record) = state.map_or((0, Vec::new()), |(s, record)| {
            (HAS_RECORD | spent(s.over_budget), record)
        });
        Self {
            generation,
            version: key.version,
            at,
            flags,
            record,
        }
    }

    fn of_team(team: &TeamEntry, generation: u64, at: Nanos) -> Self {
        let flags = if team.exhausted { SPENT } else { 0 };
        Self {
            generation,
            version: team.version,
            at,
            flags,
            record: Vec::new(),
        }
    }

    fn of_tier(tier: &TierEntry, generation: u64, at: Nanos) -> Self {
        Self {
            generation,
            version: tier.version,
            at,
            flags: if tier.tier.is_some() { HAS_RECORD } else { 0 },
            record: tier.tier.as_ref().map(Tier::to_wire).unwrap_or_default(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader::new(VERSION, bytes)?;
        Some(Self {
            generation: r.u64()?,
            version: r.u64()?,
            at: r.u64()?,
            flags: r.u64()?,
            record: r.rest().to_vec(),
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = words(
            VERSION,
            [self.generation, self.version, self.at, self.flags],
        );
        out.extend_from_slice(&self.record);
        out
    }
}

#[cfg(test)]
mod tests;
