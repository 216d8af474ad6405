//! What each visitor sees and may do: every route, and each of nobody, another team's owner, the team's roles, an administrator.

use axum::http::{Method, header};

use crate::common::http::*;
use crate::routes::*;

#[tokio::test]
async fn each_visitor_is_answered_as_the_table_says() {
    let api = stage().await;
    let mut wrong = Vec::new();
    for row in rows() {
        for (who, expected) in row.visitors() {
            let mut browser = visitor(&api, who).await;
            let filled = fill(&api, &row, Things::There).await;
            let answer = filled.send(&mut browser).await;
            if called(&answer) != expected {
                wrong.push(format!(
                    "{} {} by {who}: {} and not {expected}",
                    filled.method,
                    filled.address,
                    called(&answer)
                ));
            }
            let kind = answer.headers.get(header::CONTENT_TYPE);
            let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
            let shows = answer.status.as_u16() >= 400 || row.does != Does::GivesData;
            if !answer.status.is_redirection()
                && shows
                && !(is_page && answer.body.contains("<main"))
            {
                wrong.push(format!("{} by {who}: no page", filled.address));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The number of entries of the audit log, in which every change leaves one.
pub(crate) async fn changes(api: &Api) -> usize {
    let log = api.get("/admin/v1/audit?limit=500").await;
    log["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn whoever_only_looks_changes_nothing() {
    for row in rows().iter().filter(|row| row.method() == Method::GET) {
        // The log's page has 500 entries: a service for each row keeps it shorter.
        let api = stage().await;
        let user = row.user().unwrap_or("nobody");
        let filled = fill(&api, row, Things::There).await;
        let mut browser = visitor(&api, user).await;
        let before = changes(&api).await;
        filled.send(&mut browser).await;
        assert_eq!(changes(&api).await, before, "{}", filled.address);
    }
}

#[tokio::test]
async fn another_team_is_told_nothing() {
    let api = stage().await;
    let mut tried = 0;
    for row in rows() {
        let of_a_team = row.answer("stranger") == "404" && row.answer("owner") != "404";
        if !of_a_team {
            continue;
        }
        let mut stranger = visitor(&api, "stranger").await;
        let theirs = fill(&api, &row, Things::There).await;
        let none = fill(&api, &row, Things::Missing).await;
        let (theirs, none) = (
            theirs.send(&mut stranger).await,
            none.send(&mut stranger).await,
        );
        assert_eq!(theirs.status, none.status, "{}", row.address);
        assert_eq!(theirs.body, none.body, "{}", row.address);
        tried += 1;
    }
    assert!(tried > 25, "{tried}");
}

/// Addresses and forms of one's own team that name something of another one.
const FOREIGN: [(Method, &str, &str); 9] = [
    (
        Method::GET,
        "/users/api-keys/live?team=umbrella&ids={key}",
        "",
    ),
    (
        Method::GET,
        "/users/api-keys/?team=umbrella&search={key}",
        "",
    ),
    (Method::GET, "/users/usage/?team=umbrella&key={key}", ""),
    (Method::GET, "/users/usage.csv?team=umbrella&key={key}", ""),
    (Method::GET, "/users/usage/live?team=umbrella&key={key}", ""),
    (
        Method::GET,
        "/users/team/audit?team=umbrella&subject={key}",
        "",
    ),
    (
        Method::GET,
        "/users/team/remove?team=umbrella&email={member}",
        "",
    ),
    (
        Method::POST,
        "/users/team/remove?team=umbrella",
        "email={member}",
    ),
    (
        Method::POST,
        "/users/team/revoke-invitation?team=umbrella",
        "id={invited}",
    ),
];

#[tokio::test]
async fn a_page_of_ones_own_team_tells_nothing_of_another_ones_things() {
    let api = stage().await;
    for (method, address, fields) in FOREIGN {
        let row = Row {
            does: match method {
                Method::POST => Does::TakesAForm,
                _ => Does::GivesData,
            },
            address,
            answers: vec![],
            fields,
        };
        let mut stranger = visitor(&api, "stranger").await;
        let mut told = Vec::new();
        for things in [Things::There, Things::Missing] {
            let filled = fill(&api, &row, things).await;
            let answer = filled.send(&mut stranger).await;
            let mut body = answer.body;
            // What was asked for stands in the answer again.
            let asked: Vec<&str> = (filled.address.split(['=', '&']))
                .chain(filled.fields.iter().map(|(_, value)| value.as_str()))
                .filter(|part| part.starts_with("key_") || part.starts_with("fresh-"))
                .collect();
            for part in asked {
                let spelled = part.replace('@', "%40");
                body = body.replace(part, "asked").replace(&spelled, "asked");
            }
            told.push((
                answer.status,
                answer.headers.get(header::LOCATION).cloned(),
                body,
            ));
        }
        assert_eq!(told[0], told[1], "{address}");
    }
    let members = api.get("/admin/v1/teams/acme/members").await.to_string();
    let removed = FOREIGN.iter().filter(|(m, ..)| *m == Method::POST).count();
    assert_eq!(removed, 2);
    assert!(
        members.matches("fresh-").count() >= 2,
        "nobody was removed: {members}"
    );
}
