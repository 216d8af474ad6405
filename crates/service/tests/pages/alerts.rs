//! Lines about alerts, and the part of the team's page about them.

use axum::http::StatusCode;
use gmtech_service::clock::Millis;
use gmtech_service::store::NewKey;
use serde_json::json;

use crate::common::browser::*;
use crate::common::http::*;
use crate::common::{IngestOne, by, event, new_key_of};

const PART: &str = "/users/team/alerts?team=acme";
const KEYS: &str = "/users/api-keys/?team=acme";
const TEAM: &str = "/users/team/?team=acme";

fn hidden<'a>(page: &'a str, field: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("name=\"{field}\" value=\""))
        .unwrap();
    rest.split_once('"').unwrap().0
}

/// Spends this much of a monthly budget of 100, on a key with this name.
pub(crate) async fn spend(api: &Api, name: &str, cost: i64) {
    let now = Millis::now();
    let new = NewKey {
        name: name.into(),
        budgets: serde_json::from_value(json!({"month_nano_usd": 100})).unwrap(),
        ..new_key_of("acme")
    };
    let store = &api.service.store;
    let key = store.create_key(new, None, &by(now)).await.unwrap().key;
    let mut used = event(&key, now.0 as u64, cost);
    used.event.started_unix_ms = now.0 as u64;
    store.ingest(&[used], now).await.unwrap();
}

#[tokio::test]
async fn a_line_says_what_is_used_until_each_person_puts_it_away() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "owner@example.com", "owner").await;
    let mut viewer = Browser::member(&api, "acme", "viewer@example.com", "viewer").await;
    let mut stranger = Browser::member(&api, "umbrella", "x@example.com", "owner").await;
    let line = "80 % of this month&#39;s budget of key &lt;ci&gt; is used.";
    let line_plain = "80 % of this month's budget of key &lt;ci&gt; is used.";
    let has = |body: &str| body.contains(line) || body.contains(line_plain);
    assert!(!owner.get(KEYS).await.body.contains("Dismiss"));
    spend(&api, "<ci>", 80).await;
    for path in [KEYS, TEAM] {
        for browser in [&mut owner, &mut viewer] {
            let page = browser.get(path).await;
            assert!(has(&page.body), "{path}: {}", page.body);
            assert!(!page.body.contains("50 % of this month"), "80 % says it");
        }
    }
    let page = viewer.get(KEYS).await.body;
    let alert = hidden(&page, "alert").to_owned();
    let to = "/users/alerts/dismiss?team=acme&on=keys";
    let fields = [("alert", alert.as_str())];
    assert_eq!(
        stranger.post(to, &fields).await.status,
        StatusCode::NOT_FOUND
    );
    let of_own = "/users/alerts/dismiss?team=umbrella&on=keys";
    assert_eq!(
        stranger.post(of_own, &fields).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        viewer.post_bare(to, &fields).await.status,
        StatusCode::FORBIDDEN,
        "without csrf"
    );
    let done = viewer.post(to, &fields).await;
    assert_eq!(
        (done.status, done.location()),
        (StatusCode::SEE_OTHER, KEYS)
    );
    for path in [KEYS, TEAM] {
        assert!(!has(&viewer.get(path).await.body), "{path}");
        assert!(
            has(&owner.get(path).await.body),
            "{path}: for others it stays"
        );
    }
    assert!(has(&viewer.get(PART).await.body), "in the list it stays");
    for n in 0..7 {
        spend(&api, &format!("key-{n}"), 100).await;
    }
    let page = owner.get(KEYS).await.body;
    assert_eq!(page.matches(">Dismiss<").count(), 5);
    assert!(page.contains("3 more alerts"));
}

#[tokio::test]
async fn owners_look_after_addresses_and_others_do_not_see_them() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "owner@example.com", "owner").await;
    let mut developer = Browser::member(&api, "acme", "dev@example.com", "developer").await;
    let mut stranger = Browser::member(&api, "umbrella", "x@example.com", "owner").await;
    let url = "https://hooks.example.com/<gmtech>";
    for (typed, says) in [
        ("http://hooks.example.com", "must begin with https://"),
        ("x", "url must be"),
    ] {
        let answer = owner.post(PART, &[("url", typed), ("name", "n")]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            answer.body.contains("url-error") && answer.body.contains(says),
            "{typed}"
        );
        assert!(
            answer.body.contains(&format!("value=\"{typed}\"")),
            "it stays"
        );
    }
    let added = owner.post(PART, &[("url", url), ("name", "<b>")]).await;
    assert_eq!(added.status, StatusCode::OK);
    assert_eq!(added.headers["cache-control"], "no-store");
    assert!(added.body.contains("whsec_") && !added.body.contains("<b>"));
    let page = owner.get(PART).await.body;
    assert!(
        page.contains("hooks.example.com") && !page.contains("whsec_"),
        "once"
    );
    let body = developer.get(PART).await.body;
    assert!(!body.contains("hooks.example.com") && !body.contains("Add an address"));
    let id = hidden(&page, "id").to_owned();
    let remove = format!("/users/team/alerts/remove?team=acme&id={id}");
    assert_eq!(developer.get(&remove).await.status, StatusCode::FORBIDDEN);
    assert!(owner.get(&remove).await.body.contains("Remove address"));
    let fields = [
        ("id", id.as_str()),
        ("enabled", "false"),
        ("url", "https://x.example/"),
        ("name", ""),
    ];
    for (path, done) in [
        ("/switch", StatusCode::SEE_OTHER),
        ("/rotate", StatusCode::OK),
        ("", StatusCode::OK),
        ("/remove", StatusCode::SEE_OTHER),
    ] {
        let path = format!("/users/team/alerts{path}?team=acme");
        assert_eq!(
            stranger.post(&path, &fields).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
        assert_eq!(
            developer.post(&path, &fields).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        assert_eq!(owner.post(&path, &fields).await.status, done, "{path}");
    }
    let page = owner.get(PART).await.body;
    assert!(!page.contains("gmtech&gt;"), "it was removed");
}
