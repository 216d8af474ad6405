//! The page of proxies: how far each is, and what it tells of itself.

use serde_json::json;

use crate::common::browser::*;
use crate::common::http::*;

/// Polls as `proxy` until the administrator's page satisfies `shown`.
async fn shown(
    api: &Api,
    admin: &mut Browser<'_>,
    poll: &str,
    shown: impl Fn(&str) -> bool,
) -> String {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        if !poll.is_empty() {
            api.frame(poll).await;
        }
        let page = admin.get("/users/admin/proxies/").await.body;
        if shown(&page) {
            return page;
        }
        assert!(tokio::time::Instant::now() < deadline, "{page}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn proxies_are_shown_with_how_far_they_are() {
    let api = Api::new().await;
    let mut admin = Browser::signed_in(&api, "ada@example.com", true).await;
    let none = admin.get("/users/admin/proxies/").await.body;
    assert!(none.contains("No proxy has been heard"));
    let head = api.frame("/sync/v1/changes").await;
    let poll = format!(
        "/sync/v1/changes?epoch={}&since={}&proxy=envoy-1",
        head.epoch, head.to
    );
    shown(&api, &mut admin, &poll, |page| page.contains("envoy-1")).await;
    let _ = api.key("acme").await;
    let page = admin.get("/users/admin/proxies/").await.body;
    assert!(page.contains("0 of 1") && page.contains("behind"), "{page}");
    assert!(
        page.contains("unknown"),
        "what an older filter does not tell"
    );
}

#[tokio::test]
async fn proxies_are_shown_with_what_they_tell_of_themselves() {
    let api = Api::new().await;
    let mut admin = Browser::signed_in(&api, "ada@example.com", true).await;
    let head = api.frame("/sync/v1/changes").await;
    let tiers = api.get("/admin/v1/tiers").await;
    let tier = &tiers["data"][0];
    let (name, rates) = (text(tier, "name"), |field: &str| {
        tier[field].as_u64().unwrap() as u32
    });
    let same =
        gmtech_core::tier::Tier::of_rates(rates("requests_per_minute"), rates("tokens_per_minute"));
    let same = same.unwrap().fingerprint();
    let poll = |proxy: &str, tiers: &str| {
        format!(
            "/sync/v1/changes?epoch={}&since={}&proxy={proxy}&filter=9.8.7&held=1234&tiers={tiers}",
            head.epoch, head.to
        )
    };
    let equal = poll("envoy-1", &format!("{name}:{same}"));
    let page = shown(&api, &mut admin, &equal, |page| page.contains("9.8.7")).await;
    assert!(
        page.contains("1,234") && page.contains("As the service's"),
        "{page}"
    );
    assert!(
        !admin
            .get("/users/admin/tiers/")
            .await
            .body
            .contains("Differs at")
    );

    // Text that is no version or fingerprint is left out, and a tier that only the proxy has is no difference.
    let other = poll("envoy-2", &format!("{name}:0a0b,mine:0c,:,x,%20:1"));
    let page = shown(&api, &mut admin, &other, |page| page.contains("envoy-2")).await;
    assert!(page.contains(&format!("Differ: {name}")), "{page}");
    assert!(page.contains("Only there: mine"), "{page}");
    let listed = admin.get("/users/admin/tiers/").await.body;
    assert!(listed.contains("Differs at 1 proxy"), "{listed}");
    let told = api.get("/admin/v1/proxies").await;
    for (field, of) in [
        ("filter_version", json!("9.8.7")),
        ("keys_held", json!(1234)),
        ("behind", json!(0)),
        ("live", json!(true)),
        ("tiers_different", json!([name])),
        ("tiers_only_configured", json!(["mine"])),
    ] {
        assert_eq!(told["data"][1][field], of, "{field}");
    }
    assert_eq!(told["data"][0]["tiers_different"], json!([]));
}

#[tokio::test]
async fn a_proxy_that_is_silent_is_gone() {
    let api = Api::with(|config| config.live_window = std::time::Duration::from_millis(1)).await;
    let mut admin = Browser::signed_in(&api, "ada@example.com", true).await;
    let head = api.frame("/sync/v1/changes").await;
    let poll = format!(
        "/sync/v1/changes?epoch={}&since={}&proxy=envoy-1",
        head.epoch, head.to
    );
    api.frame(&poll).await;
    let page = shown(&api, &mut admin, "", |page| page.contains("Gone")).await;
    assert!(
        page.contains("0 of 0") && page.contains("gone within a day"),
        "{page}"
    );
}
