//! The time that a page of usage looks at, and the time that it is compared with. All of it is UTC.

use gmtech_core::vocabulary;

use crate::clock::{
    DAY_MINUTES, HOUR_MINUTES, MINUTE_MS, Millis, day_name, month_start, parse_day,
};
use crate::error::ApiError;
use crate::store::{Every, Rollup};

/// The longest time from one day to another: ten years.
const MAX_DAYS: i64 = 3_660;

/// The longest time that is shown day by day; beyond it, month by month.
const MAX_DAILY: i64 = 100;

vocabulary! {
    /// A range by its name.
    pub enum RangeName {
        /// Last 24 hours.
        Day = "24h",
        /// Last 7 days.
        Week = "7d",
        /// Last 30 days.
        Month = "30d",
        /// Last 90 days.
        Quarter = "90d",
        /// This month.
        ThisMonth = "this-month",
        /// Last month.
        LastMonth = "last-month",
        /// From – to.
        Custom = "custom",
    }
}

/// A range, as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct AskRange {
    /// A name of [`RangeName`]; 30 days by default, or `custom` where a day is given.
    pub range: Option<String>,
    /// The first day, of `custom`.
    pub from: Option<String>,
    /// The last day, of `custom`.
    pub to: Option<String>,
}

/// A time and the one that it is compared with. Both are whole spans of `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its name.
    pub name: RangeName,
    /// Its start, in minutes since the Unix epoch.
    pub from: i64,
    /// Its end, which does not belong to it.
    pub to: i64,
    /// Where the time starts that it is compared with.
    pub before_from: i64,
    /// Where that ends.
    pub before_to: i64,
    /// The span of each point: an hour, a day or a month.
    pub every: Every,
}

impl Range {
    /// Reads what was asked; `now` is the present.
    ///
    /// # Errors
    /// Where it is no range; the error names the field.
    pub fn read(asked: &AskRange, now: Millis) -> Result<Self, ApiError> {
        let given = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        let (from, to) = (given(&asked.from), given(&asked.to));
        let name = match given(&asked.range) {
            None if from.is_some() || to.is_some() => RangeName::Custom,
            None => RangeName::Month,
            Some(name) => RangeName::named(&name).ok_or_else(|| {
                let known = RangeName::NAMES.join(", ");
                ApiError::invalid("range", format!("range must be one of {known}."))
            })?,
        };
        let today = now.day();
        let month = month_start(today);
        let before_month = month_start(month - 1);
        Ok(match name {
            RangeName::Day => {
                let to = now.0.div_euclid(MINUTE_MS * HOUR_MINUTES) + 1;
                Self::of(name, Every::Hour, to - 24, to, to - 48)
            }
            RangeName::Week => Self::last_days(name, 7, today),
            RangeName::Month => Self::last_days(name, 30, today),
            RangeName::Quarter => Self::last_days(name, 90, today),
            RangeName::ThisMonth => {
                let range = Self::of(name, Every::Day, month, today + 1, before_month);
                Self {
                    before_to: range.before_to.min(range.from),
                    ..range
                }
            }
            RangeName::LastMonth => {
                let range = Self::of(name, Every::Day, before_month, month, before_month);
                Self {
                    before_from: month_start(before_month - 1) * DAY_MINUTES,
                    before_to: range.from,
                    ..range
                }
            }
            RangeName::Custom => Self::between(from.as_deref(), to.as_deref(), today)?,
        })
    }

    fn last_days(name: RangeName, days: i64, today: i64) -> Self {
        let from = today + 1 - days;
        Self::of(name, Every::Day, from, today + 1, from - days)
    }

    /// From and to and before are in spans of `every`.
    fn of(name: RangeName, every: Every, from: i64, to: i64, before: i64) -> Self {
        let unit = match every {
            Every::Minute => 1,
            Every::Hour => HOUR_MINUTES,
            Every::Day | Every::Month => DAY_MINUTES,
        };
        Self {
            name,
            from: from * unit,
            to: to * unit,
            before_from: before * unit,
            before_to: (before + to - from) * unit,
            every,
        }
    }

    fn between(from: Option<&str>, to: Option<&str>, today: i64) -> Result<Self, ApiError> {
        let day = |param, text: Option<&str>| {
            let read = text.map(|t| parse_day(t).filter(|d| (0..=today + 366).contains(d)));
            match read {
                None => Ok(None),
                Some(None) => Err(ApiError::invalid(
                    param,
                    format!(
                        "{param} must be a day such as 2026-11-23, and no later than in a year."
                    ),
                )),
                Some(day) => Ok(day),
            }
        };
        let (from, to) = (day("from", from)?, day("to", to)?);
        let to = to.unwrap_or(today);
        let Some(from) = from else {
            return Err(ApiError::invalid("from", "Say from which day on."));
        };
        if from > to {
            let message = "The first day must not be after the last.";
            return Err(ApiError::invalid("from", message));
        }
        let days = to + 1 - from;
        if days > MAX_DAYS {
            let message = format!("A range has at most {MAX_DAYS} days.");
            return Err(ApiError::invalid("from", message));
        }
        let every = if days <= MAX_DAILY {
            Every::Day
        } else {
            Every::Month
        };
        Ok(Self::of(
            RangeName::Custom,
            every,
            from,
            to + 1,
            from - days,
        ))
    }

    /// The coarsest sums that answer it exactly.
    #[must_use]
    pub fn source(&self) -> Rollup {
        match self.every {
            Every::Minute => Rollup::Minutes,
            Every::Hour => Rollup::Hours,
            Every::Day | Every::Month => Rollup::Days,
        }
    }

    /// Where each span starts.
    #[must_use]
    pub fn starts(&self) -> Vec<Millis> {
        self.starts_of(self.from, self.to)
    }

    /// The same of the time that it is compared with.
    #[must_use]
    pub fn before_starts(&self) -> Vec<Millis> {
        self.starts_of(self.before_from, self.before_to)
    }

    fn starts_of(&self, from: i64, to: i64) -> Vec<Millis> {
        let unit = match self.every {
            Every::Minute => 1,
            Every::Hour => HOUR_MINUTES,
            Every::Day => DAY_MINUTES,
            Every::Month => return months(from / DAY_MINUTES, to / DAY_MINUTES),
        };
        let count = usize::try_from((to - from) / unit).unwrap_or(0);
        (0..count)
            .zip(0..)
            .map(|(_, at): (usize, i64)| Millis((from + at * unit) * MINUTE_MS))
            .collect()
    }

    /// The first and the last day, as they are written in addresses.
    #[must_use]
    pub fn days(&self) -> (String, String) {
        let last = (self.to - 1).div_euclid(DAY_MINUTES);
        (day_name(self.from.div_euclid(DAY_MINUTES)), day_name(last))
    }

    /// The first and the last day of the time that it is compared with.
    #[must_use]
    pub fn days_before(&self) -> (String, String) {
        let last = (self.before_to - 1).div_euclid(DAY_MINUTES);
        (
            day_name(self.before_from.div_euclid(DAY_MINUTES)),
            day_name(last),
        )
    }
}

/// The starts of the months that these days are in.
fn months(from: i64, to: i64) -> Vec<Millis> {
    let mut starts = vec![];
    let mut month = month_start(from);
    while month < to {
        starts.push(Millis(month * DAY_MINUTES * MINUTE_MS));
        // No month has more days.
        month = month_start(month + 31);
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T12:34:00Z.
    const NOW: Millis = Millis(1_795_437_240_000);

    fn read(range: &str, from: &str, to: &str) -> Result<Range, String> {
        let some = |t: &str| Some(t.to_owned());
        let asked = AskRange {
            range: some(range),
            from: some(from),
            to: some(to),
        };
        Range::read(&asked, NOW).map_err(|e| e.param().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_range_and_the_one_before_are_whole_spans() {
        let at = |minute: i64| {
            let text = Millis(minute * MINUTE_MS).to_rfc3339();
            text.replace(":00:00Z", "").replace("T00", "")
        };
        for (range, from, to, expected) in [
            (
                "24h",
                "",
                "",
                "2026-11-22T13 2026-11-23T13 | 2026-11-21T13 2026-11-22T13, 24 of 24",
            ),
            (
                "7d",
                "",
                "",
                "2026-11-17 2026-11-24 | 2026-11-10 2026-11-17, 7 of 7",
            ),
            (
                "",
                "",
                "",
                "2026-10-25 2026-11-24 | 2026-09-25 2026-10-25, 30 of 30",
            ),
            (
                "90d",
                "",
                "",
                "2026-08-26 2026-11-24 | 2026-05-28 2026-08-26, 90 of 90",
            ),
            (
                "this-month",
                "",
                "",
                "2026-11-01 2026-11-24 | 2026-10-01 2026-10-24, 23 of 23",
            ),
            (
                "last-month",
                "",
                "",
                "2026-10-01 2026-11-01 | 2026-09-01 2026-10-01, 31 of 30",
            ),
            (
                "",
                "2026-11-02",
                "2026-11-03",
                "2026-11-02 2026-11-04 | 2026-10-31 2026-11-02, 2 of 2",
            ),
            (
                "custom",
                "2026-11-20",
                "",
                "2026-11-20 2026-11-24 | 2026-11-16 2026-11-20, 4 of 4",
            ),
            (
                "custom",
                "2026-01-15",
                "2026-11-03",
                "2026-01-15 2026-11-04 | 2025-03-28 2026-01-15, 11 of 11",
            ),
        ] {
            let range = read(range, from, to).unwrap();
            let told = format!(
                "{} {} | {} {}, {} of {}",
                at(range.from),
                at(range.to),
                at(range.before_from),
                at(range.before_to),
                range.starts().len(),
                range.before_starts().len()
            );
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_mistake_is_named() {
        for (range, from, to, param) in [
            ("week", "", "", "range"),
            ("custom", "", "", "from"),
            ("custom", "", "2026-11-03", "from"),
            ("", "2026-11-04", "2026-11-03", "from"),
            ("", "yesterday", "", "from"),
            ("", "1960-01-01", "", "from"),
            ("", "2010-01-01", "", "from"),
            ("", "2026-11-04", "2026-02-30", "to"),
            ("", "2026-11-04", "2036-02-20", "to"),
        ] {
            assert_eq!(
                read(range, from, to).unwrap_err(),
                param,
                "{range} {from} {to}"
            );
        }
    }

    #[test]
    fn the_month_before_is_not_longer_than_it_was() {
        // 2026-03-31: February has 28 days.
        let now = Millis(parse_day("2026-03-31").unwrap() * DAY_MINUTES * MINUTE_MS);
        let asked = AskRange {
            range: Some("this-month".into()),
            ..AskRange::default()
        };
        let range = Range::read(&asked, now).unwrap();
        assert_eq!(range.days(), ("2026-03-01".into(), "2026-03-31".into()));
        assert_eq!(
            range.days_before(),
            ("2026-02-01".into(), "2026-02-28".into())
        );
    }
}
