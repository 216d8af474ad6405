//! The keys of a team, as people see and change them.

use axum::http::header::CACHE_CONTROL;
use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::common::browser::{Answer, Browser};
use crate::common::http::{ADMIN, Api};

const NEW: &str = "/users/api-keys/new?team=acme";
const LIST: &str = "/users/api-keys/?team=acme";

/// The text of a key on the page that shows it.
fn shown_key(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("value=\"gmtech_")?;
    Some(rest.split_once('"')?.0)
}

/// The id of the key that a page is about.
fn id_in(page: &str) -> String {
    let (_, rest) = page.split_once("/users/api-keys/key_").unwrap();
    let end = rest.find(['/', '?', '"']).unwrap();
    format!("key_{}", &rest[..end])
}

fn once_in(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("name=\"once\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

async fn made(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> String {
    let answer = browser.post(NEW, fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    id_in(&answer.body)
}

#[tokio::test]
async fn a_key_is_shown_once_and_made_once() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "ada@acme.example", "owner").await;
    let empty = owner.get(LIST).await;
    assert!(empty.body.contains("No API keys yet"), "{}", empty.body);
    assert!(empty.body.contains("Create New API Key") && empty.body.contains("Beta"));
    let once = once_in(&owner.get(NEW).await);
    let form = [
        ("once", once.as_str()),
        ("name", "checkout"),
        ("tags", "prod, eu"),
    ];
    let first = owner.post(NEW, &form).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.headers[CACHE_CONTROL], "no-store");
    let key = shown_key(&first.body).expect("the key is shown").to_owned();
    assert_eq!(first.body.matches(&key).count(), 1, "in one place only");
    let id = id_in(&first.body);
    // A reload sends the same form again.
    let again = owner.post(NEW, &form).await;
    assert_eq!(again.status, StatusCode::OK);
    assert!(shown_key(&again.body).is_none());
    assert!(again.body.contains("This key has been made already"));
    assert_eq!(id_in(&again.body), id);
    let list = owner.get(LIST).await;
    assert!(list.body.contains("1 key<"), "{}", list.body);
    for path in [LIST.to_owned(), format!("/users/api-keys/{id}/?team=acme")] {
        let page = owner.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(
            page.body.contains("checkout") && page.body.contains("prod"),
            "{path}"
        );
        assert!(!page.body.contains(&key), "{path}");
    }
}

#[tokio::test]
async fn mistakes_stand_beside_their_field_and_what_was_typed_stays() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "ada@acme.example", "owner").await;
    for (field, typed) in [
        ("name", ""),
        ("tier", "gold"),
        ("owner", "nobody@elsewhere.example"),
        ("tags", "a<b"),
        ("models", "a*b*"),
        ("allowed_ips", "300.1.1.1"),
        ("requests_per_minute", "0"),
        ("tokens_per_minute", "4000000000"),
        ("budget_month", "lots"),
        ("expires_at", "2001-01-01T00:00"),
    ] {
        let mut form = vec![("once", "x"), ("name", "typed-name"), (field, typed)];
        if field == "name" {
            form.remove(1);
        }
        let answer = owner.post(NEW, &form).await;
        let body = &answer.body;
        assert_ne!(answer.status, StatusCode::OK, "{field}");
        assert!(
            answer.status.is_client_error(),
            "{field}: {}",
            answer.status
        );
        assert!(
            body.contains(&format!("id=\"{field}-error\"")),
            "{field}: {body}"
        );
        assert!(
            field == "name" || body.contains("value=\"typed-name\""),
            "{field}"
        );
        assert!(shown_key(body).is_none(), "{field}");
    }
    assert!(owner.get(LIST).await.body.contains("No API keys yet"));
}

#[tokio::test]
async fn names_are_text_wherever_they_stand() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "ada@acme.example", "owner").await;
    let name = "<script>alert(1)</script>\"'><img src=x>";
    let id = made(&mut owner, &[("name", name)]).await;
    for what in ["", "edit", "revoke", "rotate", "receipt"] {
        let page = owner
            .get(&format!("/users/api-keys/{id}/{what}?team=acme"))
            .await;
        assert_eq!(page.status, StatusCode::OK, "{what}");
        assert!(
            !page.body.contains("<script>alert") && !page.body.contains("<img"),
            "{what}"
        );
        assert!(page.body.contains("&lt;script&gt;alert(1)"), "{what}");
    }
    for query in [
        "search", "owner", "tag", "status", "tier", "sort", "look", "after",
    ] {
        let page = owner.get(&format!("{LIST}&{query}=%3Cscript%3E%22")).await;
        assert!(!page.body.contains("<script>\""), "{query}");
    }
}

#[tokio::test]
async fn filters_are_in_the_address() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "ada@acme.example", "owner").await;
    let policy = json!({"policy": {"allowed_tiers": ["free", "pro"]}});
    api.ask(ADMIN, Method::PATCH, "/admin/v1/teams/acme", Some(policy))
        .await;
    made(
        &mut owner,
        &[("name", "alpha"), ("tags", "prod"), ("budget_day", "5")],
    )
    .await;
    made(
        &mut owner,
        &[
            ("name", "beta"),
            ("tier", "pro"),
            ("owner", "ada@acme.example"),
        ],
    )
    .await;
    let gone = made(
        &mut owner,
        &[("name", "gamma"), ("expires_at", "2999-01-01T00:00")],
    )
    .await;
    owner
        .post(&format!("/users/api-keys/{gone}/revoke"), &[])
        .await;
    for (query, names) in [
        ("", &["alpha", "beta", "gamma"][..]),
        ("search=LPH", &["alpha"]),
        ("status=active", &["alpha", "beta"]),
        ("status=revoked", &["gamma"]),
        ("tier=pro", &["beta"]),
        ("owner=ada@acme.example", &["beta"]),
        ("tag=prod", &["alpha"]),
        ("tag=prod&status=revoked", &[]),
        ("look=no_budget", &["beta"]),
        ("look=never_expires", &["alpha", "beta"]),
        ("look=unused", &[]),
    ] {
        let page = owner.get(&format!("{LIST}&{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        for name in ["alpha", "beta", "gamma"] {
            let row = format!(">{name}</a>");
            assert_eq!(
                page.body.contains(&row),
                names.contains(&name),
                "{query}: {name}"
            );
        }
        assert_eq!(
            page.body.contains("Show all keys"),
            names.is_empty() || query.starts_with("look"),
            "{query}"
        );
    }
    let wrong = owner.get(&format!("{LIST}&owner=no-address")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("id=\"owner-error\""));
}

#[tokio::test]
async fn a_key_is_edited_suspended_rotated_and_revoked() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "ada@acme.example", "owner").await;
    let id = made(&mut owner, &[("name", "ci"), ("budget_day", "5")]).await;
    let to = |what: &str| format!("/users/api-keys/{id}/{what}?team=acme");
    let edit = [
        ("name", "ci-2"),
        ("tier", "free"),
        ("budget_day", "4.50"),
        ("models", "gpt-4o*"),
    ];
    let saved = owner.post(&to("edit"), &edit).await;
    assert_eq!(
        (saved.status, saved.location()),
        (StatusCode::SEE_OTHER, &*to(""))
    );
    let page = owner.get(&to("")).await;
    for text in [
        "“ci-2” is saved",
        "$4.50",
        "gpt-4o*",
        "key.update",
        "ada@acme.example",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(
        !owner.get(&to("")).await.body.contains("is saved"),
        "said once"
    );
    for (what, says) in [("suspend", "Suspended"), ("resume", "Active")] {
        let done = owner.post(&to(what), &[]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{what}: {}", done.body);
        assert!(owner.get(&to("")).await.body.contains(says), "{what}");
    }
    let wrong = owner
        .post(&to("rotate"), &[("grace", "other"), ("hours", "0")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("id=\"hours-error\""));
    let rotated = owner
        .post(&to("rotate"), &[("once", "r"), ("grace", "3600")])
        .await;
    assert!(shown_key(&rotated.body).is_some(), "{}", rotated.body);
    assert!(rotated.body.contains("works until"));
    let asked = owner.get(&to("revoke")).await;
    assert!(asked.body.contains("Revoke “ci-2”"));
    let revoked = owner.post(&to("revoke"), &[]).await;
    assert_eq!(revoked.location(), to("receipt"));
    let receipt = owner.get(&to("receipt")).await;
    assert!(receipt.body.contains("is revoked"), "{}", receipt.body);
    let page = owner.get(&to("")).await;
    assert!(page.body.contains("Revoked") && !page.body.contains(&to("edit")));
    let again = owner.post(&to("resume"), &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn each_role_sees_and_does_what_it_may() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "ada@acme.example", "owner").await;
    let others = made(&mut owner, &[("name", "others")]).await;
    let mut developer = Browser::member(&api, "acme", "dev@acme.example", "developer").await;
    let own = made(&mut developer, &[("name", "own")]).await;
    let mut developer_too = Browser::signed_in(&api, "dev@acme.example", false).await;
    let mut viewer = Browser::member(&api, "acme", "eye@acme.example", "viewer").await;
    let mut stranger = Browser::member(&api, "other", "bob@other.example", "owner").await;
    let (yes, no, none) = (StatusCode::OK, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND);
    for (who, browser, key, sees, changes) in [
        (
            "owner, of another's",
            &mut owner,
            &own,
            yes,
            StatusCode::SEE_OTHER,
        ),
        (
            "developer, of his own",
            &mut developer,
            &own,
            yes,
            StatusCode::SEE_OTHER,
        ),
        (
            "developer, of another's",
            &mut developer_too,
            &others,
            yes,
            no,
        ),
        ("viewer", &mut viewer, &own, yes, no),
        ("stranger", &mut stranger, &own, none, none),
    ]
        as [(&str, &mut Browser<'_>, &String, StatusCode, StatusCode); 5]
    {
        let page = browser.get(&format!("/users/api-keys/{key}/")).await;
        assert_eq!(page.status, sees, "{who}");
        let offered = page.body.contains(&format!("/users/api-keys/{key}/edit"));
        assert_eq!(offered, changes == StatusCode::SEE_OTHER, "{who}");
        for what in ["suspend", "resume"] {
            let done = browser
                .post(&format!("/users/api-keys/{key}/{what}"), &[])
                .await;
            assert_eq!(done.status, changes, "{who}: {what}");
        }
        for what in ["edit", "rotate", "revoke"] {
            let asked = browser.get(&format!("/users/api-keys/{key}/{what}")).await;
            let may = if changes == StatusCode::SEE_OTHER {
                yes
            } else {
                changes
            };
            assert_eq!(asked.status, may, "{who}: {what}");
        }
    }
    let list = viewer.get(LIST).await;
    assert!(list.body.contains(">own</a>") && !list.body.contains("Create New API Key"));
    assert_eq!(viewer.get(NEW).await.status, no);
    assert_eq!(viewer.post(NEW, &[("name", "x")]).await.status, no);
    for path in [LIST, NEW] {
        assert_eq!(stranger.get(path).await.status, none, "{path}");
    }
    assert_eq!(stranger.post(NEW, &[("name", "x")]).await.status, none);
    // Without the proof that a page of this session made the form, nothing is done.
    let bare = format!("/users/api-keys/{own}/revoke");
    assert_eq!(owner.post_bare(&bare, &[]).await.status, no);
    assert!(!owner.get(LIST).await.body.contains("badge-bad\">Revoked<"));
}
