//! Prices in force: the operator's own, the embedded list's, and what an unknown model costs.

use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::fields;
use crate::price::{OwnPrices, Quote};
use crate::service::Service;
use crate::store::FallbackCharge;

/// For how many days it is told what was charged by the fallback, today included.
pub(crate) const FALLBACK_DAYS: i64 = 30;

/// The operator's own prices.
///
/// # Errors
/// Where the caller is no administrator.
pub(crate) fn own(service: &Service, caller: &Caller) -> Result<OwnPrices, ApiError> {
    caller.must_be_admin()?;
    Ok(service.own_prices())
}

/// What a model costs now.
///
/// # Errors
/// Where the caller is no administrator, or the model's name cannot be one.
pub(crate) fn quote(service: &Service, caller: &Caller, model: &str) -> Result<Quote, ApiError> {
    caller.must_be_admin()?;
    fields::no_key("model", model)?;
    let model = gmtech_core::model::ModelId::new(model)
        .map_err(|why| ApiError::invalid("model", format!("model: {why}.")))?;
    Ok(service.quote(model.as_str(), Millis::now()))
}

/// What was charged by the fallback in the last [`FALLBACK_DAYS`], by model, the dearest first; at most 100 models.
///
/// # Errors
/// Where the caller is no administrator, or the store does not answer.
pub(crate) async fn by_fallback(
    service: &Service,
    caller: &Caller,
) -> Result<Vec<FallbackCharge>, ApiError> {
    caller.must_be_admin()?;
    let from = Millis::now().day() - FALLBACK_DAYS + 1;
    Ok(service.store.charged_by_fallback(from).await?)
}
