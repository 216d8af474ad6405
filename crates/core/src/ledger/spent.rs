//! What a key has spent, as one value of the store.

use super::{Bid, Cost, Dimension, InFlight, LEASE, Limits, NotReserved, Slot, Standings};
use crate::quota::{Exceeded, Nanos, SECOND, Tat};

/// Both buckets, and the places in flight with the instants at which they come free by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) requests: Tat,
    pub(super) tokens: Tat,
    slots: Vec<(Slot, Nanos)>,
}

impl Spent {
    const VERSION: u8 = 1;

    /// Bytes that are not of this version count as nothing spent: the state lives for a minute, and a
    /// refusal that cannot end would be worse.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let read = || {
            let body = bytes.strip_prefix(&[Self::VERSION])?;
            let (words, rest) = body.as_chunks::<8>();
            let mut words = words.iter().map(|w| u64::from_le_bytes(*w));
            let (requests, tokens) = (Tat(words.next()?), Tat(words.next()?));
            let mut slots = Vec::new();
            while let Some(slot) = words.next() {
                slots.push((Slot(slot), words.next()?));
            }
            rest.is_empty().then_some(Self {
                requests,
                tokens,
                slots,
            })
        };
        read().unwrap_or_default()
    }

    /// A version byte, then little-endian words: both instants, then number and end of each place.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let slots = self.slots.iter().flat_map(|(slot, end)| [slot.0, *end]);
        let words = [self.requests.0, self.tokens.0].into_iter().chain(slots);
        let mut out = vec![Self::VERSION];
        out.extend(words.flat_map(u64::to_le_bytes));
        out
    }

    pub(super) fn standings(&self, limits: &Limits, now: Nanos) -> Standings {
        let used = self.slots.iter().filter(|(_, end)| *end > now).count();
        Standings {
            requests: limits.requests.standing(self.requests, now),
            tokens: limits.tokens.standing(self.tokens, now),
            in_flight: limits.max_in_flight.map(|limit| InFlight {
                limit: limit.get(),
                used: u32::try_from(used).unwrap_or(u32::MAX),
            }),
        }
    }

    /// Charges all or nothing; the tokens that are held and the place taken.
    pub(super) fn charge(
        &mut self,
        limits: &Limits,
        cost: Cost,
        now: Nanos,
    ) -> Result<(u64, Option<Slot>), NotReserved> {
        let requests = limits.requests.take(self.requests, cost.requests, now);
        let (amount, tokens) = self.take_tokens(limits, cost.tokens, now);
        let full = self
            .standings(limits, now)
            .in_flight
            .is_some_and(|f| f.used >= f.limit);
        let refusals = [
            (Dimension::Requests, requests.err(), cost.requests),
            (Dimension::Tokens, tokens.err(), amount),
            // Nobody knows when a stream ends; a second is what a client can try again after.
            (
                Dimension::InFlight,
                full.then_some(Exceeded::Wait(SECOND)),
                1,
            ),
        ];
        let longest = refusals
            .into_iter()
            .rev()
            .max_by_key(|(_, refusal, _)| refusal.map(wait));
        if let Some((dimension, Some(exceeded), requested)) = longest {
            let standings = self.standings(limits, now);
            return Err(NotReserved::Limit {
                dimension,
                exceeded,
                requested,
                standings,
            });
        }
        if let (Ok(requests), Ok(tokens)) = (requests, tokens) {
            (self.requests, self.tokens) = (requests, tokens);
        }
        Ok((amount, limits.max_in_flight.map(|_| self.take_slot(now))))
    }

    /// Charges one request and takes a place, provided that `least` tokens are there; they stay there.
    pub(super) fn enter(
        &mut self,
        limits: &Limits,
        least: u64,
        now: Nanos,
    ) -> Result<Option<Slot>, NotReserved> {
        let tokens = self.tokens;
        let cost = Cost {
            requests: 1,
            tokens: Bid::exactly(least),
        };
        let (_, slot) = self.charge(limits, cost, now)?;
        self.tokens = tokens;
        Ok(slot)
    }

    /// Charges the tokens of a request that entered at `since`. Where they are not there, it gives the request and its
    /// place back.
    pub(super) fn complete(
        &mut self,
        limits: &Limits,
        tokens: Bid,
        slot: Option<Slot>,
        since: Nanos,
        now: Nanos,
    ) -> Result<u64, NotReserved> {
        let (amount, taken) = self.take_tokens(limits, tokens, now);
        match taken {
            Ok(tokens) => {
                self.tokens = tokens;
                Ok(amount)
            }
            Err(exceeded) => {
                self.withdraw(limits, slot, since, now);
                Err(NotReserved::Limit {
                    dimension: Dimension::Tokens,
                    exceeded,
                    requested: amount,
                    standings: self.standings(limits, now),
                })
            }
        }
    }

    /// Gives back the request that entered at `since`, and its place. What has refilled meanwhile is not given back a second
    /// time, or requests held for long would come back as a burst above the limit.
    pub(super) fn withdraw(
        &mut self,
        limits: &Limits,
        slot: Option<Slot>,
        since: Nanos,
        now: Nanos,
    ) {
        let refilled = now.saturating_sub(since);
        let refund = limits.requests.cost(1).saturating_sub(refilled);
        self.requests = Tat(self.requests.0.saturating_sub(refund));
        self.leave(slot, now);
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, slot: Option<Slot>, now: Nanos) {
        self.slots
            .retain(|(taken, end)| Some(*taken) != slot && *end > now);
    }

    /// The tokens that a bid gets, and the bucket without them.
    fn take_tokens(&self, limits: &Limits, bid: Bid, now: Nanos) -> (u64, Result<Tat, Exceeded>) {
        let there = u64::from(limits.tokens.standing(self.tokens, now).remaining);
        let amount = there.clamp(bid.least, bid.most.max(bid.least));
        (amount, limits.tokens.take(self.tokens, amount, now))
    }

    pub(super) fn charge_request(&mut self, limits: &Limits, now: Nanos) {
        if let Ok(next) = limits.requests.take(self.requests, 1, now) {
            self.requests = next;
        }
    }

    pub(super) fn settle(
        &mut self,
        limits: &Limits,
        (reserved, actual): (u64, u64),
        slot: Option<Slot>,
        now: Nanos,
    ) {
        self.tokens = limits.tokens.settle(self.tokens, reserved, actual, now);
        self.leave(slot, now);
    }

    pub(super) fn renew(&mut self, slot: Slot, now: Nanos) {
        self.slots.retain(|(taken, _)| *taken != slot);
        self.slots.push((slot, now.saturating_add(LEASE)));
    }

    /// The instant numbers the place; where two workers meet in one, the later takes the next number.
    fn take_slot(&mut self, now: Nanos) -> Slot {
        self.slots.retain(|(_, end)| *end > now);
        let mut slot = Slot(now);
        while self.slots.iter().any(|(taken, _)| *taken == slot) {
            slot = Slot(slot.0.wrapping_add(1));
        }
        self.slots.push((slot, now.saturating_add(LEASE)));
        slot
    }
}

fn wait(exceeded: Exceeded) -> Nanos {
    match exceeded {
        Exceeded::Wait(wait) => wait,
        Exceeded::Never => Nanos::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_bytes_in_the_store_count_as_nothing_spent() {
        let cut = [&[1u8][..], &[7; 17]].concat();
        for bytes in [&b""[..], b"\x01", b"\x02aaaaaaaabbbbbbbb", &cut, &[1; 25]] {
            assert_eq!(Spent::from_bytes(bytes), Spent::default(), "{bytes:?}");
        }
        let spent = Spent {
            requests: Tat(7),
            tokens: Tat(u64::MAX),
            slots: vec![(Slot(1), 2), (Slot(3), 4)],
        };
        assert_eq!(Spent::from_bytes(&spent.to_bytes()), spent);
        assert_eq!(Spent::default().to_bytes().len(), 17);
    }
}
