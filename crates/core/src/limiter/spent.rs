//! The state of one counter, as one value of the store.

use super::cell::{Dimension, InFlight, LimitSnapshot, Limits};
use super::charge::{Ask, Charge, Ending, Refused, SLOT_LIFETIME, Slot, wait};
use super::cost::TokenBounds;
use crate::limiter::gcra::{Bucket, Exceeded, Hold, Limit, Tat, Worth};
use crate::shared::codec::{Reader, words};
use crate::time::{Nanos, SECOND};

/// Both buckets, and the places in flight with the instants at which they expire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// The latest instant of a change. Another worker may have read its clock earlier.
    at: Nanos,
    requests: Bucket,
    tokens: Bucket,
    slots: Vec<(Slot, Nanos)>,
}

impl Spent {
    const VERSION: u8 = 2;

    /// Reads the stored form. Bytes of another version count as nothing spent: the state lasts for a minute, and a
    /// refusal that never ends would be worse.
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

    /// Writes the stored form: a version byte, then little-endian words with the latest instant, both buckets, and
    /// number and end of each place.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let slots = self.slots.iter().flat_map(|(slot, end)| [slot.0, *end]);
        let buckets = [&self.requests, &self.tokens].map(words_of);
        let numbers = [self.at].into_iter().chain(buckets.into_iter().flatten());
        words(Self::VERSION, numbers.chain(slots))
    }

    /// Moves the state to `now`, unless it is later already: time never runs backwards for a counter. Returns the
    /// instant to decide at.
    pub(super) fn move_to(&mut self, now: Nanos) -> Nanos {
        self.at = self.at.max(now);
        self.at
    }

    /// The standing of the limits at `now`.
    pub(super) fn snapshot(&self, limits: &Limits, now: Nanos) -> LimitSnapshot {
        let standing =
            |limit: Option<Limit>, bucket: &Bucket| Some(limit?.standing(bucket.tat, now));
        LimitSnapshot {
            requests: standing(limits.requests, &self.requests),
            tokens: standing(limits.tokens, &self.tokens),
            in_flight: self.in_flight(limits, now),
        }
    }

    /// Units that requests under way have reserved of a rate and may still give back, rounded.
    pub(super) fn reserved(&self, limits: &Limits, dimension: Dimension, now: Nanos) -> u64 {
        let (limit, bucket) = match dimension {
            Dimension::Requests => (limits.requests, &self.requests),
            Dimension::Tokens => (limits.tokens, &self.tokens),
            Dimension::InFlight => return 0,
        };
        // What the bucket has refilled meanwhile cannot be given back any more.
        let lent = bucket.lent.min(bucket.tat.0.saturating_sub(now));
        limit.map_or(0, |limit| {
            let unit = limit.cost(1).max(1);
            // Claims that have shrunk leave a fraction of a unit.
            lent.saturating_add(unit / 2) / unit
        })
    }

    fn in_flight(&self, limits: &Limits, now: Nanos) -> Option<InFlight> {
        let limit = limits.max_in_flight?.get();
        let used = self.slots.iter().filter(|(_, end)| *end > now).count();
        let used = u32::try_from(used).unwrap_or(u32::MAX);
        Some(InFlight { limit, used })
    }

    /// Charges everything that is asked for, or nothing. Tokens and place are held until they are settled. The request
    /// is held too, if another counter may still refuse.
    pub(super) fn charge(
        &mut self,
        limits: &Limits,
        ask: Ask,
        now: Nanos,
    ) -> Result<Charge, Refused> {
        let requests = hold(limits.requests, self.requests, ask.requests, now);
        let (amount, tokens) = self.hold_tokens(limits, ask.tokens, now);
        let in_flight = self.in_flight(limits, now);
        let full = in_flight.is_some_and(|f| f.remaining() == 0);
        let refusals = [
            (Dimension::Requests, requests.err(), ask.requests),
            (Dimension::Tokens, tokens.err(), amount),
            // The end of a stream cannot be predicted, so the client may try again after a second.
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
            return Err(Refused {
                dimension,
                exceeded,
                requested,
                snapshot: self.snapshot(limits, now),
            });
        }
        let mut charge = Charge::default();
        if let Ok(Some((bucket, held))) = requests {
            (self.requests, charge.request) = (bucket, Some(held));
        }
        if let (true, Ok(Some((bucket, held)))) = (ask.holds_tokens, tokens) {
            (self.tokens, charge.tokens) = (bucket, Some(held));
        }
        charge.slot = limits.max_in_flight.map(|_| self.take_slot(now));
        if ask.holds_tokens && ask.last {
            self.keep_request(limits, &mut charge, now);
        }
        Ok(charge)
    }

    /// Charges the tokens of an admitted request. If too few remain, it gives the request and its place back.
    pub(super) fn complete(
        &mut self,
        limits: &Limits,
        mut charge: Charge,
        ask: Ask,
        now: Nanos,
    ) -> Result<Charge, Refused> {
        let (amount, held) = self.hold_tokens(limits, ask.tokens, now);
        match held {
            Ok(held) => {
                if let Some((bucket, held)) = held {
                    (self.tokens, charge.tokens) = (bucket, Some(held));
                }
                if ask.last {
                    self.keep_request(limits, &mut charge, now);
                }
                Ok(charge)
            }
            Err(exceeded) => {
                self.end(limits, charge, Ending::GiveBack, now);
                Err(Refused {
                    dimension: Dimension::Tokens,
                    exceeded,
                    requested: amount,
                    snapshot: self.snapshot(limits, now),
                })
            }
        }
    }

    /// Ends a charge: replaces the held units by those that were used, and gives the place back.
    pub(super) fn end(&mut self, limits: &Limits, mut charge: Charge, ending: Ending, now: Nanos) {
        let tokens = match ending {
            Ending::GiveBack => 0,
            Ending::Used { tokens } => {
                self.keep_request(limits, &mut charge, now);
                tokens
            }
        };
        if let (Some(limit), Some(held)) = (&limits.requests, charge.request) {
            self.requests = self.requests.settle(limit, held, 0, now);
        }
        if let (Some(limit), Some(held)) = (&limits.tokens, charge.tokens) {
            self.tokens = self.tokens.settle(limit, held, tokens, now);
        }
        self.slots
            .retain(|(taken, end)| Some(*taken) != charge.slot && *end > now);
    }

    /// Settles the held request as used.
    fn keep_request(&mut self, limits: &Limits, charge: &mut Charge, now: Nanos) {
        if let (Some(limit), Some(held)) = (&limits.requests, charge.request.take()) {
            self.requests = self.requests.settle(limit, held, held.units(), now);
        }
    }

    /// Charges tokens that were used without a hold.
    pub(super) fn owe(&mut self, limits: &Limits, tokens: u64, now: Nanos) {
        if let Some(limit) = &limits.tokens {
            self.tokens = self.tokens.owe(limit, tokens, now);
        }
    }

    /// Holds as many tokens as the bounds allow and the bucket has.
    fn hold_tokens(
        &self,
        limits: &Limits,
        bounds: TokenBounds,
        now: Nanos,
    ) -> (u64, Result<Option<(Bucket, Hold)>, Exceeded>) {
        let most = bounds.most.max(bounds.least);
        let amount = limits.tokens.map_or(most, |limit| {
            let there = limit.standing(self.tokens.tat, now).remaining;
            u64::from(there).clamp(bounds.least, most)
        });
        (amount, hold(limits.tokens, self.tokens, amount, now))
    }

    /// Charges one refused request, unless the limit is exhausted.
    pub(super) fn charge_request(&mut self, limits: &Limits, now: Nanos) {
        if let Some(limit) = &limits.requests
            && let Ok(next) = self.requests.take(limit, 1, now)
        {
            self.requests = next;
        }
    }

    /// Prolongs a place, or takes it again if it has expired.
    pub(super) fn renew(&mut self, slot: Slot, now: Nanos) {
        self.slots.retain(|(taken, _)| *taken != slot);
        self.slots.push((slot, now.saturating_add(SLOT_LIFETIME)));
    }

    /// Takes a place. Its number is the instant, or the next free number if another worker has taken a place at the
    /// same instant.
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

/// Holds units; no hold if they are not limited.
fn hold(
    limit: Option<Limit>,
    bucket: Bucket,
    units: u64,
    now: Nanos,
) -> Result<Option<(Bucket, Hold)>, Exceeded> {
    limit
        .map(|limit| bucket.hold(&limit, units, now))
        .transpose()
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
