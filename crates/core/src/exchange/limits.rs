//! `GET /limits`: every limit that applies to the caller's key, answered here and at no cost.

use serde::Serialize;

use super::Now;
use crate::auth::Principal;
use crate::decision::Decision;
use crate::denial::{Denial, Dialect, Reply};
use crate::head::Head;
use crate::limiter::gcra::Standing;
use crate::limiter::{self, Account};
use crate::shared::CounterStore;

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    key: &'a str,
    team: &'a str,
    tier: &'a str,
    data: Vec<Limit<'a>>,
}

/// One limit as its owner sees it.
#[derive(Serialize)]
struct Limit<'a> {
    object: &'static str,
    name: &'static str,
    /// What it is a limit of: each key has its own, and shares it with those that rotation continues it with.
    scope: &'static str,
    /// The first key of that chain.
    id: &'a str,
    limit: u32,
    used: u64,
    remaining: u32,
    /// Until fully restored; `null` where no time restores it.
    reset_ms: Option<u64>,
}

/// Whether the request asks for its limits.
pub(super) fn is_asked(head: &Head<'_>) -> bool {
    head.method() == b"GET" && matches!(head.path(), b"/api/v1/limits" | b"/v1/limits")
}

/// The answer.
pub(super) fn reply(
    principal: Option<&Principal>,
    account: &Account,
    dialect: Dialect,
    store: &impl CounterStore,
    now: Now,
) -> Result<Reply, Denial> {
    let principal = principal.ok_or(Denial::Unavailable)?;
    let snapshot =
        limiter::snapshot(store, account, now.monotonic).map_err(|_| Denial::Unavailable)?;
    let id = principal.account().as_str();
    let bucket = |name, standing: Standing| Limit {
        object: "limit",
        name,
        scope: "key",
        id,
        limit: standing.limit,
        used: standing.used,
        remaining: standing.remaining,
        reset_ms: Some(standing.reset.div_ceil(1_000_000)),
    };
    let mut data = vec![
        bucket("requests_per_minute", snapshot.requests),
        bucket("tokens_per_minute", snapshot.tokens),
    ];
    data.extend(snapshot.in_flight.map(|f| Limit {
        object: "limit",
        name: "max_in_flight",
        scope: "key",
        id,
        limit: f.limit,
        used: u64::from(f.used),
        remaining: f.limit.saturating_sub(f.used),
        reset_ms: None,
    }));
    let list = List {
        object: "list",
        key: principal.key().as_str(),
        team: principal.team().as_str(),
        tier: principal.tier().as_str(),
        data,
    };
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("cache-control", "no-store".to_owned()),
    ];
    headers.extend(dialect.limit_headers(&snapshot, now.wall_millis));
    Ok(Reply {
        status: 200,
        headers,
        // Strings and integers always serialise.
        body: serde_json::to_string(&list).unwrap_or_default(),
        details: Decision::Limits.details(),
    })
}
