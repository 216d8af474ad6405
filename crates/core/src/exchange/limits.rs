//! `GET /limits`: every limit that applies to the caller's key. The gate answers it, and it costs nothing.

use serde::Serialize;

use super::Now;
use crate::auth::Principal;
use crate::decision::Decision;
use crate::denial::{Denial, Dialect, Reply};
use crate::head::Head;
use crate::limiter::{self, Account, CellStanding};
use crate::shared::CounterStore;

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    key: &'a str,
    team: &'a str,
    tier: &'a str,
    data: Vec<Limit<'a>>,
}

/// One limit in the answer.
#[derive(Serialize)]
struct Limit<'a> {
    object: &'static str,
    name: &'static str,
    /// The scope. A key shares its limits with the keys that rotation continues it with.
    scope: &'static str,
    /// The id within the scope: for a key, the first key of that chain.
    id: &'a str,
    limit: u32,
    used: u64,
    remaining: u32,
    /// Milliseconds until fully restored; `null` if time does not restore it.
    reset_ms: Option<u64>,
}

impl<'a> From<&'a CellStanding> for Limit<'a> {
    fn from(standing: &'a CellStanding) -> Self {
        let cell = &standing.cell;
        Self {
            object: "limit",
            name: cell.dimension.name(),
            scope: cell.scope.name(),
            id: &cell.id,
            limit: cell.limit,
            used: standing.used,
            remaining: standing.remaining,
            reset_ms: standing.reset.map(|reset| reset.div_ceil(1_000_000)),
        }
    }
}

/// Whether the request is `GET /limits`.
pub(super) fn is_asked(head: &Head<'_>) -> bool {
    head.method() == b"GET" && matches!(head.path(), b"/api/v1/limits" | b"/v1/limits")
}

/// Writes the answer.
pub(super) fn reply(
    principal: Option<&Principal>,
    account: &Account,
    dialect: Dialect,
    store: &impl CounterStore,
    now: Now,
) -> Result<Reply, Denial> {
    let principal = principal.ok_or(Denial::Unavailable)?;
    let (cells, snapshot) =
        limiter::standings(store, account, now.monotonic).map_err(|_| Denial::Unavailable)?;
    let list = List {
        object: "list",
        key: principal.key().as_str(),
        team: principal.team().as_str(),
        tier: principal.tier().as_str(),
        data: cells.iter().map(Limit::from).collect(),
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
