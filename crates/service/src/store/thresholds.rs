//! When an alert is due: pure decisions, from how things stand and what was told before.
//!
//! What it is: functions without a clock or a store. The store calls them within the transaction that changes what they judge,
//! and writes each alert under a name of its own ([`About`]), so that it is told once, however often and by however many
//! services it is judged.
//!
//! What it is not: it delivers nothing and knows no text.
//!
//! # The law
//! For one thing in one period each step is told once, and no step is told after a higher one.

use gmtech_core::ident::{KeyId, TeamId};
use sha2::{Digest, Sha256};

use crate::clock::{DAY_MS, Millis};

/// How much of a budget or of credit is used when that is told, in percent.
pub const PERCENTS: [i64; 3] = [50, 80, 100];

/// How long before its end a key's expiry is told, in seconds; the step is the place in this list, from 1 on.
pub const BEFORE_EXPIRY: [u64; 2] = [7 * 86_400, 86_400];

/// The steps of [`PERCENTS`] that `used` of `whole` has reached, beyond the step that was told last, in ascending order.
/// Of nothing no part can be used.
#[must_use]
pub fn newly_used(whole: i64, used: i64, told: Option<i64>) -> Vec<i64> {
    let reached = |percent: i64| {
        whole > 0 && i128::from(used) * 100 >= i128::from(whole) * i128::from(percent)
    };
    let steps = PERCENTS.into_iter();
    steps
        .filter(|percent| reached(*percent) && told.is_none_or(|told| *percent > told))
        .collect()
}

/// The step of [`BEFORE_EXPIRY`] that is due for a key, if it was not told; all times in seconds. A key whose whole life is
/// shorter than the notice gets none. Of two that are due the nearer one counts.
#[must_use]
pub fn expiry_step(created_at: u64, expires_at: u64, now: u64, told: Option<i64>) -> Option<i64> {
    if now >= expires_at {
        return None;
    }
    let due = (1..).zip(BEFORE_EXPIRY).filter(|(_, before)| {
        let from = expires_at.saturating_sub(*before);
        created_at <= from && now >= from
    });
    let step = due.map(|(step, _)| step).last()?;
    told.is_none_or(|told| step > told).then_some(step)
}

/// The step for a revoked key that was refused at `refused_at`: the UTC day, so that it is told once a day. `None` for what is
/// older than a day, such as an old log that is imported.
#[must_use]
pub fn refused_step(refused_at: Millis, now: Millis) -> Option<i64> {
    (refused_at.0.saturating_add(DAY_MS) > now.0).then(|| refused_at.day())
}

/// What is watched, in one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// A budget of a lineage: which one, the first day of its period, and its amount. Another amount is another budget.
    Budget {
        /// The first key of the lineage.
        account: &'a KeyId,
        /// Such as `month`, `soft day` or `gpt-4o* week`.
        which: &'a str,
        /// The UTC day on which its period begins; `None` for a budget of all time.
        from: Option<i64>,
        /// In nano-dollars.
        amount: i64,
    },
    /// A team's credit since a top-up.
    Credit {
        /// The team.
        team: &'a TeamId,
        /// When the top-up was.
        since: Millis,
        /// The balance right after it, in nano-dollars.
        pool: i64,
    },
    /// A key's end, in seconds.
    Expiry {
        /// The key.
        key: &'a KeyId,
        /// When it ends.
        at: u64,
    },
    /// A revoked key.
    Revoked {
        /// The key.
        key: &'a KeyId,
    },
}

impl About<'_> {
    /// Its name in the store.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Budget {
                account,
                which,
                from,
                amount,
            } => {
                let from = from.map_or_else(|| "ever".to_owned(), |day| day.to_string());
                format!("budget:{account}:{which}:{from}:{amount}")
            }
            Self::Credit { team, since, pool } => format!("credit:{team}:{}:{pool}", since.0),
            Self::Expiry { key, at } => format!("expiry:{key}:{at}"),
            Self::Revoked { key } => format!("revoked:{key}"),
        }
    }

    /// Whether it can still be judged in a year: what was told of it must be remembered for ever.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Budget { from: None, .. } | Self::Credit { .. })
    }
}

/// The id of an alert: of the same step of the same thing it is the same, also after a restored backup.
#[must_use]
pub fn alert_id(about: &str, step: i64) -> String {
    let digest = Sha256::digest(format!("{about}\n{step}").as_bytes());
    format!(
        "alert_{}",
        hex::encode(digest.get(..16).unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_percentage_is_told_when_it_is_reached_and_once() {
        for (whole, used, told, due) in [
            (100, 0, None, vec![]),
            (100, 49, None, vec![]),
            (100, 50, None, vec![50]),
            (100, 79, Some(50), vec![]),
            (100, 80, Some(50), vec![80]),
            (100, 99, Some(80), vec![]),
            (100, 100, Some(80), vec![100]),
            (100, 1_000, Some(100), vec![]),
            // One charge can pass several.
            (100, 100, None, vec![50, 80, 100]),
            (100, 85, None, vec![50, 80]),
            // What was told of a higher step is not followed by a lower one.
            (100, 60, Some(80), vec![]),
            // A third of a nano-dollar is no half.
            (3, 1, None, vec![]),
            (3, 2, None, vec![50]),
            // Of nothing no part can be used.
            (0, 0, None, vec![]),
            (0, 5, None, vec![]),
            (-5, 5, None, vec![]),
            (i64::MAX, i64::MAX, None, vec![50, 80, 100]),
        ] {
            assert_eq!(
                newly_used(whole, used, told),
                due,
                "{used} of {whole}, told {told:?}"
            );
        }
    }

    #[test]
    fn an_expiry_is_told_seven_days_and_one_day_before() {
        const DAY: u64 = 86_400;
        const END: u64 = 100 * DAY;
        for (created, now, told, step) in [
            (0, END - 7 * DAY - 1, None, None),
            (0, END - 7 * DAY, None, Some(1)),
            (0, END - 6 * DAY, Some(1), None),
            (0, END - DAY, Some(1), Some(2)),
            (0, END - 1, Some(2), None),
            (0, END, Some(1), None),
            // No service ran for a week: only what is true now.
            (0, END - DAY / 2, None, Some(2)),
            // A key of two days is not told of a week before.
            (END - 2 * DAY, END - 2 * DAY, None, None),
            (END - 2 * DAY, END - DAY, None, Some(2)),
            (END - 3_600, END - 60, None, None),
            (END - 7 * DAY, END - 7 * DAY, None, Some(1)),
        ] {
            assert_eq!(
                expiry_step(created, END, now, told),
                step,
                "at {now}, made at {created}"
            );
        }
    }

    #[test]
    fn a_revoked_key_in_use_is_told_of_the_day_of_its_use() {
        let now = Millis(20_000 * DAY_MS + 5_000);
        for (at, step) in [
            (now.0, Some(20_000)),
            (now.0 - 5_001, Some(19_999)),
            (now.0 - DAY_MS + 1, Some(19_999)),
            (now.0 - DAY_MS, None),
            (0, None),
        ] {
            assert_eq!(refused_step(Millis(at), now), step, "{at}");
        }
    }

    #[test]
    fn an_id_is_of_one_step_of_one_thing() {
        let id = alert_id("budget:key_1:month:1:5", 50);
        assert_eq!(id, alert_id("budget:key_1:month:1:5", 50));
        assert_eq!(id.len(), "alert_".len() + 32);
        for (about, step) in [
            ("budget:key_1:month:1:5", 80),
            ("budget:key_1:month:1:6", 50),
        ] {
            assert_ne!(id, alert_id(about, step));
        }
    }

    proptest! {
        /// However spending goes up and down (work that finishes elsewhere can give back), and however often it is judged.
        #[test]
        fn each_step_is_told_once_and_in_order(
            whole in 1i64..1_000_000, moves in proptest::collection::vec(-1_000i64..400_000, 0..60)
        ) {
            let (mut used, mut highest, mut told) = (0i64, 0i64, Vec::new());
            for by in moves {
                used = (used + by).max(0);
                highest = highest.max(used);
                for _ in 0..2 {
                    let due = newly_used(whole, used, told.last().copied());
                    told.extend(due);
                }
            }
            let reached: Vec<i64> = PERCENTS.into_iter().filter(|p| highest * 100 >= whole * p).collect();
            prop_assert_eq!(told, reached);
        }
    }
}
