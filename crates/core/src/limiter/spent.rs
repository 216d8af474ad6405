//! What a key has spent, as one value of the store.

use super::{
    Cost, Dimension, InFlight, LimitSnapshot, Limits, NotReserved, SLOT_LIFETIME, Slot, TokenBounds,
};
use crate::limiter::gcra::{Bucket, Exceeded, Hold, Tat, Worth};
use crate::shared::codec::{Reader, words};
use crate::time::{Nanos, SECOND};

/// Both buckets, and the places in flight with the instants at which they come free by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// The latest instant at which anything was decided: another worker may have read its clock before.
    at: Nanos,
    requests: Bucket,
    tokens: Bucket,
    slots: Vec<(Slot, Nanos)>,
}

/// What a request was charged.
struct Charged {
    request: Hold,
    tokens: Hold,
    slot: Option<Slot>,
}

impl Spent {
    const VERSION: u8 = 2;

    /// Bytes that are not of this version count as nothing spent: the state lives for a minute, and a
    /// refusal that cannot end would be worse.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let read = || {
            let mut words = Reader::new(Self::VERSION, bytes)?;
            let at = words.u64()?;
            let (requests, tokens) = (bucket(&mut words)?, bucket(&mut words)?);
            let mut slots = Vec::new();
            while let Some(slot) = words.u64() {
                slots.push((Slot(slot), words.u64()?));
            }
            words.rest().is_empty().then_some(Self {
                at,
                requests,
                tokens,
                slots,
            })
        };
        read().unwrap_or_default()
    }

    /// A version byte, then little-endian words: the latest instant, both buckets, then number and end of each
    /// place.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let slots = self.slots.iter().flat_map(|(slot, end)| [slot.0, *end]);
        let buckets = [&self.requests, &self.tokens].map(words_of);
        let numbers = [self.at].into_iter().chain(buckets.into_iter().flatten());
        words(Self::VERSION, numbers.chain(slots))
    }

    /// Moves to `now`, or stays where it is if a worker whose clock was read later has been here: time never runs
    /// backwards for a key. The instant to decide at.
    pub(super) fn move_to(&mut self, now: Nanos) -> Nanos {
        self.at = self.at.max(now);
        self.at
    }

    pub(super) fn snapshot(&self, limits: &Limits, now: Nanos) -> LimitSnapshot {
        let used = self.slots.iter().filter(|(_, end)| *end > now).count();
        LimitSnapshot {
            requests: limits.requests.standing(self.requests.tat, now),
            tokens: limits.tokens.standing(self.tokens.tat, now),
            in_flight: limits.max_in_flight.map(|limit| InFlight {
                limit: limit.get(),
                used: u32::try_from(used).unwrap_or(u32::MAX),
            }),
        }
    }

    /// Charges all or nothing; requests and tokens are held until they are settled.
    fn hold(&mut self, limits: &Limits, cost: Cost, now: Nanos) -> Result<Charged, NotReserved> {
        let requests = self.requests.hold(&limits.requests, cost.requests, now);
        let (amount, tokens) = self.hold_tokens(limits, cost.tokens, now);
        let full = self
            .snapshot(limits, now)
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
            let snapshot = self.snapshot(limits, now);
            return Err(NotReserved::Limit {
                dimension,
                exceeded,
                requested,
                snapshot,
            });
        }
        let (Ok((requests, request)), Ok((tokens, held))) = (requests, tokens) else {
            return Err(NotReserved::Store);
        };
        (self.requests, self.tokens) = (requests, tokens);
        Ok(Charged {
            request,
            tokens: held,
            slot: limits.max_in_flight.map(|_| self.take_slot(now)),
        })
    }

    /// Charges all or nothing: the requests for good; the tokens that are held, and the place taken.
    pub(super) fn charge(
        &mut self,
        limits: &Limits,
        cost: Cost,
        now: Nanos,
    ) -> Result<(Hold, Option<Slot>), NotReserved> {
        let charged = self.hold(limits, cost, now)?;
        self.keep_request(limits, charged.request, now);
        Ok((charged.tokens, charged.slot))
    }

    /// Charges one request and takes a place, provided that `least` tokens are there; they stay there.
    pub(super) fn enter(
        &mut self,
        limits: &Limits,
        least: u64,
        now: Nanos,
    ) -> Result<(Hold, Option<Slot>), NotReserved> {
        let tokens = self.tokens;
        let cost = Cost {
            requests: 1,
            tokens: TokenBounds::exactly(least),
        };
        let charged = self.hold(limits, cost, now)?;
        self.tokens = tokens;
        Ok((charged.request, charged.slot))
    }

    /// Charges the tokens of a request that has entered. Where they are not there, it gives the request and its
    /// place back.
    pub(super) fn complete(
        &mut self,
        limits: &Limits,
        tokens: TokenBounds,
        (request, slot): (Hold, Option<Slot>),
        now: Nanos,
    ) -> Result<Hold, NotReserved> {
        let (amount, held) = self.hold_tokens(limits, tokens, now);
        match held {
            Ok((tokens, hold)) => {
                self.tokens = tokens;
                self.keep_request(limits, request, now);
                Ok(hold)
            }
            Err(exceeded) => {
                self.withdraw(limits, request, slot, now);
                Err(NotReserved::Limit {
                    dimension: Dimension::Tokens,
                    exceeded,
                    requested: amount,
                    snapshot: self.snapshot(limits, now),
                })
            }
        }
    }

    /// Gives back a request that has entered, and its place.
    pub(super) fn withdraw(
        &mut self,
        limits: &Limits,
        request: Hold,
        slot: Option<Slot>,
        now: Nanos,
    ) {
        self.requests = self.requests.settle(&limits.requests, request, 0, now);
        self.leave(slot, now);
    }

    /// A request that has entered stays charged.
    pub(super) fn keep_request(&mut self, limits: &Limits, request: Hold, now: Nanos) {
        let used = request.units();
        self.requests = self.requests.settle(&limits.requests, request, used, now);
    }

    /// Charges tokens that were used without having been held.
    pub(super) fn owe(&mut self, limits: &Limits, tokens: u64, now: Nanos) {
        self.tokens = self.tokens.owe(&limits.tokens, tokens, now);
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, slot: Option<Slot>, now: Nanos) {
        self.slots
            .retain(|(taken, end)| Some(*taken) != slot && *end > now);
    }

    /// The tokens that a bid gets, and the bucket without them.
    fn hold_tokens(
        &self,
        limits: &Limits,
        bid: TokenBounds,
        now: Nanos,
    ) -> (u64, Result<(Bucket, Hold), Exceeded>) {
        let there = u64::from(limits.tokens.standing(self.tokens.tat, now).remaining);
        let amount = there.clamp(bid.least, bid.most.max(bid.least));
        (amount, self.tokens.hold(&limits.tokens, amount, now))
    }

    pub(super) fn charge_request(&mut self, limits: &Limits, now: Nanos) {
        if let Ok(next) = self.requests.take(&limits.requests, 1, now) {
            self.requests = next;
        }
    }

    pub(super) fn settle(
        &mut self,
        limits: &Limits,
        (hold, actual): (Hold, u64),
        slot: Option<Slot>,
        now: Nanos,
    ) {
        self.tokens = self.tokens.settle(&limits.tokens, hold, actual, now);
        self.leave(slot, now);
    }

    pub(super) fn renew(&mut self, slot: Slot, now: Nanos) {
        self.slots.retain(|(taken, _)| *taken != slot);
        self.slots.push((slot, now.saturating_add(SLOT_LIFETIME)));
    }

    /// The instant numbers the place; where two workers meet in one, the later takes the next number.
    fn take_slot(&mut self, now: Nanos) -> Slot {
        self.slots.retain(|(_, end)| *end > now);
        let mut slot = Slot(now);
        while self.slots.iter().any(|(taken, _)| *taken == slot) {
            slot = Slot(slot.0.wrapping_add(1));
        }
        self.slots.push((slot, now.saturating_add(SLOT_LIFETIME)));
        slot
    }
}

fn bucket(words: &mut Reader<'_>) -> Option<Bucket> {
    Some(Bucket {
        tat: Tat(words.u64()?),
        lent: words.u64()?,
        worth: Worth::new(words.u64()?, words.u64()?)?,
    })
}

fn words_of(bucket: &Bucket) -> [u64; 4] {
    let (mantissa, scale) = bucket.worth.parts();
    [bucket.tat.0, bucket.lent, mantissa, scale]
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
        let full = Spent::default().to_bytes();
        let cut = [&full[..], &[7; 17]].concat();
        let impossible = [&full[..25], &[0; 48]].concat();
        let older = [&[1], &[7; 16][..]].concat();
        for bytes in [&b""[..], b"\x02", &older, &cut, &full[..72], &impossible] {
            assert_eq!(Spent::from_bytes(bytes), Spent::default(), "{bytes:?}");
        }
        let worth = Worth::new(1 << 40, 9).unwrap();
        let spent = Spent {
            at: 5,
            requests: Bucket {
                tat: Tat(7),
                ..Bucket::default()
            },
            tokens: Bucket {
                tat: Tat(u64::MAX),
                lent: 8,
                worth,
            },
            slots: vec![(Slot(1), 2), (Slot(3), 4)],
        };
        assert_eq!(Spent::from_bytes(&spent.to_bytes()), spent);
        assert_eq!(full.len(), 73);
    }
}
