//! Tiers: the configuration's, by name. Their limits are the filter's configuration.

use gmtech_core::ident::TierName;

use crate::caller::Caller;
use crate::service::Service;

/// The tiers that a key may have. Every caller may see them.
#[must_use]
pub fn list(service: &Service, _caller: &Caller) -> Vec<TierName> {
    service.tiers()
}
