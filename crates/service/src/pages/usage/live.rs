//! The numbers of pages that somebody looks at, as `live-numbers.js` asks for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use gmtech_core::ident::KeyId;
use serde::Serialize;
use serde_json::Value;

use super::address::Asked;
use super::{chart, credit, tiles, words};
use crate::clock::Millis;
use crate::ops::fields;
use crate::ops::usage::course::course;
use crate::ops::usage::kept::Charts;
use crate::ops::usage::of_keys::of_keys;
use crate::ops::usage::overview::{overview, view};
use crate::ops::usage::totals::Measure;
use crate::pages::components::{count, money};
use crate::pages::error::PageError;
use crate::pages::visitor::Visitor;
use crate::service::Service;

/// What the script puts into the page.
#[derive(Debug, Default, Serialize)]
struct Live {
    /// Texts by the names that elements have in `data-live`.
    numbers: BTreeMap<String, String>,
    /// The chart, if the page has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    chart: Option<Value>,
}

impl Live {
    fn answer(self) -> Response {
        ([(header::CACHE_CONTROL, "no-store")], Json(self)).into_response()
    }
}

/// The numbers of the usage page, at the same address but for its path.
pub(super) async fn usage(
    State(service): State<Arc<Service>>,
    Extension(charts): Extension<Charts>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let asked = Asked::read(query.as_deref().unwrap_or_default());
    let member = visitor.team(asked.team.as_deref())?;
    let now = Millis::now();
    let (caller, team) = (&visitor.caller, &member.team.id);
    let view = view(&service, caller, team, &asked.overview(), now).await?;
    let found = overview(&service, &charts, caller, team, view, now).await?;
    let spend = course(&service, caller, team, (now.day(), now.day() + 1), now).await?;
    let mut live = Live::default();
    let mut put = |name: String, text: String| live.numbers.insert(name, text);
    if let Some(chart) = &found.chart {
        let (now, then) = (chart.total(), chart.total_before());
        for measure in Measure::ALL {
            let name = tiles::live_name(measure);
            let (is, was) = (now.get(measure), then.get(measure));
            put(format!("{name}.change"), words::change(is, was));
            put(name, words::value(measure, is));
        }
    }
    put("credit.balance".into(), money(spend.team.balance_nano_usd));
    put("credit.rate".into(), money(spend.rate));
    put("credit.ends".into(), credit::lasts(spend.ends));
    put("credit.month".into(), money(spend.month));
    put("credit.projected".into(), money(spend.month_projected));
    live.chart = found.chart.as_ref().and_then(|chart| {
        let groups = chart.groups(found.view.measure);
        (!groups.is_empty()).then(|| chart::data(chart, &found.view, &groups))
    });
    Ok(live.answer())
}

/// Of each key of `ids` (with commas between them): `ID.requests` and `ID.cost` of the last 30 days, and `ID.last_used`, an
/// instant, where it was used in them.
pub(super) async fn keys(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let of = |wanted: &str| {
        pairs
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    let member = visitor.team(of("team"))?;
    let ids = of("ids")
        .unwrap_or_default()
        .split(',')
        .filter(|id| !id.is_empty());
    let ids: Vec<KeyId> = ids.map(fields::key_id).collect::<Result<_, _>>()?;
    let used = of_keys(
        &service,
        &visitor.caller,
        &member.team.id,
        &ids,
        Millis::now(),
    )
    .await?;
    let mut live = Live::default();
    for (key, used) in used {
        let mut put = |what: &str, text: String| live.numbers.insert(format!("{key}.{what}"), text);
        put("requests", count(used.total.requests));
        put("cost", money(used.total.cost));
        if let Some(at) = used.last_used {
            put("last_used", at.to_rfc3339());
        }
    }
    Ok(live.answer())
}
