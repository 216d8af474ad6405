//! The chart and its tables.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::address::Asked;
use super::{group_name, table, words};
use crate::money::DOLLAR;
use crate::ops::usage::chart::{Chart, Group};
use crate::ops::usage::overview::{Overview, View};
use crate::ops::usage::totals::Measure;
use crate::pages::components::time;
use crate::store::Dimension;

pub(super) fn section(asked: &Asked, found: &Overview) -> Markup {
    let View {
        measure, by, range, ..
    } = &found.view;
    let title = format!("{} by {}", measure.meaning(), noun(*by));
    let Some(chart) = &found.chart else {
        return html! {
            section.card aria-labelledby="chart-title" {
                h2 id="chart-title" { (title) }
                p role="status" {
                    "This team has so much usage that it is still being summed up. The page looks again every two seconds."
                }
            }
        };
    };
    let groups = chart.groups(*measure);
    let (from, to) = range.days();
    html! {
        section.card aria-labelledby="chart-title" {
            h2 id="chart-title" { (title) }
            p.hint {
                (from) " to " (to) ". Days begin at midnight UTC."
                @if *by == Dimension::Tag {
                    " A key with several tags counts for each of them."
                }
                @if let Some(since) = found.since {
                    " As of " (time(since)) "."
                }
            }
            @if groups.is_empty() {
                p.empty {
                    @match measure {
                        Measure::Refusals => "No request was refused in this time.",
                        _ => "Nothing was used in this time. Choose a longer one, or send a first request with a key of this team.",
                    }
                }
            } @else {
                div.chart role="img" aria-label={ (title) ", over time. The table below has the same numbers." }
                    data-chart-live data-chart=(data(chart, &found.view, &groups)) {}
                (table::groups(found, chart, &groups, |group| group_name(asked, *by, group)))
                (table::spans(found, chart, &groups))
            }
        }
    }
}

/// What is told apart, within a sentence.
fn noun(by: Dimension) -> String {
    match by {
        Dimension::Key => "API key".into(),
        other => words::grouping(other).to_lowercase(),
    }
}

/// What the script draws.
pub(super) fn data(chart: &Chart, view: &View, groups: &[Group]) -> Value {
    let measure = view.measure;
    let number = |value: i64| match measure {
        Measure::Cost => json!(value as f64 / DOLLAR as f64),
        _ => json!(value),
    };
    let series = groups.iter().map(|group| {
        let spans = group.spans.iter().map(|span| number(span.get(measure)));
        json!({
            "name": words::group(view.by, group),
            "other": group.value.is_none(),
            "values": spans.collect::<Vec<_>>(),
        })
    });
    let before = chart.before.iter().map(|span| number(span.get(measure)));
    let starts = chart.starts.iter().map(|start| start.0.div_euclid(1_000));
    json!({
        "every": view.range.every.name(),
        "unit": if measure == Measure::Cost { "usd" } else { "count" },
        // Of tags, which a key can have several of, no sum is drawn.
        "stacked": view.by != Dimension::Tag,
        "starts": starts.collect::<Vec<_>>(),
        "series": series.collect::<Vec<_>>(),
        "before": {
            "name": format!("All, {}", words::before(&view.range)),
            "values": before.collect::<Vec<_>>(),
        },
    })
}
