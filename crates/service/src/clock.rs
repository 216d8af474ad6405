//! The clocks. Only this module reads them; everything else takes the time as an argument.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// Milliseconds in a day; days are UTC.
pub const DAY_MS: i64 = 86_400_000;

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;

/// Minutes in an hour.
pub const HOUR_MINUTES: i64 = 60;

/// Minutes in a day.
pub const DAY_MINUTES: i64 = 1_440;

/// A wall-clock instant in milliseconds since the Unix epoch, written as RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub i64);

impl Millis {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self(Timestamp::now().as_millisecond())
    }

    /// An instant by its whole seconds since the Unix epoch.
    #[must_use]
    pub fn of_seconds(seconds: u64) -> Self {
        Self(i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX))
    }

    /// This much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(span))
    }

    /// The UTC day, counted from 1970-01-01.
    #[must_use]
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY_MS)
    }

    /// Whole seconds since the Unix epoch; 0 before it.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        u64::try_from(self.0.div_euclid(1000)).unwrap_or(0)
    }

    /// RFC 3339 in UTC. An instant beyond year 9999 is written as its number.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        Timestamp::from_millisecond(self.0).map_or_else(|_| self.0.to_string(), |t| t.to_string())
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.to_rfc3339())
    }
}

/// Both clocks of the machine at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The wall clock. People and networks set it.
    pub wall: Millis,
    /// How long the machine has been up. It cannot be set. On Linux it includes the time that the machine slept.
    pub uptime: Duration,
}

impl Reading {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self {
            wall: Millis::now(),
            uptime: uptime(),
        }
    }
}

#[cfg(target_os = "linux")]
fn uptime() -> Duration {
    // std's Instant stops while the machine sleeps.
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(at).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
#[allow(
    clippy::disallowed_methods,
    reason = "a native program: std's clocks work here"
)]
fn uptime() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    FIRST.elapsed()
}

/// The first day of the month that `day` is in, both counted from 1970-01-01.
#[must_use]
pub fn month_start(day: i64) -> i64 {
    let millis = day.saturating_mul(DAY_MS);
    let Ok(at) = Timestamp::from_millisecond(millis) else {
        return day;
    };
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    day - i64::from(date.day()) + 1
}

/// The Monday of the week that `day` is in, both counted from 1970-01-01, which was a Thursday.
#[must_use]
pub fn week_start(day: i64) -> i64 {
    day - day.saturating_add(3).rem_euclid(7)
}

/// A day as `2026-11-23`.
#[must_use]
pub fn day_name(day: i64) -> String {
    Timestamp::from_millisecond(day.saturating_mul(DAY_MS)).map_or_else(
        |_| day.to_string(),
        |at| at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
    )
}

/// Reads `2026-11-23` as a day counted from 1970-01-01.
#[must_use]
pub fn parse_day(text: &str) -> Option<i64> {
    // A date's reader takes an instant too, and leaves out its time.
    let day = Some(text).filter(|t| t.len() == "2026-11-23".len())?;
    let date: jiff::civil::Date = day.parse().ok()?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(Millis(at.as_millisecond()).day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_are_utc() {
        for (text, month) in [
            ("1970-01-01", "1970-01-01"),
            ("2026-11-23", "2026-11-01"),
            ("2028-02-29", "2028-02-01"),
            ("2026-12-31", "2026-12-01"),
        ] {
            let day = parse_day(text).unwrap();
            assert_eq!(day_name(day), text);
            assert_eq!(day_name(month_start(day)), month);
        }
        for (text, monday) in [
            ("1970-01-01", "1969-12-29"),
            ("2026-11-23", "2026-11-23"),
            ("2026-11-29", "2026-11-23"),
            ("2026-11-30", "2026-11-30"),
        ] {
            assert_eq!(day_name(week_start(parse_day(text).unwrap())), monday);
        }
        assert_eq!(Millis(DAY_MS - 1).day(), 0);
        assert_eq!(Millis(DAY_MS).day(), 1);
        for no_day in [
            "2026-02-30",
            "2026-11-23T12:00",
            "2026-11-23T02:30:00+02:00",
            "20261123",
        ] {
            assert_eq!(parse_day(no_day), None, "{no_day}");
        }
    }
}
