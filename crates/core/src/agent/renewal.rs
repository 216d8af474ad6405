//! Renews the places in flight of this worker's streams until the streams end.
//!
//! If the worker dies, the renewals stop and the places of its streams expire.

use std::collections::HashMap;

use crate::limiter::{SLOT_LIFETIME, Slots, renew};
use crate::shared::CounterStore;
use crate::time::Nanos;

/// The interval of renewals: three within the lifetime of a place.
const INTERVAL: Nanos = SLOT_LIFETIME / 3;

/// The places in flight, by the number of their stream.
#[derive(Debug, Default)]
pub(crate) struct Renewal {
    held: HashMap<u32, Slots>,
    due_at: Nanos,
}

impl Renewal {
    /// Registers a stream's place, if it has one. A stream keeps the same place until it ends.
    pub(crate) fn hold(&mut self, stream: u32, place: Option<&Slots>) {
        if let Some(slots) = place {
            self.held.entry(stream).or_insert_with(|| slots.clone());
        }
    }

    /// Forgets the place of a stream. A further renewal would take the place again.
    pub(crate) fn release(&mut self, stream: u32) {
        self.held.remove(&stream);
    }

    /// Renews every place that is due. Returns how many could not be renewed.
    pub(crate) fn tick(&mut self, store: &impl CounterStore, now: Nanos) -> usize {
        if now < self.due_at {
            return 0;
        }
        self.due_at = now.saturating_add(INTERVAL);
        let places = self.held.values();
        places
            .filter(|slots| renew(store, slots, now).is_err())
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Policy;
    use crate::ident::{KeyId, TierName};
    use crate::limiter::{Account, Cost, Reservation, TokenBounds, reserve, standings};
    use crate::limits::LimitOverrides;
    use crate::shared::memory::MemoryStore;
    use crate::time::SECOND;

    fn account() -> Account {
        let policy = Policy::from_json(br#"{"tiers":{"one":{"requests_per_minute":60,"tokens_per_minute":60,"max_in_flight":1}}}"#);
        let policy = policy.unwrap();
        let tier = policy.tier(&TierName::new("one").unwrap()).unwrap();
        Account::of(
            &KeyId::new("key_1").unwrap(),
            tier.limits(&LimitOverrides::default()),
        )
    }

    fn enter(store: &MemoryStore) -> Option<Reservation> {
        let cost = Cost {
            requests: 1,
            tokens: TokenBounds::default(),
        };
        reserve(store, account(), cost, 0).ok()
    }

    fn used(store: &MemoryStore, now: Nanos) -> u32 {
        let (_, snapshot) = standings(store, &account(), now).unwrap();
        snapshot.in_flight.unwrap().used
    }

    #[test]
    fn a_place_is_renewed_until_its_stream_ends() {
        let (store, mut renewal) = (MemoryStore::default(), Renewal::default());
        let reservation = enter(&store).unwrap();
        renewal.hold(7, reservation.slots());
        for n in 0..=20 {
            assert_eq!(renewal.tick(&store, n * INTERVAL), 0);
        }
        let now = 20 * INTERVAL;
        assert_eq!(used(&store, now + SLOT_LIFETIME - SECOND), 1);
        renewal.release(7);
        assert_eq!(renewal.tick(&store, now + INTERVAL), 0);
        assert_eq!(used(&store, now + SLOT_LIFETIME + SECOND), 0);
    }

    #[test]
    fn places_are_renewed_three_times_in_their_lifetime_by_any_tick() {
        let (store, mut renewal) = (MemoryStore::default(), Renewal::default());
        renewal.hold(7, enter(&store).unwrap().slots());
        renewal.hold(8, None);
        let before = store.swaps.get();
        for now in (0..SLOT_LIFETIME).step_by(100_000_000) {
            renewal.tick(&store, now);
            renewal.tick(&store, now);
        }
        assert_eq!(store.swaps.get() - before, 3);
    }

    #[test]
    fn failed_renewals_are_counted() {
        let (store, mut renewal) = (MemoryStore::default(), Renewal::default());
        renewal.hold(7, enter(&store).unwrap().slots());
        store.broken.set(true);
        assert_eq!(renewal.tick(&store, 0), 1);
        assert_eq!(
            renewal.tick(&store, 1),
            0,
            "it is tried again when it is due"
        );
    }
}
