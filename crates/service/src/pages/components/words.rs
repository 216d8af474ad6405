//! Small things within a line: badges, times, amounts, counts, sparklines.

use maud::{Markup, html};

use crate::clock::Millis;
use crate::money::{DOLLAR, format_usd};
use crate::store::Standing;

/// What a thing means for whoever looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pages) enum Tone {
    /// Nothing special.
    Plain,
    /// It works, or was done.
    Good,
    /// It deserves a look.
    Warn,
    /// It does not work, or was not done.
    Bad,
    /// Something to know.
    Info,
    /// Something of ours, such as the beta badge.
    Accent,
}

/// A word in a frame.
pub(in crate::pages) fn badge(tone: Tone, text: &str) -> Markup {
    let class = match tone {
        Tone::Plain => "badge",
        Tone::Good => "badge badge-good",
        Tone::Warn => "badge badge-warn",
        Tone::Bad => "badge badge-bad",
        Tone::Info => "badge badge-info",
        Tone::Accent => "badge badge-accent",
    };
    html! { span class=(class) { (text) } }
}

/// How a key is.
pub(in crate::pages) fn standing_badge(standing: Standing) -> Markup {
    let (class, text) = match standing {
        Standing::Active => ("badge badge-dot badge-good", "Active"),
        Standing::Suspended => ("badge badge-dot badge-warn", "Suspended"),
        Standing::OverBudget => ("badge badge-dot badge-warn", "Over budget"),
        Standing::Expired => ("badge badge-dot", "Expired"),
        Standing::Revoked => ("badge badge-dot badge-bad", "Revoked"),
    };
    html! { span class=(class) { (text) } }
}

/// Words that something is found by.
pub(in crate::pages) fn tags(tags: &[String]) -> Markup {
    html! { span.tags { @for tag in tags { span.badge { (tag) } } } }
}

/// An instant. A script shows it in the reader's zone; without one it is UTC.
pub(in crate::pages) fn time(at: Millis) -> Markup {
    html! { time datetime=(at.to_rfc3339()) { (utc(at)) } }
}

/// An instant as how long ago, or how soon, it is. Without a script it is as [`time`].
pub(in crate::pages) fn ago(at: Millis) -> Markup {
    html! { time datetime=(at.to_rfc3339()) data-time="relative" { (utc(at)) } }
}

/// The day of an instant. A script shows the day of the reader's zone; without one it is UTC.
pub(in crate::pages) fn day(at: Millis) -> Markup {
    let text = at.to_rfc3339();
    let day: String = text.chars().take("2026-11-28".len()).collect();
    html! { time datetime=(text) data-time="day" { (day) " UTC" } }
}

fn utc(at: Millis) -> String {
    let text = at.to_rfc3339();
    let minutes: String = text.chars().take("2026-11-28T07:30".len()).collect();
    format!("{} UTC", minutes.replace('T', " "))
}

/// Dollars: with cents, and with more digits where there would be nothing to see.
pub(in crate::pages) fn money(nanos: i64) -> String {
    let cent = DOLLAR / 100;
    let shown = match nanos.unsigned_abs() {
        0 => "0.00".to_owned(),
        abs if abs < cent.unsigned_abs() => format_usd(i64::try_from(abs).unwrap_or(i64::MAX)),
        abs => {
            let cents = abs / cent.unsigned_abs()
                + u64::from(abs % cent.unsigned_abs() >= cent.unsigned_abs() / 2);
            format!("{}.{:02}", grouped(cents / 100), cents % 100)
        }
    };
    let sign = if nanos < 0 { "−" } else { "" };
    format!("{sign}${shown}")
}

/// A whole number, its thousands apart.
pub(in crate::pages) fn count(n: i64) -> String {
    let sign = if n < 0 { "−" } else { "" };
    format!("{sign}{}", grouped(n.unsigned_abs()))
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A small line of values, the oldest first, from zero to the largest. `label` says in words what it shows.
pub(in crate::pages) fn sparkline(values: &[f64], label: &str) -> Markup {
    const WIDTH: f64 = 96.0;
    const HEIGHT: f64 = 24.0;
    let most = values.iter().copied().fold(0.0, f64::max);
    let steps = values.len().saturating_sub(1).max(1);
    let points: Vec<String> = (0_u32..)
        .zip(values)
        .map(|(i, value)| {
            let x = f64::from(i) * WIDTH / f64::from(u32::try_from(steps).unwrap_or(u32::MAX));
            let y = HEIGHT - 1.0 - (value.max(0.0) / most) * (HEIGHT - 2.0);
            format!("{x:.1},{y:.1}")
        })
        .collect();
    let line = points.join(" ");
    html! {
        svg.sparkline viewBox="0 0 96 24" preserveAspectRatio="none" role="img" aria-label=(label) {
            title { (label) }
            @if most > 0.0 {
                polygon points={ "0,24 " (line) " 96,24" } {}
                polyline points=(line) {}
            } @else {
                line x1="0" y1="23" x2="96" y2="23" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_as_people_write_them() {
        for (nanos, text) in [
            (0, "$0.00"),
            (1, "$0.000000001"),
            (2_300_000, "$0.0023"),
            (9_999_999, "$0.009999999"),
            (10_000_000, "$0.01"),
            (14_999_999, "$0.01"),
            (15_000_000, "$0.02"),
            (1_234_567_890_000_000, "$1,234,567.89"),
            (-2_500_000_000, "−$2.50"),
        ] {
            assert_eq!(money(nanos), text, "{nanos}");
        }
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1234567, "−1,234,567"),
        ] {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn a_sparkline_goes_from_zero_to_its_largest() {
        let line = sparkline(&[0.0, 5.0, 10.0], "Requests").into_string();
        assert!(line.contains("0.0,23.0 48.0,12.0 96.0,1.0"), "{line}");
        assert!(line.contains("<title>Requests</title>"));
        let flat = sparkline(&[0.0, 0.0], "Nothing").into_string();
        assert!(
            !flat.contains("polyline") && !flat.contains("NaN"),
            "{flat}"
        );
        assert!(!sparkline(&[], "None").into_string().contains("NaN"));
    }

    #[test]
    fn what_people_typed_stays_text() {
        let shown = tags(&["<script>".into()]).into_string();
        assert!(shown.contains("&lt;script&gt;") && !shown.contains("<script>"));
    }
}
