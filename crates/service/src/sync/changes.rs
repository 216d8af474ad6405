//! Polls for changes, and questions about single keys.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gmtech_core::ident::TierName;
use gmtech_core::key::{KeyDigest, holds_key};
use serde::Deserialize;

use super::binary;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::ops::changes::{self, Poll};
use crate::ops::proxies;
use crate::service::Service;
use crate::store::{Head, ProxyTold};

#[derive(Deserialize)]
pub(super) struct PollParams {
    #[serde(default)]
    epoch: u64,
    #[serde(default)]
    since: u64,
    /// The highest version that it has seen in any answer of this epoch.
    #[serde(default)]
    seen: u64,
    /// The proxy's own name; without one there is no receipt.
    proxy: Option<String>,
    #[serde(default)]
    wait: u64,
    limit: Option<usize>,
    /// The newest version of frames that it reads.
    keys: Option<u8>,
    /// The version of the teams that it knows to be watched; 0 for none. A proxy that reports no levels does not say it.
    watch: Option<u64>,
    /// The version of its filter.
    filter: Option<String>,
    /// How many keys it has records of.
    held: Option<u64>,
    /// The tiers of its configuration by fingerprint: `free:685af8dd09ad,pro:014613982b67`.
    tiers: Option<String>,
}

/// The longest text that is kept of a filter's version and of a fingerprint, and the most tiers.
const LONGEST: usize = 64;
const MOST_TIERS: usize = 64;

impl PollParams {
    /// What the proxy tells of itself. It is shown to people and nothing else, so what does not read as such is left out.
    fn told(&self) -> ProxyTold {
        let is_word = |text: &&str| {
            (1..=LONGEST).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_graphic())
                && !holds_key(text.as_bytes())
        };
        let tiers = |told: &String| {
            let pairs = told.split(',').filter_map(|pair| pair.split_once(':'));
            let read = pairs
                .filter(|(_, text)| is_word(text))
                .filter_map(|(name, text)| Some((TierName::new(name).ok()?, text.to_owned())));
            read.take(MOST_TIERS).collect()
        };
        ProxyTold {
            filter: self.filter.as_deref().filter(is_word).map(str::to_owned),
            held: self.held,
            tiers: self.tiers.as_ref().map(tiers),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ResolveParams {
    keys: Option<u8>,
}

/// What changed since the proxy's version.
pub(super) async fn poll(
    State(service): State<Arc<Service>>,
    Query(asked): Query<PollParams>,
) -> Result<Response, ApiError> {
    let applied = Head {
        epoch: asked.epoch,
        version: asked.since,
    };
    if let Some(proxy) = asked.proxy.as_deref().filter(|_| applied.epoch != 0) {
        proxies::note_soon(&service, proxy, applied, asked.told())?;
    }
    let poll = Poll {
        applied,
        seen: asked.seen,
        wait_ms: asked.wait,
        limit: asked.limit,
        keys: asked.keys,
        watch: asked.watch,
    };
    Ok(binary(changes::poll(&service, poll).await?))
}

/// One key.
pub(super) async fn resolve(
    State(service): State<Arc<Service>>,
    Path(digest): Path<String>,
    Query(asked): Query<ResolveParams>,
) -> Result<Response, ApiError> {
    let digest = KeyDigest::from_hex(&digest)
        .map_err(|why| ApiError::invalid("digest", format!("digest {why}.")))?;
    Ok(binary(
        changes::resolve(&service, &digest, asked.keys).await?,
    ))
}
