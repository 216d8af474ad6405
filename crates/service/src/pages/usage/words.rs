//! How usage is said.

use gmtech_core::decision::Decision;

use crate::ops::usage::chart::Group;
use crate::ops::usage::range::{Range, RangeName};
use crate::ops::usage::totals::Measure;
use crate::pages::components::{count, money};
use crate::store::{Dimension, Every};

/// A value of a measure.
pub(super) fn value(measure: Measure, value: i64) -> String {
    match measure {
        Measure::Cost => money(value),
        Measure::Requests | Measure::Tokens | Measure::Refusals => count(value),
    }
}

/// How much more or less than before.
pub(super) fn change(now: i64, before: i64) -> String {
    match (now, before) {
        (0, 0) => "–".into(),
        (_, 0) => "new".into(),
        _ => {
            let percent = 100.0 * (now as f64 - before as f64) / before.unsigned_abs() as f64;
            match percent.round() {
                p if p >= 1_000.0 => format!("× {:.0}", now as f64 / before as f64),
                p if p > 0.0 => format!("+{p:.0} %"),
                p if p < 0.0 => format!("−{:.0} %", p.abs()),
                _ => "±0 %".into(),
            }
        }
    }
}

/// A part of a whole.
pub(super) fn share(part: i64, whole: i64) -> String {
    if whole <= 0 || part < 0 {
        return "–".into();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    if percent > 0.0 && percent < 1.0 {
        "< 1 %".into()
    } else {
        format!("{percent:.0} %")
    }
}

/// What is told apart.
pub(super) fn grouping(by: Dimension) -> &'static str {
    match by {
        Dimension::Key => "API key",
        Dimension::Team => "Team",
        Dimension::Model => "Model",
        Dimension::Endpoint => "Endpoint",
        Dimension::Decision => "Decision",
        Dimension::Owner => "Owner",
        Dimension::Tag => "Tag",
    }
}

/// What a group is called.
pub(super) fn group(by: Dimension, group: &Group) -> String {
    match (&group.value, by) {
        (None, _) => "Other".into(),
        (Some(id), Dimension::Key) => group.name.clone().unwrap_or_else(|| id.clone()),
        (Some(word), Dimension::Decision) => decision(word),
        (Some(none), Dimension::Model) if none.is_empty() => "No model".into(),
        (Some(none), Dimension::Owner) if none.is_empty() => "No owner".into(),
        (Some(none), Dimension::Tag) if none.is_empty() => "No tag".into(),
        (Some(none), _) if none.is_empty() => "Not told".into(),
        (Some(name), Dimension::Endpoint) => name.replace('_', " "),
        (Some(name), _) => name.clone(),
    }
}

/// A decision in a sentence; one that this service does not know by its name.
pub(in crate::pages) fn decision(word: &str) -> String {
    let known = Decision::named(word).map(|d| d.meaning().trim_end_matches('.').to_owned());
    known.unwrap_or_else(|| word.to_owned())
}

/// The time that a range is compared with.
pub(super) fn before(range: &Range) -> String {
    match range.name {
        RangeName::Day => "24 hours before".into(),
        RangeName::Week => "7 days before".into(),
        RangeName::Month => "30 days before".into(),
        RangeName::Quarter => "90 days before".into(),
        RangeName::ThisMonth | RangeName::LastMonth | RangeName::Custom => {
            let (from, to) = range.days_before();
            if from == to {
                from
            } else {
                format!("{from} to {to}")
            }
        }
    }
}

/// One span of time.
pub(super) fn span(every: Every, start: crate::clock::Millis) -> String {
    let text = start.to_rfc3339();
    let length = match every {
        Every::Minute | Every::Hour => "2026-11-23T12:00".len(),
        Every::Day => "2026-11-23".len(),
        Every::Month => "2026-11".len(),
    };
    let cut: String = text.chars().take(length).collect();
    cut.replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_said_in_percent() {
        for (now, before, text) in [
            (0, 0, "–"),
            (5, 0, "new"),
            (0, 5, "−100 %"),
            (15, 10, "+50 %"),
            (10, 15, "−33 %"),
            (1_001, 1_000, "±0 %"),
            (5_000, 10, "× 500"),
        ] {
            assert_eq!(change(now, before), text, "{now} {before}");
        }
        for (part, whole, text) in [
            (1, 4, "25 %"),
            (1, 1_000, "< 1 %"),
            (0, 5, "0 %"),
            (5, 0, "–"),
        ] {
            assert_eq!(share(part, whole), text);
        }
    }
}
