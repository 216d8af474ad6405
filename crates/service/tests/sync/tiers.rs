//! Tiers on their way to the proxies.

use axum::http::Method;
use gmtech_core::key::ApiKey;
use gmtech_core::sync::Frame;
use serde_json::json;

use crate::Proxy;
use crate::common::http::*;

#[tokio::test]
async fn the_first_page_of_a_snapshot_has_all_tiers_and_a_key_brings_its_own() {
    let api = Api::new().await;
    let gold = json!({"name": "gold", "requests_per_minute": 7, "tokens_per_minute": 900});
    for n in 0..5 {
        let name = format!("key {n}");
        api.post("/admin/v1/teams", json!({"id": format!("team-{n}")}))
            .await;
        let new = json!({"team": format!("team-{n}"), "name": name});
        api.post("/admin/v1/keys", new).await;
    }
    // Its version is higher than that of all keys.
    api.post("/admin/v1/tiers", gold).await;
    let (_, bytes) = api
        .sync(
            PROXY,
            Method::GET,
            "/sync/v1/changes?keys=3&limit=2",
            vec![],
        )
        .await;
    let page = Frame::decode(&bytes).unwrap();
    let names: Vec<_> = page.tiers.iter().map(|tier| tier.name.as_str()).collect();
    assert!(page.more);
    assert_eq!(names, ["free", "pro", "team", "gold"], "by version");

    let of_gold = json!({"team": "team-1", "name": "ci", "tier": "gold"});
    let key = api.post("/admin/v1/keys", of_gold).await;
    let key = ApiKey::parse(text(&key, "key").as_bytes()).unwrap();
    let path = format!("/sync/v1/resolve/{}?keys=3", key.digest().to_hex());
    let (_, bytes) = api.sync(PROXY, Method::GET, &path, vec![]).await;
    let answer = Frame::decode(&bytes).unwrap();
    assert_eq!(answer.tiers[0].name.as_str(), "gold");
}

#[tokio::test]
async fn a_held_poll_is_answered_by_a_change_of_a_tier() {
    let api = Api::new().await;
    let mut proxy = Proxy::default();
    proxy.follow(&api, "").await;
    let change = json!({"requests_per_minute": 30});
    let asked = api.ask(ADMIN, Method::PATCH, "/admin/v1/tiers/free", Some(change));
    let (frame, _) = tokio::join!(proxy.poll(&api, "&wait=20000"), asked);
    let told = &frame.tiers[0];
    assert_eq!(told.name.as_str(), "free");
    let rate = told.tier.as_ref().unwrap().requests_per_minute.get();
    assert_eq!(rate, 30);
}
