//! The proven time: a lower bound of the present that a wrong clock cannot move.
//!
//! It starts as the wall clock and from then on goes forward only by time that a service has run through, measured by
//! the machine's uptime. So a clock that jumps ahead, for seconds or for years, does not move it, and time in which no
//! service ran only makes it late. What disappears because it is old (raw events, idempotency tokens, names of proxies,
//! finished objects) disappears by this time and never by the wall clock; to be late means to keep things longer.
//!
//! Where several services share a database, one of them moves it: a service adds its own time only to a value
//! that nobody has moved since it looked last.
//!
//! What it is not: the time of stamps, budgets and expiry, for which the wall clock is all there is.

use std::time::Duration;

use crate::clock::{Millis, Reading};

/// How long a wall clock has to be behind before that is believed: a machine that starts with a wrong clock gets the
/// right one within minutes.
const BELIEVED_AFTER: Duration = Duration::from_secs(3600);

/// The most by which the wall clock may differ from the uptime between two looks.
const JUMP_MS: i64 = 5_000;

/// What one service has seen of the proven time.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: Option<Millis>,
    looked: Option<Reading>,
    /// For how long the wall clock has been behind the proven time.
    behind: Duration,
}

impl Watch {
    /// What the proven time, stored as `stored`, becomes at this reading.
    pub(crate) fn step(&mut self, stored: Option<Millis>, now: Reading) -> Millis {
        let run = self.looked.map_or(Duration::ZERO, |last| {
            now.uptime.saturating_sub(last.uptime)
        });
        let mine = stored.is_some() && stored == self.seen;
        let next = match stored {
            None => now.wall,
            Some(at) if at > now.wall => {
                self.behind = self.behind.saturating_add(run);
                if self.behind >= BELIEVED_AFTER {
                    now.wall
                } else {
                    at
                }
            }
            Some(at) => {
                self.behind = Duration::ZERO;
                if mine {
                    at.after(run).min(now.wall)
                } else {
                    at
                }
            }
        };
        self.looked = Some(now);
        self.seen = Some(next);
        next
    }
}

/// By how many milliseconds the wall clock has jumped between two readings; `None` if it has not.
pub(crate) fn jump(before: Reading, now: Reading) -> Option<i64> {
    let expected = before.wall.after(now.uptime.saturating_sub(before.uptime));
    let by = now.wall.0.saturating_sub(expected.0);
    (by.abs() > JUMP_MS).then_some(by)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_795_435_200_000;

    fn at(wall_s: i64, uptime_s: u64) -> Reading {
        Reading {
            wall: Millis(START + wall_s * 1000),
            uptime: Duration::from_secs(uptime_s),
        }
    }

    /// Looks one after the other: wall clock and uptime in seconds, and the proven time after it, from the start.
    fn proves(first: Option<i64>, looks: &[(i64, u64, i64)]) {
        let mut stored = first.map(|s| Millis(START + s * 1000));
        let mut watch = Watch::default();
        for (wall, uptime, proven) in looks {
            stored = Some(watch.step(stored, at(*wall, *uptime)));
            let is = (stored.unwrap().0 - START) / 1000;
            assert_eq!(is, *proven, "at {wall}, {uptime} of {looks:?}");
        }
    }

    #[test]
    fn only_time_that_was_run_through_counts() {
        const YEAR: i64 = 365 * 86_400;
        // A new database believes its first clock.
        proves(None, &[(0, 10, 0), (30, 40, 30), (60, 70, 60)]);
        // The clock is ahead for four seconds, or by four seconds, or for ever.
        proves(None, &[(0, 10, 0), (YEAR, 14, 4), (8, 18, 8)]);
        proves(None, &[(0, 10, 0), (YEAR, 40, 30), (YEAR + 30, 70, 60)]);
        // The service starts with a clock that is ahead.
        proves(Some(0), &[(YEAR, 10, 0), (YEAR + 30, 40, 30)]);
        // It was stopped for a day: that much late.
        proves(Some(0), &[(86_400, 10, 0), (86_430, 40, 30)]);
        // A machine starts in 1970 and learns the time a little later.
        proves(
            Some(0),
            &[(-YEAR, 10, 0), (-YEAR + 30, 40, 0), (100, 70, 30)],
        );
        // The first clock was ahead, and is right now: believed after an hour.
        proves(
            Some(YEAR),
            &[
                (0, 10, YEAR),
                (3_599, 3_609, YEAR),
                (3_600, 3_610, 3_600),
                (3_630, 3_640, 3_630),
            ],
        );
        // A clock that goes a little slower than the uptime is the one that counts.
        proves(None, &[(0, 10, 0), (29, 40, 29), (58, 70, 58)]);
    }

    #[test]
    fn a_jump_is_what_the_uptime_does_not_explain() {
        for (wall, uptime, by) in [
            (30, 30, None),
            (35, 30, None),
            (36, 30, Some(6_000)),
            (24, 30, Some(-6_000)),
            (86_400, 86_400, None),
        ] {
            assert_eq!(jump(at(0, 0), at(wall, uptime)), by, "{wall} in {uptime}");
        }
    }

    proptest! {
        /// Whatever the clocks of several services say: together they never prove more than has passed.
        #[test]
        fn it_is_never_ahead_of_what_has_passed(
            looks in proptest::collection::vec((0usize..3, 0u64..100, -1_000_000i64..1_000_000), 1..60)
        ) {
            let mut watches = [Watch::default(), Watch::default(), Watch::default()];
            let mut stored = Some(Millis(START));
            let mut passed = 0;
            for (who, pause, wrong) in looks {
                passed += pause;
                // Each process has an uptime of its own, from another beginning.
                let now = at(i64::try_from(passed).unwrap() + wrong, passed + 1_000 * who as u64);
                stored = Some(watches[who].step(stored, now));
                prop_assert!(stored.unwrap().0 <= START + i64::try_from(passed).unwrap() * 1000);
            }
        }
    }
}
