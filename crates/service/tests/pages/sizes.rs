//! How much the pages send: less than 200 KB each, with a thousand keys whose names, owners, tags and models are as long as they may
//! be, each with usage.

use axum::http::{Method, StatusCode};
use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::model::ModelId;
use gmtech_core::sync::events::{Label, UsageEvent};
use gmtech_core::usage::{Tokens, Usage};
use gmtech_service::clock::{DAY_MS, Millis};
use serde_json::{Value, json};

use crate::common::IngestOne;
use crate::common::browser::*;
use crate::common::http::*;

const MOST: usize = 200_000;
const KEYS: usize = 1_000;
const OWNERS: usize = 100;

/// An owner's address: the longest local part, and a name of 254 bytes in all.
fn owner(n: usize) -> String {
    let label = "b".repeat(61);
    let owner = format!("{n:0>64}@{label}.{label}.{label}.com");
    assert!(owner.len() <= 254, "{}", owner.len());
    owner
}

/// A key with the longest of everything. In HTML a quotation mark takes six bytes.
fn key(n: usize) -> Value {
    let name = format!("{n:0>4}{}", "\"".repeat(96));
    let tags: Vec<String> = (0..16)
        .map(|t| format!("{t:0>2}{}", "t".repeat(62)))
        .collect();
    let models: Vec<String> = (0..64)
        .map(|m| format!("{m:0>2}{}*", "m".repeat(125)))
        .collect();
    json!({"team": "acme", "tier": "free", "name": name, "owner": owner(n % OWNERS), "tags": tags, "models": models,
        "budgets": {"month_nano_usd": 1_000_000_000_000_000_000_i64}, "expires_at": "2099-12-31T23:59:59Z"})
}

async fn filled(api: &Api) -> Vec<String> {
    for n in 0..OWNERS {
        let member = json!({"email": owner(n), "role": "developer"});
        let made = api
            .ask(
                ADMIN,
                Method::PUT,
                "/admin/v1/teams/acme/members",
                Some(member),
            )
            .await;
        assert_eq!(made.0, StatusCode::OK, "{:?}", made.1);
    }
    let mut ids = Vec::new();
    for first in (0..KEYS).step_by(100) {
        let keys: Vec<Value> = (first..first + 100).map(key).collect();
        let made = api
            .post("/admin/v1/keys/batch", json!({"keys": keys}))
            .await;
        let made = made["data"].as_array().unwrap();
        ids.extend(made.iter().map(|key| text(key, "id").to_owned()));
    }
    let now = Millis::now();
    let events: Vec<_> = (0_u64..)
        .zip(ids.iter().cycle().take(3 * KEYS))
        .map(|(n, id)| {
            let mut number = [0; 16];
            number[8..].copy_from_slice(&n.to_be_bytes());
            let mut priced = api.service.price(UsageEvent {
                id: number,
                key: KeyId::new(id).unwrap(),
                team: TeamId::new("acme").unwrap(),
                tier: TierName::new("free").unwrap(),
                model: ModelId::new(&format!("{}{}", "m".repeat(125), n % 500)).ok(),
                endpoint: Label::clip("/v1/chat/completions"),
                decision: Label::clip(&format!("a_reason_to_come_{}", n % 20)).into(),
                status: 200,
                duration_ms: 1_234,
                started_unix_ms: u64::try_from(now.0).unwrap() - n % 30 * DAY_MS.unsigned_abs(),
                usage: Usage::Exact(Tokens::of(1_000_000, 500_000)),
                requests: 1_000_000,
                object: None,
                request_id: Label::clip(&format!("request-{n}")),
                endpoint_group: Label::clip("chat_completions"),
            });
            priced.cost = 1_000_000_000_000;
            priced
        })
        .collect();
    api.service.store.ingest(&events, now).await.unwrap();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_is_large_with_a_thousand_keys_of_the_longest_names() {
    let api = Api::new().await;
    let mut admin = Browser::signed_in(&api, "root@example.com", true).await;
    api.post(
        "/admin/v1/teams",
        json!({"id": "acme", "name": "\"".repeat(100)}),
    )
    .await;
    let ids = filled(&api).await;
    let (id, tag) = (&ids[500], format!("00{}", "t".repeat(62)));
    let search = "%22".repeat(50);
    let mut pages = vec![
        format!("/users/api-keys/{id}/"),
        format!("/users/api-keys/{id}/edit"),
        format!("/users/api-keys/{id}/rotate"),
        format!("/users/api-keys/{id}/revoke"),
        "/users/api-keys/new?team=acme".into(),
        "/users/limits/?team=acme".into(),
        "/users/team/?team=acme".into(),
        "/users/team/credit?team=acme".into(),
        "/users/team/policy?team=acme".into(),
        "/users/team/audit?team=acme".into(),
        "/users/admin/teams/".into(),
        "/users/admin/tiers/".into(),
        "/users/admin/prices/".into(),
        "/users/admin/tokens/".into(),
        "/users/admin/proxies/".into(),
        "/users/requests/?team=acme&id=request-1".into(),
        format!("/users/api-keys/live?team=acme&ids={}", ids[..25].join(",")),
    ];
    let filters = [
        String::new(),
        "&sort=name".into(),
        "&sort=expires&reverse=true".into(),
        "&look=no_budget".into(),
        format!("&search={search}&sort=name"),
        format!(
            "&owner={}&tag={tag}&status=active&tier=free&sort=name",
            owner(7)
        ),
    ];
    pages.extend(filters.map(|filter| format!("/users/api-keys/?team=acme{filter}")));
    for by in ["model", "key", "owner", "tag", "endpoint", "decision"] {
        for range in ["24h", "30d", "90d"] {
            pages.push(format!("/users/usage/?team=acme&by={by}&range={range}"));
        }
        // A download has a row for each group and span, so a long time makes a long one.
        pages.push(format!("/users/usage.csv?team=acme&by={by}&range=30d"));
    }
    let mut large = Vec::new();
    for page in pages {
        let answer = admin.get(&page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.body);
        if answer.body.len() > MOST {
            large.push(format!("{page}: {} bytes", answer.body.len()));
        }
    }
    assert_eq!(large, [""; 0]);
}
