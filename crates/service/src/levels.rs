//! Live levels of limits: what proxies report while somebody watches.
//!
//! It is in memory only. Who watches holds a [`Watching`]; while there is one for a team, held polls are answered at once and
//! tell the proxies to report. What they report is kept by proxy, and dropped when the last one stops watching.
//!
//! What it is not: it is no history, and each service has its own. A proxy reports to the service that answers its polls.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gmtech_core::ident::{KeyId, TeamId};
use gmtech_core::limiter::{Dimension, Level};
use gmtech_core::sync::levels::KeyLevels;
use gmtech_core::sync::{MAX_WATCHED, Watch};
use tokio::sync::watch;

/// How many may watch at once, and how many of them as one person.
const MOST_WATCHERS: usize = 500;
const MOST_OF_ONE: usize = 10;

/// How long a report counts after it has come. A proxy reports a key each second until its limits are restored.
const COUNTS_FOR: Duration = Duration::from_secs(5);

/// The most proxies that are kept for one key.
const MOST_PROXIES: usize = 1_000;

/// What is watched, and what was reported.
pub(crate) struct Levels {
    state: Mutex<State>,
    /// Rises with every report.
    reported: watch::Sender<u64>,
    /// The version of what is watched.
    watched: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    teams: HashMap<TeamId, Team>,
    people: HashMap<String, usize>,
    /// The version of the set of teams while it is not empty.
    version: u64,
}

#[derive(Default)]
struct Team {
    watchers: usize,
    keys: HashMap<KeyId, HashMap<String, Reported>>,
}

struct Reported {
    at: Instant,
    cells: Vec<Level>,
}

/// The level of one limit of a key over all proxies that report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveLevel {
    /// What it counts.
    pub(crate) dimension: Dimension,
    /// The limit, at each proxy.
    pub(crate) limit: u32,
    /// Units spent and not yet restored, at all proxies.
    pub(crate) used: u64,
    /// Units of them that requests under way have reserved.
    pub(crate) reserved: u64,
    /// How many proxies report it.
    pub(crate) proxies: usize,
}

/// Why nobody more may watch.
#[derive(Debug, thiserror::Error)]
#[error("too many are watching limits now; close another page that shows them, or try again later")]
pub(crate) struct TooMany;

impl Levels {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            reported: watch::Sender::new(0),
            watched: watch::Sender::new(0),
        }
    }

    /// Watches a team's limits for as long as what is returned lives. `person` names who watches.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(crate) fn watch(
        self: &Arc<Self>,
        team: &TeamId,
        person: &str,
    ) -> Result<Watching, TooMany> {
        let mut state = self.state();
        let all: usize = state.people.values().sum();
        let own = state.people.get(person).copied().unwrap_or(0);
        let is_new = !state.teams.contains_key(team);
        if all >= MOST_WATCHERS
            || own >= MOST_OF_ONE
            || (is_new && state.teams.len() >= MAX_WATCHED)
        {
            return Err(TooMany);
        }
        *state.people.entry(person.to_owned()).or_default() += 1;
        state.teams.entry(team.clone()).or_default().watchers += 1;
        if is_new {
            self.changed(&mut state);
        }
        Ok(Watching {
            levels: Arc::clone(self),
            team: team.clone(),
            person: person.to_owned(),
            reported: self.reported.subscribe(),
        })
    }

    /// What proxies are told to report.
    pub(crate) fn watched(&self) -> Watch {
        let state = self.state();
        if state.teams.is_empty() {
            return Watch::default();
        }
        let mut teams: Vec<_> = state.teams.keys().cloned().collect();
        teams.sort_unstable();
        Watch {
            version: state.version,
            teams,
        }
    }

    /// Wakes up when what is watched changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.watched.subscribe()
    }

    /// Takes a proxy's report; keys of teams that nobody watches are left out.
    pub(crate) fn report(&self, proxy: &str, keys: Vec<KeyLevels>, now: Instant) {
        let mut state = self.state();
        for KeyLevels {
            account,
            team,
            cells,
        } in keys
        {
            let Some(team) = state.teams.get_mut(&team) else {
                continue;
            };
            let proxies = team.keys.entry(account).or_default();
            if proxies.len() < MOST_PROXIES || proxies.contains_key(proxy) {
                proxies.insert(proxy.to_owned(), Reported { at: now, cells });
            }
        }
        drop(state);
        self.reported.send_modify(|n| *n += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the set of teams is another one. Versions of different runs of the service differ too.
    fn changed(&self, state: &mut State) {
        let now = u64::try_from(crate::clock::Millis::now().0).unwrap_or(0);
        state.version = now.max(state.version.saturating_add(1));
        self.watched.send_replace(state.version);
    }
}

/// Somebody who watches a team's limits.
pub(crate) struct Watching {
    levels: Arc<Levels>,
    team: TeamId,
    person: String,
    reported: watch::Receiver<u64>,
}

impl Watching {
    /// Waits until something was reported.
    pub(crate) async fn reported(&mut self) {
        // The sender lives as long as this does.
        let _ = self.reported.changed().await;
    }

    /// The present levels of these accounts, for those that have any.
    pub(crate) fn levels(
        &self,
        accounts: &HashSet<KeyId>,
        now: Instant,
    ) -> Vec<(KeyId, Vec<LiveLevel>)> {
        let mut state = self.levels.state();
        let Some(team) = state.teams.get_mut(&self.team) else {
            return Vec::new();
        };
        for proxies in team.keys.values_mut() {
            proxies.retain(|_, reported| now.saturating_duration_since(reported.at) < COUNTS_FOR);
        }
        team.keys.retain(|_, proxies| !proxies.is_empty());
        let of = |account: &KeyId| {
            let proxies = team.keys.get(account)?;
            Some((account.clone(), over_all(proxies.values())))
        };
        accounts.iter().filter_map(of).collect()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut state = self.levels.state();
        if let Some(own) = state.people.get_mut(&self.person) {
            *own -= 1;
            if *own == 0 {
                state.people.remove(&self.person);
            }
        }
        if let Some(team) = state.teams.get_mut(&self.team) {
            team.watchers -= 1;
            if team.watchers == 0 {
                state.teams.remove(&self.team);
                self.levels.changed(&mut state);
            }
        }
    }
}

/// The levels of a key over all proxies, in the order in which limits are shown.
fn over_all<'a>(proxies: impl Iterator<Item = &'a Reported> + Clone) -> Vec<LiveLevel> {
    let over = |dimension| {
        let cells = proxies.clone().flat_map(|reported| &reported.cells);
        let cells = cells.filter(|cell| cell.dimension == dimension);
        cells.fold(None, |sum: Option<LiveLevel>, cell| {
            let sum = sum.unwrap_or(LiveLevel {
                dimension,
                limit: 0,
                used: 0,
                reserved: 0,
                proxies: 0,
            });
            Some(LiveLevel {
                limit: sum.limit.max(cell.limit),
                used: sum.used.saturating_add(cell.used),
                reserved: sum.reserved.saturating_add(cell.reserved),
                proxies: sum.proxies + 1,
                ..sum
            })
        })
    };
    Dimension::ALL.into_iter().filter_map(over).collect()
}

#[cfg(test)]
mod tests {
    use gmtech_core::limiter::Scope;

    use super::*;

    fn team(name: &str) -> TeamId {
        TeamId::new(name).unwrap()
    }

    fn key() -> KeyId {
        KeyId::new("key_1").unwrap()
    }

    fn report(team_name: &str, used: u64) -> Vec<KeyLevels> {
        vec![KeyLevels {
            account: key(),
            team: team(team_name),
            cells: vec![Level {
                scope: Scope::Key,
                dimension: Dimension::Requests,
                limit: 60,
                used,
                reserved: 1,
                remaining: 0,
                reset_ms: Some(1),
            }],
        }]
    }

    #[allow(clippy::disallowed_methods, reason = "a native program")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_team_is_watched_for_as_long_as_somebody_watches() {
        let levels = Arc::new(Levels::new());
        assert_eq!(levels.watched(), Watch::default());
        let first = levels.watch(&team("acme"), "ada").unwrap();
        let at_first = levels.watched();
        assert_eq!(at_first.teams, [team("acme")]);
        let second = levels.watch(&team("acme"), "kim").unwrap();
        assert_eq!(
            levels.watched(),
            at_first,
            "the proxies need not be told again"
        );
        let other = levels.watch(&team("zeta"), "ada").unwrap();
        let both = levels.watched();
        assert!(both.version > at_first.version && both.teams.len() == 2);
        drop(first);
        drop(other);
        assert_eq!(levels.watched().teams, [team("acme")]);
        drop(second);
        assert_eq!(levels.watched(), Watch::default());
    }

    #[test]
    fn levels_are_summed_over_proxies_that_still_report() {
        let levels = Arc::new(Levels::new());
        let start = now();
        levels.report("envoy-1", report("acme", 9), start);
        let watching = levels.watch(&team("acme"), "ada").unwrap();
        let wanted = HashSet::from([key()]);
        let seen = |after| {
            let found = watching.levels(&wanted, start + after);
            found
                .first()
                .map(|(_, cells)| (cells[0].used, cells[0].proxies))
        };
        assert_eq!(
            seen(Duration::ZERO),
            None,
            "what came before nobody watched is gone"
        );
        levels.report("envoy-1", report("acme", 5), start);
        levels.report("envoy-2", report("acme", 7), start + Duration::from_secs(3));
        levels.report("envoy-2", report("zeta", 7), start + Duration::from_secs(3));
        assert_eq!(seen(Duration::from_secs(3)), Some((12, 2)));
        assert_eq!(seen(Duration::from_secs(6)), Some((7, 1)));
        assert_eq!(seen(Duration::from_secs(9)), None);
    }

    #[test]
    fn watchers_are_bounded_for_each_person_and_in_all() {
        let levels = Arc::new(Levels::new());
        let own: Vec<_> = (0..MOST_OF_ONE)
            .map(|_| levels.watch(&team("acme"), "ada").unwrap())
            .collect();
        assert!(levels.watch(&team("acme"), "ada").is_err());
        let others: Vec<_> = (own.len()..MOST_WATCHERS)
            .map(|n| levels.watch(&team("acme"), &format!("p{n}")).unwrap())
            .collect();
        assert!(levels.watch(&team("acme"), "one more").is_err());
        drop(others);
        assert!(levels.watch(&team("acme"), "one more").is_ok());
    }
}
