//! What other sites and programs try with every route: forms without proof, headers that are missing, links that lead away.

use axum::http::{Method, StatusCode, header};

use crate::common::browser::*;
use crate::common::http::*;
use crate::roles::changes;
use crate::routes::*;

/// The headers of a form that a page of ours sends.
const OURS: [(&str, &str); 2] = [("origin", SITE), ("sec-fetch-site", "same-origin")];

/// The headers of forms that other pages send.
const OTHERS: [[(&str, &str); 2]; 5] = [
    [("sec-fetch-site", "cross-site"), ("origin", SITE)],
    [("sec-fetch-site", "same-site"), ("origin", SITE)],
    [("sec-fetch-site", ""), ("origin", SITE)],
    [("x-none", ""), ("origin", "https://evil.example")],
    [("x-none", ""), ("origin", "null")],
];

#[tokio::test]
async fn no_form_of_another_site_is_taken() {
    let api = stage().await;
    let mut eve = Browser::signed_in(&api, "eve@example.com", false).await;
    let foreign = eve.csrf().await;
    let mut tried = 0;
    for row in rows().iter().filter(|row| row.does == Does::TakesAForm) {
        let Some(user) = row.user() else { continue };
        let of_this_session = row.answer("nobody") == "in";
        let mut former = visitor(&api, user).await;
        let former = former.csrf().await;
        let mut browser = visitor(&api, user).await;
        let filled = fill(&api, row, Things::There).await;
        let own = browser.csrf().await;
        let before = changes(&api).await;

        let mut forged = Vec::new();
        if of_this_session {
            for proof in ["", "0", &foreign, &former] {
                forged.push((OURS, Some(proof.to_owned())));
            }
            forged.push((OURS, None));
        }
        forged.extend(OTHERS.map(|headers| (headers, Some(own.clone()))));
        for (headers, proof) in forged {
            let mut fields = filled.fields();
            fields.extend(proof.iter().map(|proof| ("csrf", proof.as_str())));
            let answer = browser
                .send(Method::POST, &filled.address, &headers, Some(&fields))
                .await;
            let what = format!("{} {headers:?} {proof:?}", row.address);
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}");
            assert!(answer.body.contains("Nothing was changed"), "{what}");
            tried += 1;
        }
        for kind in [
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/json",
        ] {
            let headers = [OURS[0], OURS[1], ("content-type", kind)];
            let answer = browser
                .send(Method::POST, &filled.address, &headers, None)
                .await;
            assert_eq!(
                answer.status,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "{} {kind}",
                row.address
            );
        }
        assert_eq!(
            changes(&api).await,
            before,
            "{} changed something",
            row.address
        );
        // With its proof the same form is taken: it was refused for nothing else, and is as it was.
        let answer = filled.send(&mut browser).await;
        assert_eq!(called(&answer), row.answer(user), "{}", row.address);
    }
    assert!(tried > 200, "{tried}");
}

#[tokio::test]
async fn every_answer_forbids_frames_and_caches_and_leads_to_pages_only() {
    let api = stage().await;
    for row in rows() {
        for (who, _) in row.visitors() {
            let mut browser = visitor(&api, who).await;
            let filled = fill(&api, &row, Things::There).await;
            let answer = filled.send(&mut browser).await;
            let what = format!("{} by {who}", row.address);
            let header = |name: &str| {
                let value = answer.headers.get(name);
                value.map_or("", |value| value.to_str().unwrap())
            };
            let policy = header("content-security-policy");
            for part in [
                "default-src 'none'",
                "frame-ancestors 'none'",
                "base-uri 'none'",
                "form-action 'self'",
            ] {
                assert!(policy.contains(part), "{what}: {policy}");
            }
            assert!(
                !policy.contains("unsafe") && !policy.contains('*'),
                "{what}: {policy}"
            );
            let is_file = row.address.contains("/assets/");
            for (name, value) in [
                ("x-frame-options", "DENY"),
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                (
                    "cache-control",
                    if is_file {
                        "public, max-age=31536000, immutable"
                    } else {
                        "no-store"
                    },
                ),
                ("access-control-allow-origin", ""),
            ] {
                assert_eq!(header(name), value, "{what}: {name}");
            }
            if answer.status.is_redirection() {
                assert!(
                    answer.location().starts_with("/users/"),
                    "{what}: {}",
                    answer.location()
                );
            }
            for cookie in answer.headers.get_all(header::SET_COOKIE) {
                let cookie = cookie.to_str().unwrap();
                for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                    assert!(
                        cookie.contains(part) || cookie.contains("Max-Age=0"),
                        "{what}: {cookie}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_host_that_a_request_claims_is_in_no_link() {
    const EVIL: &str = "evil.example";
    let api = Api::with(|config| {
        config.people.public_url = Some(SITE.into());
    })
    .await;
    people(&api).await;
    let mut tried = 0;
    for row in rows() {
        let Some(user) = row.user() else { continue };
        let mut browser = visitor(&api, user).await;
        let filled = fill(&api, &row, Things::There).await;
        let csrf = browser.csrf().await;
        let mut fields = filled.fields();
        fields.push(("csrf", &csrf));
        let headers = [
            OURS[0],
            OURS[1],
            ("x-forwarded-host", EVIL),
            ("forwarded", "host=evil.example"),
            ("x-original-host", EVIL),
        ];
        let form = (row.does == Does::TakesAForm).then_some(fields.as_slice());
        let host = Some(EVIL);
        let answer = browser
            .send_to(host, filled.method.clone(), &filled.address, &headers, form)
            .await;
        assert_eq!(called(&answer), row.answer(user), "{}", row.address);
        assert!(!answer.body.contains(EVIL), "{}", row.address);
        assert!(
            !format!("{:?}", answer.headers).contains(EVIL),
            "{}",
            row.address
        );
        tried += usize::from(answer.body.contains(SITE));
    }
    // Usage examples and the link of an invitation have the address that is configured.
    assert!(tried >= 3, "{tried}");
}

#[tokio::test]
async fn a_link_that_is_used_twice_at_once_signs_one_in() {
    let api = Api::new().await;
    let path = sign_in_link(&api, "ada@example.com", false).await;
    let (mut one, mut other) = (Browser::new(&api), Browser::new(&api));
    let (one, other) = tokio::join!(one.post_bare(&path, &[]), other.post_bare(&path, &[]));
    let mut answers = [one.status, other.status];
    answers.sort();
    assert_eq!(answers, [StatusCode::SEE_OTHER, StatusCode::NOT_FOUND]);
}
