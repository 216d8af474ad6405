//! The word of a proxy in front of the pages: when it counts, and what it never does.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderName, Method, Request, StatusCode, header};
use gmtech_service::config::{Config, IdentityHeader};
use gmtech_service::secret::Token;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::common::browser::*;
use crate::common::http::*;

const SECRET: &str = "the-secret-of-the-proxy";
const PROXY: &str = "10.0.0.7";
const ACCOUNT: &str = "/users/account/";

fn trusting(config: &mut Config) {
    let trusted = vec!["10.0.0.0/8".parse().unwrap()];
    config.people.trusted_proxies = Some(gmtech_core::address::AddressSet::new(trusted).unwrap());
    config.people.identity_header = Some(IdentityHeader {
        name: HeaderName::from_static("x-forwarded-email"),
        secret: Token::parse(SECRET).unwrap(),
    });
}

/// What a peer's request is answered: the status, the body, and the cookie that is set.
async fn ask(
    api: &Api,
    peer: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, String, Option<String>) {
    let mut request = Request::builder().method(Method::GET).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let peer: IpAddr = peer.parse().unwrap();
    let peer = ConnectInfo(SocketAddr::from((peer, 40_000)));
    request.extensions_mut().insert(peer);
    let answer = api.admin.clone().oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let cookie = head.headers.get(header::SET_COOKIE);
    let cookie = cookie.map(|set| set.to_str().unwrap().split(';').next().unwrap().to_owned());
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        String::from_utf8(body.to_vec()).unwrap(),
        cookie,
    )
}

#[tokio::test]
async fn only_a_trusted_peer_with_the_secret_says_who_asks() {
    let api = Api::with(trusting).await;
    Browser::member(&api, "acme", "ada@example.com", "owner").await;
    let ada = ("x-forwarded-email", "Ada@Example.com");
    let proof = ("x-gmtech-identity-secret", SECRET);
    for (peer, headers, status) in [
        (PROXY, &[ada, proof][..], StatusCode::OK),
        (PROXY, &[ada], StatusCode::FORBIDDEN),
        (
            PROXY,
            &[
                ada,
                ("x-gmtech-identity-secret", "another-secret-of-a-proxy"),
            ],
            StatusCode::FORBIDDEN,
        ),
        (
            PROXY,
            &[ada, ("x-gmtech-identity-secret", "")],
            StatusCode::FORBIDDEN,
        ),
        (PROXY, &[ada, proof, proof], StatusCode::FORBIDDEN),
        (
            PROXY,
            &[ada, ("x-forwarded-email", "eve@example.com"), proof],
            StatusCode::FORBIDDEN,
        ),
        ("203.0.113.9", &[ada, proof], StatusCode::FORBIDDEN),
        // Trusted is the peer, and not whom it says it speaks for.
        (
            "203.0.113.9",
            &[ada, proof, ("x-forwarded-for", PROXY)],
            StatusCode::FORBIDDEN,
        ),
        (
            PROXY,
            &[("x-forwarded-email", "nobody@example.com"), proof],
            StatusCode::FORBIDDEN,
        ),
        (
            PROXY,
            &[("x-forwarded-email", "no address"), proof],
            StatusCode::BAD_REQUEST,
        ),
        (
            PROXY,
            &[("x-forwarded-email", ""), proof],
            StatusCode::BAD_REQUEST,
        ),
        // Nobody is named: as without a proxy.
        (PROXY, &[proof], StatusCode::SEE_OTHER),
        (
            PROXY,
            &[("x-forwarded-user", "ada@example.com"), proof],
            StatusCode::SEE_OTHER,
        ),
        ("203.0.113.9", &[], StatusCode::SEE_OTHER),
    ] {
        let (is, body, cookie) = ask(&api, peer, ACCOUNT, headers).await;
        assert_eq!(is, status, "{peer} {headers:?}: {body}");
        assert_eq!(
            cookie.is_some(),
            status == StatusCode::OK,
            "{peer} {headers:?}"
        );
    }
    // The management API knows no such header.
    let (status, ..) = ask(&api, PROXY, "/admin/v1/teams", &[ada, proof]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let off = Api::new().await;
    Browser::member(&off, "acme", "ada@example.com", "owner").await;
    let (status, ..) = ask(&off, PROXY, ACCOUNT, &[ada, proof]).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "off by default");
}

#[tokio::test]
async fn a_session_of_the_header_is_that_of_whom_it_names_now() {
    let api = Api::with(trusting).await;
    for email in ["ada@example.com", "eve@example.com"] {
        Browser::member(&api, "acme", email, "owner").await;
    }
    let proof = ("x-gmtech-identity-secret", SECRET);
    let named = |email| ("x-forwarded-email", email);
    let (_, page, cookie) = ask(&api, PROXY, ACCOUNT, &[named("ada@example.com"), proof]).await;
    assert!(page.contains("ada@example.com"));
    let of_ada = cookie.unwrap();
    let with = ("cookie", &*of_ada);
    let (_, _, again) = ask(
        &api,
        PROXY,
        ACCOUNT,
        &[named("ada@example.com"), proof, with],
    )
    .await;
    assert_eq!(again, None, "the session goes on");
    // A form of another site has no proof, whatever the proxy says.
    let mut form = Browser::new(&api);
    form.cookie = Some(of_ada.clone());
    let headers = [named("ada@example.com"), proof, ("origin", SITE)];
    let fields = [("name", "Mallory")];
    let answer = form
        .send(Method::POST, "/users/account/name", &headers, Some(&fields))
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);

    let (_, page, of_eve) = ask(
        &api,
        PROXY,
        ACCOUNT,
        &[named("eve@example.com"), proof, with],
    )
    .await;
    assert!(page.contains("eve@example.com") && !page.contains("ada@example.com"));
    let of_eve = of_eve.unwrap();
    let (status, ..) = ask(&api, PROXY, ACCOUNT, &[with]).await;
    assert_eq!(
        status,
        StatusCode::SEE_OTHER,
        "the session before has ended"
    );
    let (status, ..) = ask(&api, "203.0.113.9", ACCOUNT, &[("cookie", &of_eve)]).await;
    assert_eq!(
        status,
        StatusCode::SEE_OTHER,
        "it does not outlive the word of the proxy"
    );
    let (status, ..) = ask(&api, PROXY, ACCOUNT, &[("cookie", &of_eve)]).await;
    assert_eq!(status, StatusCode::SEE_OTHER);

    // A session of a password or link is nobody's but that person's.
    let mut kim = Browser::signed_in(&api, "kim@example.com", false).await;
    let own = kim.cookie.clone().unwrap();
    assert_eq!(kim.get(ACCOUNT).await.status, StatusCode::OK);
    let (_, page, _) = ask(
        &api,
        PROXY,
        ACCOUNT,
        &[named("ada@example.com"), proof, ("cookie", &own)],
    )
    .await;
    assert!(page.contains("ada@example.com") && !page.contains("kim@example.com"));
    let audit = api.get("/admin/v1/audit?limit=100").await.to_string();
    assert!(audit.contains("\"how\":\"header\""), "{audit}");
}
