//! The team's money: its balance and its course, or what it is billed.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::address::Asked;
use crate::clock::day_name;
use crate::money::DOLLAR;
use crate::ops::usage::course::{Course, CourseDay, Ends, RATE_DAYS};
use crate::pages::components::money;

pub(super) fn section(_asked: &Asked, course: &Course) -> Markup {
    html! {
        section.card aria-labelledby="credit-title" {
            @if course.team.prepaid {
                h2 id="credit-title" { "Credit" }
                (prepaid(course))
            } @else {
                h2 id="credit-title" { "Spend" }
                (billed(course))
            }
        }
    }
}

/// One number with its name.
fn tile(label: &str, value: &str, live: &str, hint: &str) -> Markup {
    html! {
        li {
            div.tile {
                span.tile-label { (label) }
                span.tile-value data-live=(live) { (value) }
                span.tile-change { (hint) }
            }
        }
    }
}

fn prepaid(course: &Course) -> Markup {
    let topped_up: i64 = course.days.iter().map(|d| d.topped_up).sum();
    html! {
        ul.tiles {
            (tile("Balance", &money(course.team.balance_nano_usd), "credit.balance", "Shared by all keys of the team."))
            (tile("A day costs", &money(course.rate), "credit.rate", &format!("Average of today and the {RATE_DAYS} days before.")))
            (tile("Lasts", &lasts(course.ends), "credit.ends", "If it is spent at this rate."))
            (tile("Topped up", &money(topped_up), "credit.topped_up", "In the time shown."))
        }
        div class="chart small" role="img" aria-label="Balance at the end of each day. The table below has the same numbers."
            data-chart=(data(course)) {}
        details {
            summary { "Show the balance by day" }
            (days(&course.days))
        }
    }
}

fn billed(course: &Course) -> Markup {
    html! {
        p.hint {
            "This team is billed afterwards. With its first top-up it becomes prepaid, and is refused when its credit is spent."
        }
        ul.tiles {
            (tile("This month so far", &money(course.month), "credit.month", "Since the first of the month, UTC."))
            (tile("This month, projected", &money(course.month_projected), "credit.projected", "At the average of its days so far."))
            (tile("A day costs", &money(course.rate), "credit.rate", &format!("Average of today and the {RATE_DAYS} days before.")))
        }
    }
}

/// How long credit lasts.
pub(super) fn lasts(ends: Ends) -> String {
    match ends {
        Ends::NotBefore(day) => format!("Not before {}", day_name(day)),
        Ends::Now => "Spent".into(),
        Ends::Never => "Nothing is spent".into(),
        Ends::Far => "More than 10 years".into(),
    }
}

fn days(days: &[CourseDay]) -> Markup {
    html! {
        div.table-box tabindex="0" role="region" aria-label="Balance by day" {
            table {
                thead {
                    tr {
                        th scope="col" { "Day (UTC)" }
                        th.right scope="col" { "Spent" }
                        th.right scope="col" { "Topped up" }
                        th.right scope="col" { "Corrected" }
                        th.right scope="col" { "Balance at its end" }
                    }
                }
                tbody {
                    @for day in days {
                        tr {
                            th scope="row" { (day_name(day.day)) }
                            td.right { (money(day.spent)) }
                            td.right { @if day.topped_up != 0 { (money(day.topped_up)) } }
                            td.right { @if day.adjusted != 0 { (money(day.adjusted)) } }
                            td.right { (money(day.balance)) }
                        }
                    }
                }
            }
        }
    }
}

/// What the script draws.
fn data(course: &Course) -> Value {
    let dollars = |nanos: i64| nanos as f64 / DOLLAR as f64;
    let starts = course.days.iter().map(|d| d.day.saturating_mul(86_400));
    let balances = course.days.iter().map(|d| dollars(d.balance));
    let marks = course
        .days
        .iter()
        .enumerate()
        .filter(|(_, d)| d.topped_up != 0);
    let marks = marks
        .map(|(at, d)| json!({"at": at, "text": format!("Topped up: {}", money(d.topped_up))}));
    json!({
        "every": "day",
        "unit": "usd",
        "stacked": false,
        "starts": starts.collect::<Vec<_>>(),
        "series": [{"name": "Balance", "other": false, "values": balances.collect::<Vec<_>>()}],
        "marks": marks.collect::<Vec<_>>(),
    })
}
