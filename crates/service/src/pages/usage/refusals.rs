//! Refused requests, with their reasons.

use maud::{Markup, html};

use super::address::Asked;
use super::words;
use crate::ops::usage::overview::Overview;
use crate::pages::components::count;

pub(super) fn section(_asked: &Asked, found: &Overview) -> Markup {
    let Some(chart) = found.chart.as_ref().filter(|c| !c.refusals.is_empty()) else {
        return html! {};
    };
    let mut reasons: Vec<(&String, &i64)> = chart.refusals.iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let all = chart.total().refused;
    html! {
        section.card aria-labelledby="refusals-title" {
            h2 id="refusals-title" { "Why requests were refused" }
            p.hint { "The names are those of the error table in the documentation for callers (errors.md), and of the access log." }
            div.table-box tabindex="0" role="region" aria-label="Refusals" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Reason" }
                            th scope="col" { "Name" }
                            th.right scope="col" { "Requests" }
                            th.right scope="col" { "Share" }
                        }
                    }
                    tbody {
                        @for (reason, requests) in reasons {
                            tr {
                                th scope="row" { (words::decision(reason)) }
                                td { code { (reason) } }
                                td.right { (count(*requests)) }
                                td.right { (words::share(*requests, all)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
