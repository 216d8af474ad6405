//! Reports levels of limits to the key service while somebody watches them.
//!
//! Each worker reports the keys that its own streams have charged, at most once a second. A key is reported until its limits
//! are restored. Nothing is kept while nobody watches.
//!
//! # Failure policy
//! A report that fails is not repeated: the next one has newer levels. If the store fails, a key is left out.

use std::collections::HashMap;
use std::rc::Rc;

use super::Call;
use crate::config::ServicePolicy;
use crate::directory::{proxy_name, watched};
use crate::ident::{KeyId, TeamId};
use crate::limiter::{self, Account};
use crate::shared::CounterStore;
use crate::sync::levels::{KeyLevels, MAX_KEYS, encode};
use crate::time::{Nanos, SECOND};

/// The interval of reports.
const INTERVAL: Nanos = SECOND;

/// The interval at which the store is asked who watches.
const LOOK: Nanos = SECOND / 4;

/// How long an answer may take, and after how long it counts as lost.
const TIMEOUT: Nanos = 2 * SECOND;
const LOST_AFTER: Nanos = 3 * SECOND;

/// The most keys that a worker keeps for reports. Further ones are left out until others are restored.
const MOST_KEYS: usize = 2_000;

/// A report that is not answered yet.
#[derive(Debug)]
struct UnderWay {
    /// The host's number for the call; `None` until it is sent.
    call: Option<u32>,
    /// The configuration that sends it.
    config: u32,
    lost_at: Nanos,
}

/// The keys to report, and when.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    /// The teams that are watched, and until when.
    teams: Vec<TeamId>,
    until: Nanos,
    keys: HashMap<KeyId, (TeamId, Account)>,
    due: bool,
    look_at: Nanos,
    not_before: Nanos,
    under_way: Option<UnderWay>,
}

impl Reporter {
    /// Notes that a request of a watched team has charged its account, or has given back a part.
    pub(crate) fn note(&mut self, team: &TeamId, key: &KeyId, account: &Account) {
        if !self.teams.contains(team) {
            return;
        }
        if self.keys.len() < MOST_KEYS || self.keys.contains_key(key) {
            let entry = (team.clone(), account.clone());
            self.keys.insert(key.clone(), entry);
        }
    }

    /// Looks who watches.
    pub(super) fn tick(&mut self, store: &impl CounterStore, now: Nanos) {
        if self.under_way.as_ref().is_some_and(|u| u.lost_at <= now) {
            self.under_way = None;
        }
        if now >= self.look_at {
            self.look_at = now.saturating_add(LOOK);
            let watched = watched::read(store, now).unwrap_or_default();
            (self.teams, self.until) = (watched.teams, watched.until);
        }
        if self.until <= now {
            self.teams.clear();
            self.keys.clear();
        }
        self.due = now >= self.not_before && self.under_way.is_none();
    }

    /// Returns the report that `config` should send, if one is due.
    pub(super) fn poll(
        &mut self,
        config: u32,
        service: &ServicePolicy,
        store: &impl CounterStore,
        now: Nanos,
    ) -> Option<Call> {
        if self.keys.is_empty() || !std::mem::take(&mut self.due) {
            return None;
        }
        let proxy = proxy_name::known(store)?;
        let keys = self.levels(store, now);
        let body = encode(&keys).ok().filter(|_| !keys.is_empty())?;
        self.not_before = now.saturating_add(INTERVAL);
        self.under_way = Some(UnderWay {
            call: None,
            config,
            lost_at: now.saturating_add(LOST_AFTER),
        });
        Some(Call {
            service: service.clone(),
            method: "POST",
            path: format!("/sync/v1/levels?proxy={proxy}"),
            body: Some(Rc::new(body)),
            timeout: TIMEOUT,
        })
    }

    /// Reads the levels of at most [`MAX_KEYS`] keys, and forgets those whose limits are restored.
    fn levels(&mut self, store: &impl CounterStore, now: Nanos) -> Vec<KeyLevels> {
        let mut keys = Vec::new();
        let mut done = Vec::new();
        for (key, (team, account)) in self.keys.iter().take(MAX_KEYS) {
            let Ok(cells) = limiter::levels(store, account, now) else {
                continue;
            };
            if cells.iter().all(|cell| cell.used == 0) {
                done.push(key.clone());
            }
            keys.push(KeyLevels {
                account: key.clone(),
                team: team.clone(),
                cells,
            });
        }
        for key in done {
            self.keys.remove(&key);
        }
        keys
    }

    /// Reports that the host sent the report; `call` is the host's number for it, or `None` if it could not be sent.
    pub(super) fn sent(&mut self, call: Option<u32>) {
        match (call, &mut self.under_way) {
            (Some(_), Some(under_way)) => under_way.call = call,
            (None, _) => self.under_way = None,
            (Some(_), None) => {}
        }
    }

    /// Reports that a call has ended. Returns whether it was the report.
    pub(super) fn answered(&mut self, call: u32) -> bool {
        let is_ours = self
            .under_way
            .as_ref()
            .is_some_and(|u| u.call == Some(call));
        if is_ours {
            self.under_way = None;
        }
        is_ours
    }

    /// Gives up the report of a retired configuration, since no answer to it will arrive.
    pub(super) fn retired(&mut self, config: u32) {
        if self.under_way.as_ref().is_some_and(|u| u.config == config) {
            self.under_way = None;
        }
    }
}

#[cfg(test)]
mod tests;
