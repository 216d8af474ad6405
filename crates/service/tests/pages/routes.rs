//! The table of all routes (`routes.txt`), the router that it is compared with, and what its rows are tried with.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{Method, StatusCode};
use gmtech_core::ident::KeyId;
use gmtech_service::secret::random;
use serde_json::json;

use crate::alerts::spend;
use crate::common::browser::*;
use crate::common::http::*;

const TABLE: &str = include_str!("routes.txt");

/// The visitors, in the order of the table's columns.
pub(crate) const VISITORS: [&str; 6] = [
    "nobody",
    "stranger",
    "viewer",
    "developer",
    "owner",
    "admin",
];

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    ShowsAPage,
    GivesData,
    TakesAForm,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) does: Does,
    pub(crate) address: &'static str,
    /// By visitor: `in`, or a status.
    pub(crate) answers: Vec<&'static str>,
    pub(crate) fields: &'static str,
}

impl Row {
    pub(crate) fn method(&self) -> Method {
        match self.does {
            Does::TakesAForm => Method::POST,
            _ => Method::GET,
        }
    }

    /// The visitors with what each is answered.
    pub(crate) fn visitors(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        VISITORS.into_iter().zip(self.answers.clone())
    }

    pub(crate) fn answer(&self, who: &str) -> &'static str {
        let found = self.visitors().find(|(visitor, _)| *visitor == who);
        found.unwrap().1
    }

    /// The visitor with the most rights who may use it; `None` where nobody of the table may.
    pub(crate) fn user(&self) -> Option<&'static str> {
        let may = |answer: &str| matches!(answer, "200" | "303");
        let mut visitors: Vec<_> = self.visitors().collect();
        visitors.reverse();
        visitors.iter().find(|(_, a)| may(a)).map(|(who, _)| *who)
    }

    fn path(&self) -> &'static str {
        self.address.split('?').next().unwrap()
    }
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.filter(|line| !line.trim().is_empty());
    let row = |line: &'static str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let does = match words[0] {
            "PAGE" => Does::ShowsAPage,
            "DATA" => Does::GivesData,
            "POST" => Does::TakesAForm,
            other => panic!("{other}: {line}"),
        };
        assert!((8..=9).contains(&words.len()), "{line}");
        Row {
            does,
            address: words[1],
            answers: words[2..8].to_vec(),
            fields: words.get(8).copied().unwrap_or_default(),
        }
    };
    lines.map(row).collect()
}

/// An address and a form with every word in braces filled in.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub(crate) method: Method,
    pub(crate) address: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Filled {
    /// Sends it as a page of ours does: a form with its proof.
    pub(crate) async fn send(&self, browser: &mut Browser<'_>) -> Answer {
        match self.method {
            Method::GET => browser.get(&self.address).await,
            _ => browser.post(&self.address, &self.fields()).await,
        }
    }

    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        let fields = self.fields.iter();
        fields.map(|(n, v)| (n.as_str(), v.as_str())).collect()
    }
}

/// Whether the words in braces name things that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Things {
    There,
    Missing,
}

/// The row with things made for it.
pub(crate) async fn fill(api: &Api, row: &Row, things: Things) -> Filled {
    let (mut address, mut fields) = (row.address.to_owned(), row.fields.to_owned());
    while let Some(word) = braced(&address).or_else(|| braced(&fields)) {
        let value = thing(api, &word, things).await;
        let word = format!("{{{word}}}");
        address = address.replace(&word, &value);
        fields = fields.replace(&word, &value);
    }
    if things == Things::Missing {
        address = address.replace("team=acme", "team=nobody");
    }
    Filled {
        method: row.method(),
        address,
        fields: serde_html_form::from_str(&fields).unwrap(),
    }
}

fn braced(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('{')?;
    Some(rest.split_once('}')?.0.to_owned())
}

/// A word that no test has used yet.
pub(crate) fn fresh() -> String {
    static USED: AtomicUsize = AtomicUsize::new(0);
    format!("fresh-{}", USED.fetch_add(1, Ordering::Relaxed))
}

async fn thing(api: &Api, word: &str, things: Things) -> String {
    let name = fresh();
    if things == Things::Missing {
        return match word {
            "key" | "own" => KeyId::generate(&random().unwrap()).unwrap().to_string(),
            "member" => format!("{name}@example.com"),
            _ => name,
        };
    }
    let last = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let email = format!("{name}@example.com");
    match word {
        "fresh" | "rest" => name,
        "key" => {
            let key = json!({"team": "acme", "name": "ci"});
            text(&api.post("/admin/v1/keys", key).await, "id").to_owned()
        }
        "own" => {
            let key = json!({"team": "acme", "name": "ci", "owner": "developer@example.com"});
            text(&api.post("/admin/v1/keys", key).await, "id").to_owned()
        }
        "team" => {
            api.post("/admin/v1/teams", json!({"id": name})).await;
            name
        }
        "tier" => {
            let tier = json!({"name": name, "requests_per_minute": 7, "tokens_per_minute": 7_000});
            api.post("/admin/v1/tiers", tier).await;
            name
        }
        "token" => {
            let token = json!({"name": name, "role": "reader"});
            text(&api.post("/admin/v1/tokens", token).await, "id").to_owned()
        }
        "member" => {
            let member = json!({"email": email, "role": "viewer"});
            let path = "/admin/v1/teams/acme/members";
            let (status, body) = api.ask(ADMIN, Method::PUT, path, Some(member)).await;
            assert!(status.is_success(), "{body}");
            email
        }
        "hook" => {
            // A team has few of them: one is used again.
            let path = "/admin/v1/teams/acme/alert-addresses";
            let known = api.get(path).await;
            match known["data"].as_array().unwrap().first() {
                Some(known) => text(known, "id").to_owned(),
                None => {
                    let url = format!("https://hooks.example.com/{name}");
                    text(&api.post(path, json!({"url": url})).await, "id").to_owned()
                }
            }
        }
        "alert" => {
            spend(api, &name, 80).await;
            let told = api.get("/admin/v1/teams/acme/alerts").await;
            text(&told["data"][0], "id").to_owned()
        }
        "link" => last(&sign_in_link(api, &email, false).await),
        "invitation" | "invited" => {
            let asked = json!({"email": email, "role": "viewer"});
            let made = api.post("/admin/v1/teams/acme/invitations", asked).await;
            match word {
                "invited" => text(&made, "id").to_owned(),
                _ => last(text(&made, "path")),
            }
        }
        "digest" => {
            let page = Browser::new(api).get("/users/sign-in/").await.body;
            let (before, _) = page.split_once("/style.css").unwrap();
            last(before)
        }
        other => panic!("there is no {{{other}}} in this table"),
    }
}

/// A service with the teams, the people and the rights that the table speaks of.
pub(crate) async fn stage() -> Api {
    let api = Api::new().await;
    people(&api).await;
    api
}

/// Makes the people of the table, with their teams.
pub(crate) async fn people(api: &Api) {
    for who in VISITORS {
        visitor(api, who).await;
    }
}

/// One of the table's visitors, in a new browser.
pub(crate) async fn visitor<'a>(api: &'a Api, who: &str) -> Browser<'a> {
    match who {
        "nobody" => Browser::new(api),
        "admin" => Browser::signed_in(api, "root@example.com", true).await,
        "stranger" => Browser::member(api, "umbrella", "stranger@example.com", "owner").await,
        role => Browser::member(api, "acme", &format!("{role}@example.com"), role).await,
    }
}

/// What an answer is called in the table.
pub(crate) fn called(answer: &Answer) -> String {
    let to = answer.location();
    let to_sign_in = to.starts_with("/users/sign-in/") && !to.contains("signed_out");
    match answer.status {
        StatusCode::SEE_OTHER if to_sign_in => "in".into(),
        status => status.as_str().to_owned(),
    }
}

/// The addresses of the router under `/users/`, as its routes spell them.
fn routes(api: &Api) -> BTreeSet<String> {
    // A router tells its routes in no other way.
    let all = format!("{:?}", api.admin);
    let quoted = all.split('"').filter(|text| text.starts_with("/users/"));
    quoted.map(str::to_owned).collect()
}

/// The route of a row: of those that fit, the one with the fewest parameters.
fn route_of(path: &str, routes: &BTreeSet<String>) -> Option<String> {
    let fits = |route: &&String| {
        let (route, path): (Vec<_>, Vec<_>) =
            (route.split('/').collect(), path.split('/').collect());
        let mut parts = route.iter().zip(&path);
        route.len() == path.len() && parts.all(|(of, is)| of.starts_with('{') || of == is)
    };
    let fitting = routes.iter().filter(fits);
    fitting
        .min_by_key(|route| route.matches('{').count())
        .cloned()
}

#[tokio::test]
async fn every_route_has_a_row_and_every_row_a_route() {
    let api = Api::new().await;
    let routes = routes(&api);
    assert!(routes.contains("/users/api-keys/"), "{routes:?}");
    let mut told = BTreeSet::new();
    for row in rows() {
        let route = route_of(row.path(), &routes);
        let route = route.unwrap_or_else(|| panic!("no route has {}", row.address));
        assert!(
            !route.contains("{*") || row.path().contains("{rest}"),
            "no page is at {}",
            row.address
        );
        told.insert((row.method().to_string(), route));
    }
    let mut served = BTreeSet::new();
    for route in &routes {
        // A method that no route has is answered with those that it has.
        let mut browser = Browser::new(&api);
        let answer = browser.send(Method::PATCH, route, &[], None).await;
        let allowed = answer.headers.get("allow").map(|a| a.to_str().unwrap());
        match allowed {
            Some(methods) => {
                let methods = methods.split(',').filter(|method| *method != "HEAD");
                served.extend(methods.map(|method| (method.to_owned(), route.clone())));
            }
            None => drop(served.insert(("GET".to_owned(), route.clone()))),
        }
    }
    let missing: Vec<_> = served.difference(&told).collect();
    assert!(missing.is_empty(), "routes.txt has no row of {missing:?}");
    let gone: Vec<_> = told.difference(&served).collect();
    assert!(gone.is_empty(), "the router has no {gone:?}");
}
