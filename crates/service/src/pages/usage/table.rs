//! The tables with the same numbers as the chart.

use maud::{Markup, html};

use super::words;
use crate::ops::usage::chart::{Chart, Group, SHOWN};
use crate::ops::usage::overview::Overview;

/// The groups, each with its sum, its share, and how it has changed.
pub(super) fn groups(
    found: &Overview,
    chart: &Chart,
    groups: &[Group],
    name: impl Fn(&Group) -> Markup,
) -> Markup {
    let measure = found.view.measure;
    let all = chart.total().get(measure);
    let value = |number| words::value(measure, number);
    html! {
        div.table-box tabindex="0" role="region" aria-label="Groups" {
            table {
                caption { "The largest " (SHOWN) ", and all others together" }
                thead {
                    tr {
                        th scope="col" { (words::grouping(found.view.by)) }
                        th.right scope="col" { (measure.meaning()) }
                        th.right scope="col" { "Share" }
                        th.right scope="col" { "Before" }
                        th.right scope="col" { "Change" }
                    }
                }
                tbody {
                    @for (at, group) in groups.iter().enumerate() {
                        @let (is, was) = (group.total.get(measure), group.before.get(measure));
                        tr {
                            th scope="row" { (swatch(at, group)) (name(group)) }
                            td.right { (value(is)) }
                            td.right { (words::share(is, all)) }
                            td.right { (value(was)) }
                            td.right { (words::change(is, was)) }
                        }
                    }
                    @let (is, was) = (all, chart.total_before().get(measure));
                    tr {
                        th scope="row" { span class="swatch swatch-before" {} strong { "All" } }
                        td.right { (value(is)) }
                        td.right {}
                        td.right { (value(was)) }
                        td.right { (words::change(is, was)) }
                    }
                }
            }
        }
    }
}

/// The same span by span.
pub(super) fn spans(found: &Overview, chart: &Chart, groups: &[Group]) -> Markup {
    let (measure, by, range) = (found.view.measure, found.view.by, &found.view.range);
    let value = |number: Option<i64>| number.map(|n| words::value(measure, n)).unwrap_or_default();
    html! {
        details {
            summary { "Show the numbers by " (range.every.name()) }
            div.table-box tabindex="0" role="region" aria-label={ "Numbers by " (range.every.name()) } {
                table {
                    caption { (measure.meaning()) ", UTC" }
                    thead {
                        tr {
                            th scope="col" { "Start" }
                            @for group in groups {
                                th.right scope="col" { (words::group(by, group)) }
                            }
                            th.right scope="col" { "All" }
                            th.right scope="col" { "All, before" }
                        }
                    }
                    tbody {
                        @for (at, start) in chart.starts.iter().enumerate() {
                            tr {
                                th scope="row" { (words::span(range.every, *start)) }
                                @for group in groups {
                                    td.right { (value(group.spans.get(at).map(|s| s.get(measure)))) }
                                }
                                td.right { (value(chart.all.get(at).map(|s| s.get(measure)))) }
                                td.right { (value(chart.before.get(at).map(|s| s.get(measure)))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The colour of a group in the chart.
fn swatch(at: usize, group: &Group) -> Markup {
    let colour = match group.value {
        Some(_) => at % SHOWN + 1,
        None => SHOWN + 1,
    };
    html! { span class={ "swatch swatch-" (colour) } {} }
}
