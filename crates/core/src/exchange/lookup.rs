//! Looks up a key's record, in the configuration and then in the directory.

use std::sync::Arc;

use super::Now;
use crate::config::{Policy, ServicePolicy, WhenStale};
use crate::denial::Denial;
use crate::directory::{self, Found, State, resolve_budget};
use crate::ident::TierName;
use crate::key::ApiKey;
use crate::record::KeyRecord;
use crate::shared::CounterStore;
use crate::tier::Tier;
use crate::time::{Nanos, SECOND};

/// How long the service may be silent before answers report that the gate is degraded. A poll without news is answered
/// well within it.
const DEGRADED_AFTER: Nanos = 10 * SECOND;

/// The result of looking up a key.
pub(super) enum Lookup {
    /// Its record.
    Known(KnownKey),
    /// The key's record. Its budget or its team's credit is spent.
    Spent(KnownKey),
    /// There is no such key.
    Unknown,
    /// The key service must be asked.
    Ask,
}

/// A key that exists.
pub(super) struct KnownKey {
    pub(super) record: Box<KeyRecord>,
    /// Its tier; `None` if no tier of that name is known.
    pub(super) tier: Option<Arc<Tier>>,
    /// Whether it stands in the configuration.
    pub(super) inline: bool,
}

/// Looks up a key. `asked` if the service has already been asked about it.
pub(super) fn look_up(
    key: &ApiKey,
    asked: bool,
    policy: &Policy,
    store: &impl CounterStore,
    now: Now,
) -> Result<Lookup, Denial> {
    let digest = &key.digest();
    if let Some(record) = policy.key(digest) {
        return Ok(Lookup::Known(KnownKey {
            record: Box::new(record.clone()),
            tier: policy.tier(&record.tier).cloned(),
            inline: true,
        }));
    }
    let Some(service) = policy.service() else {
        return Ok(Lookup::Unknown);
    };
    let now = now.monotonic;
    let state = directory::state(store).map_err(|_| Denial::Unavailable)?;
    if is_too_stale(&state, service, now) {
        return Err(Denial::NotReady);
    }
    match directory::key(store, digest, &state).map_err(|_| Denial::Unavailable)? {
        Some(Found::Record {
            record,
            over_budget,
        }) => {
            let team = directory::is_exhausted(store, &record.team, &state);
            let spent = over_budget || team.map_err(|_| Denial::Unavailable)?;
            let tier = tier(&record.tier, policy, store, &state)?;
            let known = KnownKey {
                record,
                tier,
                inline: false,
            };
            Ok(if spent {
                Lookup::Spent(known)
            } else {
                Lookup::Known(known)
            })
        }
        Some(Found::None { asked_at }) if now.saturating_sub(asked_at) < service.unknown_for => {
            Ok(Lookup::Unknown)
        }
        // The key exists, so it is not answered 401. The service may send its record in a form that can be read here.
        Some(Found::Unreadable { asked_at }) => {
            let is_due = !asked && now.saturating_sub(asked_at) >= service.unknown_for;
            match is_due && may_ask(store, service, now)? {
                true => Ok(Lookup::Ask),
                false => Err(Denial::NotReady),
            }
        }
        // The service does not generate malformed keys. If it knows one anyway, the directory has it.
        _ if state.is_complete() && !key.is_well_formed() => Ok(Lookup::Unknown),
        // The service was asked and gave no answer, so the key may be valid.
        _ if asked => Err(Denial::NotReady),
        _ if may_ask(store, service, now)? => Ok(Lookup::Ask),
        // The budget of questions is spent. A key that a complete and fresh directory does not contain counts as
        // unknown.
        _ if state.is_complete() && !is_degraded(&state, now) => Ok(Lookup::Unknown),
        _ => Err(Denial::NotReady),
    }
}

/// The tier of a key that the service knows: the service's, or the configured one if the service has reported none of
/// that name.
pub(super) fn tier(
    name: &TierName,
    policy: &Policy,
    store: &impl CounterStore,
    state: &State,
) -> Result<Option<Arc<Tier>>, Denial> {
    let told = directory::tier(store, name, state).map_err(|_| Denial::Unavailable)?;
    Ok(match told {
        Some(tier) => Some(Arc::new(tier)),
        None => policy.tier(name).cloned(),
    })
}

fn may_ask(store: &impl CounterStore, service: &ServicePolicy, now: Nanos) -> Result<bool, Denial> {
    resolve_budget::may_ask(store, &service.resolves, now).map_err(|_| Denial::Unavailable)
}

/// Whether the service has been silent for longer than [`DEGRADED_AFTER`].
pub(super) fn degraded(policy: &Policy, store: &impl CounterStore, now: Now) -> bool {
    policy.service().is_some()
        && directory::state(store).is_ok_and(|state| is_degraded(&state, now.monotonic))
}

fn is_degraded(state: &State, now: Nanos) -> bool {
    now.saturating_sub(state.synced_at) > DEGRADED_AFTER
}

fn is_too_stale(state: &State, service: &ServicePolicy, now: Nanos) -> bool {
    service.when_stale == WhenStale::Refuse
        && state.synced_at > 0
        && now.saturating_sub(state.synced_at) > service.max_stale
}
