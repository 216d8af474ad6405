//! Roles and policies over HTTP.

use axum::http::Method;
use serde_json::{Value, json};

use crate::common::http::*;

/// A token of acme's administrator.
async fn team_admin(api: &Api) -> String {
    let asked = json!({"name": "t", "role": "team_admin", "team": "acme"});
    let made = api.post("/admin/v1/tokens", asked).await;
    text(&made, "token").to_owned()
}

#[tokio::test]
async fn a_team_stays_within_its_policy() {
    let api = Api::new().await;
    let made = api.key("acme").await;
    let key = format!("keys/{}", text(&made, "id"));
    let team = team_admin(&api).await;
    let (patch, post) = (Method::PATCH, Method::POST);
    let new = |fields: Value| {
        let mut new = json!({"team": "acme", "name": "n"});
        new.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        new
    };
    let policy = json!({"policy": {"allowed_tiers": ["free", "pro"], "limits": {"requests_per_minute": 100}, "max_keys": 2}});
    let limits = |n: u64| json!({"limits": {"requests_per_minute": n}});
    let day = |n: u64| json!({"budgets": {"day_nano_usd": n}});
    // A request, and the answers to the team's administrator and to an administrator of the service.
    for (case, method, path, body, answers) in [
        ("a policy", &patch, "teams/acme", policy.clone(), [403, 0]),
        (
            "an end",
            &Method::POST,
            "teams/acme/close",
            Value::Null,
            [403, 0],
        ),
        (
            "another tier",
            &patch,
            &*key,
            json!({"tier": "pro"}),
            [403, 0],
        ),
        (
            "another tier, new",
            &post,
            "keys",
            new(json!({"tier": "pro"})),
            [403, 0],
        ),
        (
            "many, one of another tier",
            &post,
            "keys/batch",
            json!({"keys": [new(json!({})), new(json!({"tier": "pro"}))]}),
            [403, 0],
        ),
        (
            "the largest number",
            &patch,
            &*key,
            limits(1_000_000_000),
            [403, 0],
        ),
        (
            "what no limit can be",
            &patch,
            &*key,
            limits(4_294_967_295),
            [400, 400],
        ),
        ("a limit", &patch, &*key, limits(50), [403, 200]),
        ("a lower limit", &patch, &*key, limits(40), [200, 200]),
        ("no limit", &patch, &*key, json!({"limits": {}}), [403, 0]),
        ("a budget", &patch, &*key, day(10), [200, 200]),
        ("a higher budget", &patch, &*key, day(11), [403, 200]),
        ("no budget", &patch, &*key, json!({"budgets": {}}), [403, 0]),
        (
            "a name",
            &patch,
            &*key,
            json!({"name": "mine", "tags": ["a"], "metadata": {"k": "v"}}),
            [200, 200],
        ),
        ("its policy", &patch, "teams/acme", policy, [403, 200]),
        (
            "a tier of the policy",
            &patch,
            &*key,
            json!({"tier": "pro"}),
            [200, 200],
        ),
        ("a limit within", &patch, &*key, limits(100), [200, 200]),
        ("a limit beyond", &patch, &*key, limits(101), [403, 0]),
        ("a second key", &post, "keys", new(json!({})), [201, 0]),
        ("a third key", &post, "keys", new(json!({})), [403, 201]),
    ] {
        let body = Some(body).filter(|body| !body.is_null());
        for (token, expected) in [&*team, ADMIN].into_iter().zip(answers) {
            if expected == 0 {
                continue;
            }
            let path = format!("/admin/v1/{path}");
            let (status, json) = api.ask(token, method.clone(), &path, body.clone()).await;
            assert_eq!(status.as_u16(), expected, "{case}: {json}");
            if expected == 403 {
                assert_eq!(text(&json["error"], "code"), "permission_denied", "{case}");
                let told = text(&json["error"], "message");
                assert!(told.contains("admin"), "{case}: {told}");
            }
        }
    }
    api.post(&format!("/admin/v1/{key}/suspend"), json!({}))
        .await;
    let path = format!("/admin/v1/{key}/resume");
    let (status, json) = api.ask(&team, Method::POST, &path, Some(json!({}))).await;
    assert_eq!(status.as_u16(), 403, "{json}");
    assert_eq!(json["error"]["param"], "status");
    let shown = api.get(&format!("/admin/v1/{key}")).await;
    assert_eq!(
        (text(&shown, "status"), text(&shown, "suspended_by")),
        ("suspended", "admin")
    );
}

#[tokio::test]
async fn a_rotated_key_names_its_predecessor() {
    let api = Api::new().await;
    let made = api.key("acme").await;
    let id = text(&made, "id");
    let path = format!("/admin/v1/keys/{id}/rotate");
    let rotate = || {
        api.ask_with(
            ADMIN,
            Method::POST,
            &path,
            Some(json!({})),
            &[("idempotency-key", "r")],
        )
    };
    let (first, new) = rotate().await;
    let (second, again) = rotate().await;
    assert_eq!((first.as_u16(), second.as_u16()), (201, 200));
    assert_eq!((again["key"].is_null(), &again["id"]), (true, &new["id"]));
    assert_eq!(new["rotated_from"], made["id"]);
    assert_eq!(
        (&new["lineage"], &made["lineage"]),
        (&made["id"], &made["id"])
    );
    let log = api
        .get(&format!("/admin/v1/audit?subject={}", text(&new, "id")))
        .await;
    assert_eq!(log["data"][0]["action"], "key.create");
    assert_eq!(log["data"][0]["detail"]["rotated_from"], made["id"]);
}

#[tokio::test]
async fn a_repeated_creation_returns_the_same_object() {
    let api = Api::new().await;
    api.key("acme").await;
    let key = json!({"team": "acme", "name": "b"});
    for (path, body, other) in [
        (
            "keys/batch",
            json!({"keys": [key, key]}),
            json!({"keys": [key]}),
        ),
        ("teams", json!({"id": "umbrella"}), json!({"id": "hooli"})),
        (
            "tokens",
            json!({"name": "t", "role": "reader"}),
            json!({"name": "u", "role": "reader"}),
        ),
    ] {
        let (path, token) = (format!("/admin/v1/{path}"), format!("once-{path}"));
        let once = [("idempotency-key", &*token)];
        let ask = |body: Value| api.ask_with(ADMIN, Method::POST, &path, Some(body), &once);
        let (first, made) = ask(body.clone()).await;
        let (second, again) = ask(body).await;
        assert_eq!(
            (first.as_u16(), second.as_u16()),
            (201, 200),
            "{path} {again}"
        );
        let ids = |answer: &Value| match answer["data"].as_array() {
            Some(many) => many.iter().map(|one| one["id"].clone()).collect(),
            None => vec![answer["id"].clone()],
        };
        assert_eq!(ids(&made), ids(&again), "{path}");
        for hidden in ["key", "token"] {
            assert!(
                again[hidden].is_null() && again["data"][0][hidden].is_null(),
                "{path}"
            );
        }
        let (third, json) = ask(other).await;
        // An idempotency key belongs to one request, whatever its kind.
        assert_eq!(third.as_u16(), 409, "{path} {json}");
        let (gone, _) = api
            .ask(ADMIN, Method::GET, "/admin/v1/teams/hooli", None)
            .await;
        assert_eq!(gone.as_u16(), 404);
    }
}

#[tokio::test]
async fn every_field_of_a_key_is_shown_and_can_be_searched() {
    let api = Api::new().await;
    api.key("acme").await;
    let member = json!({"email": "a@example.com", "role": "developer"});
    api.ask(
        ADMIN,
        Method::PUT,
        "/admin/v1/teams/acme/members",
        Some(member),
    )
    .await;
    let asked = json!({"team": "acme", "name": "Nightly", "owner": "a@example.com", "tags": ["ci", "b/c:d"],
        "metadata": {"ticket": "OPS-7"}, "allowed_ips": ["203.0.113.0/24", "2001:db8::1"], "endpoints": ["files", "chat_completions"],
        "expires_at": "2099-01-01T00:00:00Z", "budgets": {"week_nano_usd": 7, "soft": {"day_nano_usd": 5}, "models": {"o3*": {"total_nano_usd": 9}}}});
    let made = api.post("/admin/v1/keys", asked.clone()).await;
    for field in ["name", "owner", "metadata", "allowed_ips", "expires_at"] {
        assert_eq!(made[field], asked[field], "{field}");
    }
    assert_eq!(made["tags"], json!(["b/c:d", "ci"]));
    assert_eq!(made["endpoints"], json!(["chat_completions", "files"]));
    assert_eq!(
        (
            &made["budgets"]["week_nano_usd"],
            &made["budgets"]["models"]["o3*"]["total_nano_usd"]
        ),
        (&json!(7), &json!(9))
    );
    assert_eq!(
        (&made["over_soft_budget"], &made["spent_models"]),
        (&json!(false), &json!([]))
    );
    for (query, found) in [
        ("tag=ci", true),
        ("tag=other", false),
        ("owner=a@example.com", true),
        ("search=NIGHT", true),
        ("search=day", false),
        ("status=active&tier=free&team=acme&tag=b/c:d", true),
        ("status=over_budget", false),
        ("expires_before=2099-01-02T00:00:00Z&sort=expires", true),
        ("expires_after=2099-01-02T00:00:00Z", false),
        ("sort=name&reverse=true", true),
    ] {
        let list = api.get(&format!("/admin/v1/keys?{query}")).await;
        let ids: Vec<_> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|k| &k["id"])
            .collect();
        assert_eq!(ids.contains(&&made["id"]), found, "{query}");
    }
}
