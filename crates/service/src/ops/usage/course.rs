//! The course of a team's money: its balance day by day, what it spends, and when that ends.
//!
//! A balance at the end of a day is the present one less all that moved it since then: top-ups and corrections of the
//! ledger, and the costs of the days. The ledger has a row for each key and moment in which usage was booked, so its sums
//! by day are read instead; both come to the same.

use std::collections::BTreeMap;

use gmtech_core::ident::TeamId;

use crate::caller::Caller;
use crate::clock::{DAY_MINUTES, DAY_MS, Millis, month_start};
use crate::error::ApiError;
use crate::service::Service;
use crate::store::{Credited, Dimension, Every, Team, UsageQuery};

/// From how many days, besides the present one, the rate of spending is taken.
pub const RATE_DAYS: i64 = 7;

/// A projected end is told if it is within so many days.
const FARTHEST: i64 = 3_660;

/// A team's money over some days.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// The team as it is.
    pub team: Team,
    /// Day by day.
    pub days: Vec<CourseDay>,
    /// What a day cost on average of late, in nano-dollars.
    pub rate: i64,
    /// How long a balance above zero lasts at this rate.
    pub ends: Ends,
    /// What was spent since the first of the month, in nano-dollars.
    pub month: i64,
    /// What the whole month comes to at the rate of its days so far.
    pub month_projected: i64,
}

/// One day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CourseDay {
    /// The UTC day, counted from 1970-01-01.
    pub day: i64,
    /// The balance when it ended, or the present one.
    pub balance: i64,
    /// What was topped up.
    pub topped_up: i64,
    /// What was corrected.
    pub adjusted: i64,
    /// What was spent.
    pub spent: i64,
}

/// How long credit lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Nothing is spent of it.
    Never,
    /// There is none left, or none is needed.
    Now,
    /// Not before this UTC day.
    NotBefore(i64),
    /// In more than ten years.
    Far,
}

/// A team's money from one UTC day up to another, which does not belong to it; `now` is the present.
///
/// # Errors
/// Where the caller may see no such team, or the store does not answer.
pub async fn course(
    service: &Service,
    caller: &Caller,
    team: &TeamId,
    (from, to): (i64, i64),
    now: Millis,
) -> Result<Course, ApiError> {
    caller.may_see(team)?;
    let team = service.store.team(team).await?;
    let today = now.day();
    let (from, to) = (from, to.min(today + 1));
    let first = from.min(today - RATE_DAYS).min(month_start(today));
    let query = UsageQuery {
        by: Vec::new(),
        every: Some(Every::Day),
        from: Some(first * DAY_MINUTES),
        only: [(Dimension::Team, team.id.to_string())].into(),
        ..UsageQuery::default()
    };
    let spans = service.store.usage_spans(&query, u32::MAX).await?;
    let mut spent: BTreeMap<i64, i64> = BTreeMap::new();
    for span in spans.unwrap_or_default() {
        let day = span.start.map_or(0, Millis::day);
        let cost = spent.entry(day).or_default();
        *cost = cost.saturating_add(span.cost);
    }
    let credited = service.store.credited(&team.id, from).await?;
    Ok(Course::of(team, (from, to), &spent, &credited, now))
}

impl Course {
    fn of(
        team: Team,
        (from, to): (i64, i64),
        spent: &BTreeMap<i64, i64>,
        credited: &[Credited],
        now: Millis,
    ) -> Self {
        let today = now.day();
        let sum = |from: i64, to: i64| {
            let days = spent.range(from..to.max(from));
            days.fold(0_i64, |sum, (_, cost)| sum.saturating_add(*cost))
        };
        let mut balance = team.balance_nano_usd;
        let last = spent.keys().max().copied().unwrap_or(today).max(today);
        let credits: BTreeMap<i64, &Credited> = credited.iter().map(|c| (c.day, c)).collect();
        let mut days = Vec::new();
        // Backwards from the present, with what is booked on days to come (a clock that is ahead) first.
        for day in (from..=last.max(to - 1)).rev() {
            let moved = credits.get(&day).map(|c| **c).unwrap_or_default();
            let cost = spent.get(&day).copied().unwrap_or(0);
            if day < to {
                days.push(CourseDay {
                    day,
                    balance,
                    topped_up: moved.topped_up,
                    adjusted: moved.adjusted,
                    spent: cost,
                });
            }
            balance = balance
                .saturating_sub(moved.topped_up)
                .saturating_sub(moved.adjusted)
                .saturating_add(cost);
        }
        days.reverse();
        let rate = rate(&team, sum(today - RATE_DAYS, today + 1), now);
        let month = month_start(today);
        let so_far = now.0.saturating_sub(month * DAY_MS).max(1);
        let whole = (month_start(month + 31) - month) * DAY_MS;
        let spent_this_month = sum(month, today + 1);
        Self {
            ends: ends(&team, rate, now),
            days,
            rate,
            month: spent_this_month,
            month_projected: scaled(spent_this_month, whole, so_far),
            team,
        }
    }
}

/// What a day costs, of the last days; of a team that is younger, since it was made.
fn rate(team: &Team, spent: i64, now: Millis) -> i64 {
    let window = now.0.saturating_sub((now.day() - RATE_DAYS) * DAY_MS);
    let age = now.0.saturating_sub(team.created_at.0).max(DAY_MS);
    scaled(spent, DAY_MS, window.min(age))
}

fn ends(team: &Team, rate: i64, now: Millis) -> Ends {
    if !team.prepaid || team.balance_nano_usd <= 0 {
        return Ends::Now;
    }
    if rate <= 0 {
        return Ends::Never;
    }
    let left = i128::from(team.balance_nano_usd) * i128::from(DAY_MS) / i128::from(rate);
    match i64::try_from(left) {
        Ok(left) if left < FARTHEST * DAY_MS => Ends::NotBefore(Millis(now.0 + left).day()),
        _ => Ends::Far,
    }
}

/// `amount · to / from`, as far as it fits.
fn scaled(amount: i64, to: i64, from: i64) -> i64 {
    let scaled = i128::from(amount) * i128::from(to) / i128::from(from.max(1));
    i64::try_from(scaled).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::DOLLAR;

    /// Noon of the day 20,780, 2026-11-23.
    const NOON: Millis = Millis(20_780 * DAY_MS + DAY_MS / 2);
    const TODAY: i64 = 20_780;

    fn team(prepaid: bool, balance: i64) -> Team {
        Team {
            id: TeamId::new("acme").unwrap(),
            name: "Acme".into(),
            created_at: Millis(0),
            prepaid,
            balance_nano_usd: balance,
            exhausted: false,
            policy: None,
            closed_at: None,
            version: 1,
        }
    }

    #[test]
    fn a_balance_goes_back_day_by_day() {
        let spent = [(TODAY - 3, 5), (TODAY - 1, 20), (TODAY, 7)].into();
        let credited = [
            Credited {
                day: TODAY - 2,
                topped_up: 100,
                adjusted: -10,
            },
            Credited {
                day: TODAY,
                topped_up: 50,
                adjusted: 0,
            },
        ];
        let course = Course::of(
            team(true, 200),
            (TODAY - 4, TODAY + 1),
            &spent,
            &credited,
            NOON,
        );
        let told: Vec<_> = course
            .days
            .iter()
            .map(|d| (d.day - TODAY, d.balance, d.topped_up, d.spent))
            .collect();
        let expected = [
            (-4, 92, 0, 0),
            (-3, 87, 0, 5),
            (-2, 177, 100, 0),
            (-1, 157, 0, 20),
            (0, 200, 50, 7),
        ];
        assert_eq!(told, expected);
        for two in course.days.windows(2) {
            let [before, after] = two else { continue };
            let moved = after.topped_up + after.adjusted - after.spent;
            assert_eq!(
                before.balance + moved,
                after.balance,
                "each day follows from the one before"
            );
        }
        // Days that are over do not change by what follows.
        let past = Course::of(
            team(true, 200),
            (TODAY - 4, TODAY - 1),
            &spent,
            &credited,
            NOON,
        );
        assert_eq!(past.days[..], course.days[..3]);
    }

    #[test]
    fn an_end_is_projected_from_the_last_seven_days() {
        // Seven and a half days: 15 dollars are two a day.
        let spent: BTreeMap<i64, i64> = [
            (TODAY - 30, 999 * DOLLAR),
            (TODAY - 7, 9 * DOLLAR),
            (TODAY, 6 * DOLLAR),
        ]
        .into();
        let none = BTreeMap::new();
        for (prepaid, balance, spent, rate, ends) in [
            (true, 10, &spent, 2, Ends::NotBefore(TODAY + 5)),
            (true, 1, &spent, 2, Ends::NotBefore(TODAY + 1)),
            (true, 0, &spent, 2, Ends::Now),
            (true, -5, &spent, 2, Ends::Now),
            (true, 1_000_000, &spent, 2, Ends::Far),
            (true, 10, &none, 0, Ends::Never),
            (false, -10, &spent, 2, Ends::Now),
        ] {
            let team = team(prepaid, balance * DOLLAR);
            let course = Course::of(team, (TODAY, TODAY + 1), spent, &[], NOON);
            assert_eq!(
                (course.rate, course.ends),
                (rate * DOLLAR, ends),
                "{prepaid} {balance}"
            );
        }
        // A team that was made a day ago has spent for a day only.
        let young = Team {
            created_at: Millis(NOON.0 - DAY_MS),
            ..team(true, DOLLAR)
        };
        let spent = [(TODAY, 3 * DOLLAR)].into();
        assert_eq!(
            Course::of(young, (TODAY, TODAY + 1), &spent, &[], NOON).rate,
            3 * DOLLAR
        );
    }

    #[test]
    fn a_month_is_projected_from_its_days_so_far() {
        // 22 and a half days of 30.
        let spent = [(TODAY - 23, 100), (TODAY - 22, 20), (TODAY, 25)].into();
        let course = Course::of(team(false, -45), (TODAY, TODAY + 1), &spent, &[], NOON);
        assert_eq!((course.month, course.month_projected), (45, 60));
    }
}
