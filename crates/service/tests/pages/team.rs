//! The team's page: what each role sees and may do there.

use axum::http::StatusCode;

use crate::common::browser::*;
use crate::common::http::*;

const SEES: u16 = 200;
const DONE: u16 = 303;
const REFUSED: u16 = 403;
const NONE: u16 = 404;

#[tokio::test]
async fn each_role_sees_and_does_what_it_may() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "owner@example.com", "owner").await;
    let mut developer = Browser::member(&api, "acme", "dev@example.com", "developer").await;
    let mut viewer = Browser::member(&api, "acme", "viewer@example.com", "viewer").await;
    let mut stranger = Browser::member(&api, "umbrella", "x@example.com", "owner").await;
    for page in ["", "credit", "alerts", "policy", "audit"] {
        let path = format!("/users/team/{page}?team=acme");
        for (browser, status) in [
            (&mut owner, SEES),
            (&mut developer, SEES),
            (&mut viewer, SEES),
            (&mut stranger, NONE),
        ] {
            assert_eq!(browser.get(&path).await.status.as_u16(), status, "{path}");
        }
    }
    let role: &[(&str, &str)] = &[("email", "viewer@example.com"), ("role", "viewer")];
    let invitation: &[(&str, &str)] = &[("email", "new@example.com"), ("role", "viewer")];
    let gone: &[(&str, &str)] = &[("email", "viewer@example.com")];
    let credit: &[(&str, &str)] = &[("amount_usd", "5"), ("note", "x"), ("once", "o1")];
    // The owner comes last: what he does is done.
    for (path, fields, as_owner) in [
        ("role", role, DONE),
        ("invite", invitation, SEES),
        ("credit", credit, REFUSED),
        ("remove", gone, DONE),
    ] {
        let path = format!("/users/team/{path}?team=acme");
        for (browser, status) in [
            (&mut stranger, NONE),
            (&mut viewer, REFUSED),
            (&mut developer, REFUSED),
            (&mut owner, as_owner),
        ] {
            let answer = browser.post(&path, fields).await;
            assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
        }
    }
    let body = developer.get("/users/team/?team=acme").await.body;
    assert!(!body.contains("new@example.com"), "invited by owners only");
    // The first view says what was done.
    owner.get("/users/team/?team=acme").await;
    let body = owner.get("/users/team/?team=acme").await.body;
    assert!(body.contains("new@example.com") && !body.contains("viewer@example.com"));
}

#[tokio::test]
async fn the_last_owner_stays_one() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "owner@example.com", "owner").await;
    let own = ("email", "owner@example.com");
    for (path, fields) in [
        ("role", vec![own, ("role", "viewer")]),
        ("remove", vec![own]),
    ] {
        let path = format!("/users/team/{path}?team=acme");
        let answer = owner.post(&path, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("the last owner of the team"));
    }
    let mut other = Browser::member(&api, "acme", "other@example.com", "owner").await;
    let step_down = [own, ("role", "viewer")];
    let answer = owner.post("/users/team/role?team=acme", &step_down).await;
    assert_eq!(answer.status.as_u16(), DONE, "there is another one");
    let page = other.get("/users/team/?team=acme").await;
    assert_eq!(page.status.as_u16(), SEES);
}

#[tokio::test]
async fn credit_is_added_once_with_a_note_and_mistakes_are_beside_their_field() {
    let api = Api::new().await;
    let mut admin = Browser::signed_in(&api, "root@example.com", true).await;
    api.post("/admin/v1/teams", serde_json::json!({"id": "acme"}))
        .await;
    let path = "/users/team/credit?team=acme";
    for (amount, note, field) in [
        ("much", "x", "amount_usd-error"),
        ("0", "x", "amount_usd-error"),
        ("0.0000000001", "x", "amount_usd-error"),
        ("5", " ", "note-error"),
    ] {
        let typed = [("amount_usd", amount), ("note", note), ("once", "a1")];
        let answer = admin.post(path, &typed).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{amount}");
        assert!(answer.body.contains(field), "{amount}");
        assert!(
            answer.body.contains(&format!("value=\"{amount}\"")),
            "it stays"
        );
    }
    let typed = [
        ("amount_usd", "$25.000000001"),
        ("note", "Invoice 7"),
        ("once", "a2"),
    ];
    for _ in 0..2 {
        assert_eq!(admin.post(path, &typed).await.status.as_u16(), DONE);
    }
    let team = api.get("/admin/v1/teams/acme").await;
    assert_eq!(team["balance_nano_usd"], 25_000_000_001_i64, "once");
    assert!(admin.get(path).await.body.contains("Invoice 7"));
}

#[tokio::test]
async fn the_audit_log_is_filtered_by_its_address() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "owner@example.com", "owner").await;
    let fields = [("email", "dev@example.com"), ("role", "developer")];
    owner.post("/users/team/role?team=acme", &fields).await;
    for (filters, found) in [
        ("", true),
        ("actor=owner@example.com", true),
        ("actor=nobody@example.com", false),
        ("action=team.member.put&actor=owner%40example.com", true),
        ("action=key.revoke", false),
        ("from=2999-01-01", false),
        ("actor=&action=&subject=&from=&to=", true),
    ] {
        let path = format!("/users/team/audit?team=acme&{filters}");
        let page = owner.get(&path).await;
        assert_eq!(page.status.as_u16(), SEES, "{filters}");
        assert_eq!(
            page.body.contains("team.member.put</code>"),
            found,
            "{filters}"
        );
        assert_eq!(page.body.contains("No entries"), !found, "{filters}");
    }
    let wrong = owner.get("/users/team/audit?team=acme&from=soon").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("from-error"));
}
