//! The totals at the top, each of which chooses what the chart shows.

use maud::{Markup, html};

use super::address::Asked;
use super::{ROOT, words};
use crate::ops::usage::overview::Overview;
use crate::ops::usage::totals::Measure;

pub(super) fn tiles(asked: &Asked, found: &Overview) -> Markup {
    let Some(chart) = &found.chart else {
        return html! {};
    };
    let (now, then) = (chart.total(), chart.total_before());
    html! {
        ul.tiles {
            @for measure in [Measure::Cost, Measure::Requests, Measure::Tokens, Measure::Refusals] {
                @let (is, was) = (now.get(measure), then.get(measure));
                li {
                    a.tile href=(asked.with_measure(measure).address(ROOT))
                        aria-current=[(measure == found.view.measure).then_some("true")] {
                        span.tile-label { (measure.meaning()) }
                        span.tile-value data-live=(live_name(measure)) { (words::value(measure, is)) }
                        span.tile-change {
                            span data-live={ (live_name(measure)) ".change" } { (words::change(is, was)) }
                            " from " (words::value(measure, was)) ", " (words::before(&found.view.range))
                        }
                    }
                }
            }
        }
    }
}

/// By which name its number is kept up to date.
pub(super) fn live_name(measure: Measure) -> String {
    format!("total.{}", measure.name())
}
