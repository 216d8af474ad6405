//! Members and credit.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::common::http::*;

#[tokio::test]
async fn members_and_credit_of_a_team() {
    let api = Api::new().await;
    api.key("acme").await;
    let member = |email: &str| Some(json!({"email": email, "role": "owner"}));
    for (email, status) in [
        ("a@example.com", 200),
        ("no address", 400),
        ("a@b@c.d", 400),
        ("@example.com", 400),
    ] {
        let (got, json) = api
            .ask(
                ADMIN,
                Method::PUT,
                "/admin/v1/teams/acme/members",
                member(email),
            )
            .await;
        assert_eq!(got.as_u16(), status, "{email}: {json}");
    }
    assert_eq!(
        api.get("/admin/v1/teams/acme/members").await["data"][0]["email"],
        "a@example.com"
    );
    let (gone, _) = api
        .ask(
            ADMIN,
            Method::DELETE,
            "/admin/v1/teams/acme/members/a@example.com",
            None,
        )
        .await;
    assert_eq!(gone, StatusCode::NO_CONTENT);
    let top_up = || {
        let body = Some(json!({"amount_usd": "25.50", "note": "invoice 7"}));
        api.ask_with(
            ADMIN,
            Method::POST,
            "/admin/v1/teams/acme/credit",
            body,
            &[("idempotency-key", "i7")],
        )
    };
    for _ in 0..2 {
        let (_, team) = top_up().await;
        assert_eq!(
            (&team["balance_nano_usd"], &team["prepaid"]),
            (&json!(25_500_000_000_i64), &json!(true))
        );
    }
    let ledger = api.get("/admin/v1/teams/acme/ledger").await;
    assert_eq!(ledger["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&ledger["data"][0]["kind"], &ledger["data"][0]["note"]),
        (&json!("top_up"), &json!("invoice 7"))
    );
}
