//! The teams whose limits somebody watches, as the key service last said.
//!
//! It is one value of the shared store, so that every worker knows it from one worker's poll. It expires by itself: when the
//! service is silent, nobody watches.

use super::VERSION;
use crate::ident::TeamId;
use crate::shared::codec::{Reader, words};
use crate::shared::{Change, CounterStore, Retry, StoreError, SwapError, names, update};
use crate::sync::Watch;
use crate::time::{Nanos, SECOND};

/// How long an answer of the service holds. A poll is answered well within it.
const LASTS: Nanos = 6 * SECOND;

/// The set of watched teams, and until when it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The set's version at the service; 0 if nobody watches.
    pub version: u64,
    /// Until when it holds, on the monotonic clock.
    pub until: Nanos,
    /// The teams.
    pub teams: Vec<TeamId>,
}

/// The watched teams at `now`; none after the last answer has expired.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn read(store: &impl CounterStore, now: Nanos) -> Result<Watched, StoreError> {
    let stored = store.get(names::WATCHED)?;
    let watched = stored.and_then(|(bytes, _)| from_bytes(&bytes));
    Ok(watched.filter(|w| w.until > now).unwrap_or_default())
}

/// Stores what an answer of the service says at `now`. An answer that names no team leaves an earlier one to expire, since
/// another service on the same database may have watchers.
pub(super) fn note(store: &impl CounterStore, watch: &Watch, now: Nanos) -> Result<(), StoreError> {
    if watch.teams.is_empty() {
        return Ok(());
    }
    let mut value = words(VERSION, [watch.version, now.saturating_add(LASTS)]);
    for team in &watch.teams {
        value.extend_from_slice(team.as_str().as_bytes());
        value.push(b'\n');
    }
    let noted = update(store, names::WATCHED, Retry::Never, |_| {
        Change::Write(value.clone(), ())
    });
    match noted {
        // Another worker has just stored a newer answer.
        Err(SwapError::Lost) => Ok(()),
        other => Ok(other?),
    }
}

fn from_bytes(bytes: &[u8]) -> Option<Watched> {
    let mut r = Reader::new(VERSION, bytes)?;
    let (version, until) = (r.u64()?, r.u64()?);
    let names = std::str::from_utf8(r.rest()).ok()?;
    let teams = names.lines().map(|name| TeamId::new(name).ok());
    Some(Watched {
        version,
        until,
        teams: teams.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::memory::MemoryStore;

    #[test]
    fn what_is_watched_holds_for_a_while_and_an_empty_answer_does_not_end_it() {
        let store = MemoryStore::default();
        let teams: Vec<_> = ["acme", "zeta"].map(|t| TeamId::new(t).unwrap()).into();
        let watch = |version, teams: &[TeamId]| Watch {
            version,
            teams: teams.to_vec(),
        };
        assert_eq!(read(&store, 0), Ok(Watched::default()));
        note(&store, &watch(3, &teams), SECOND).unwrap();
        note(&store, &watch(0, &[]), 2 * SECOND).unwrap();
        let watched = read(&store, 3 * SECOND).unwrap();
        assert_eq!((watched.version, &watched.teams), (3, &teams));
        assert_eq!(read(&store, SECOND + LASTS), Ok(Watched::default()));
        note(&store, &watch(4, &teams[..1]), 9 * SECOND).unwrap();
        assert_eq!(read(&store, 9 * SECOND).unwrap().teams, teams[..1]);
    }
}
