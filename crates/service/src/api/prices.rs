//! Prices, over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use gmtech_core::usage::{PerKind, TokenKind};
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::clock::day_name;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::ops::prices;
use crate::price::{LIST, LIST_VERSION};
use crate::service::Service;
use crate::store::FallbackCharge;

/// What to look up besides.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AskPrices {
    /// A model whose price to tell.
    #[param(min_length = 1, max_length = 256)]
    model: Option<String>,
}

/// Nano-dollars (10⁻⁹ USD) for a million tokens, by their kind.
type PerMillion = BTreeMap<&'static str, i64>;

/// The prices in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PricesView {
    /// The operator's own; the first that matches counts.
    own: Vec<OwnPrice>,
    /// The list that is built in, for models without one of these.
    list: PriceList,
    /// What a model costs that has no price.
    fallback: Fallback,
    /// What the model of the query costs now; null if none was asked for.
    model: Option<ModelPrice>,
}

/// One of the operator's own prices.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct OwnPrice {
    /// Which models: a name, or a pattern with `*` at its end.
    models: String,
    /// Nano-dollars for a million tokens, by their kind.
    #[schema(value_type = BTreeMap<String, i64>)]
    nano_usd_per_million: PerMillion,
}

/// The list that is built in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PriceList {
    /// Its name.
    name: &'static str,
    /// Its version. The list does not tell from when its prices are.
    version: &'static str,
}

/// What a model costs that has no price, and which did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Fallback {
    /// Whether the operator has set it.
    configured: bool,
    /// Nano-dollars for a million tokens, by their kind.
    #[schema(value_type = BTreeMap<String, i64>)]
    nano_usd_per_million: PerMillion,
    /// How many days `charged` covers, today included.
    days: i64,
    /// Which models were charged so, the dearest first; at most 100.
    charged: Vec<ChargedModel>,
}

/// A model that was charged by the fallback.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ChargedModel {
    #[serde(flatten)]
    charge: FallbackCharge,
    /// The last UTC day with one of these requests.
    #[schema(format = Date)]
    last_day: String,
}

/// What a model costs now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ModelPrice {
    /// Its name.
    name: String,
    /// Where the price is from: `configuration`, `genai-prices` or `fallback`.
    priced_by: &'static str,
    /// Nano-dollars for a million tokens, by their kind.
    #[schema(value_type = BTreeMap<String, i64>)]
    nano_usd_per_million: PerMillion,
}

fn per_million(prices: &PerKind<i64>) -> PerMillion {
    TokenKind::ALL
        .into_iter()
        .map(|kind| (kind.name(), prices.get(kind)))
        .collect()
}

#[utoipa::path(get, path = "/admin/v1/prices", tag = "usage", operation_id = "prices", params(AskPrices),
    responses((status = 200, body = PricesView), (status = "4XX", body = ErrorBody)))]
/// The prices in force, and what was charged without knowing a price. They are changed in the service's file of prices.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(asked): Query<AskPrices>,
) -> Result<Json<PricesView>, ApiError> {
    let own = prices::own(&service, &caller)?;
    let model = asked.model.map(|name| {
        let quote = prices::quote(&service, &caller, &name)?;
        Ok::<_, ApiError>(ModelPrice {
            priced_by: quote.priced_by,
            nano_usd_per_million: per_million(&quote.per_million),
            name,
        })
    });
    let charged = prices::by_fallback(&service, &caller).await?;
    let charged = charged.into_iter().map(|charge| ChargedModel {
        last_day: day_name(charge.last_day),
        charge,
    });
    let price = |(models, rates): &(String, crate::price::Rates)| OwnPrice {
        models: models.clone(),
        nano_usd_per_million: per_million(&rates.per_million()),
    };
    Ok(Json(PricesView {
        own: own.models.iter().map(price).collect(),
        list: PriceList {
            name: LIST,
            version: LIST_VERSION,
        },
        fallback: Fallback {
            configured: own.fallback_configured,
            nano_usd_per_million: per_million(&own.fallback.per_million()),
            days: prices::FALLBACK_DAYS,
            charged: charged.collect(),
        },
        model: model.transpose()?,
    }))
}
