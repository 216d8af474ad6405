//! A browser as far as tests need one: cookies, forms with their `csrf`, the headers of a page of ours.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use super::http::{ADMIN, Api, text};

/// The pages' own site in tests.
pub const SITE: &str = "http://gate.test";

/// What a request was answered.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// Where it leads.
    pub fn location(&self) -> &str {
        let to = self.headers.get(header::LOCATION);
        to.map_or("", |to| to.to_str().unwrap())
    }

    /// The value of the hidden field `csrf` in its first form.
    pub fn csrf(&self) -> Option<&str> {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"")?;
        Some(rest.split_once('"')?.0)
    }
}

/// A browser with its cookie.
pub struct Browser<'a> {
    pub api: &'a Api,
    pub cookie: Option<String>,
}

impl<'a> Browser<'a> {
    /// One that has been nowhere yet.
    pub fn new(api: &'a Api) -> Self {
        Self { api, cookie: None }
    }

    /// One in which this person has signed in, by a one-time link. The account is made if it is missing.
    pub async fn signed_in(api: &'a Api, email: &str, admin: bool) -> Self {
        let mut browser = Self::new(api);
        let path = sign_in_link(api, email, admin).await;
        let answer = browser.post(&path, &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        browser
    }

    /// One of a new member of a team, which is made if it is missing.
    pub async fn member(api: &'a Api, team: &str, email: &str, role: &str) -> Self {
        let _ = api
            .ask(
                ADMIN,
                Method::POST,
                "/admin/v1/teams",
                Some(json!({"id": team})),
            )
            .await;
        let path = format!("/admin/v1/teams/{team}/members");
        let member = json!({"email": email, "role": role});
        let (status, body) = api.ask(ADMIN, Method::PUT, &path, Some(member)).await;
        assert!(status.is_success(), "{body}");
        Self::signed_in(api, email, false).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// Sends a form as a page of ours does, with the session's `csrf`.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = match &self.cookie {
            Some(_) => self.csrf().await,
            None => String::new(),
        };
        let mut fields = fields.to_vec();
        fields.push(("csrf", &csrf));
        self.post_bare(path, &fields).await
    }

    /// Sends just these fields, as a page of ours does.
    pub async fn post_bare(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let headers = [("origin", SITE), ("sec-fetch-site", "same-origin")];
        self.send(Method::POST, path, &headers, Some(fields)).await
    }

    /// The session's `csrf`; empty without one.
    pub async fn csrf(&mut self) -> String {
        let page = self.get("/users/account/").await;
        page.csrf().unwrap_or_default().to_owned()
    }

    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        form: Option<&[(&str, &str)]>,
    ) -> Answer {
        self.send_to(None, method, path, headers, form).await
    }

    /// As [`Self::send`], with a `Host` of one's own choice.
    pub async fn send_to(
        &mut self,
        host: Option<&str>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        form: Option<&[(&str, &str)]>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host.unwrap_or("gate.test"))
            .header("accept", "text/html");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let body = match form {
            Some(fields) => {
                request = request.header("content-type", "application/x-www-form-urlencoded");
                Body::from(serde_html_form::to_string(fields).unwrap())
            }
            None => Body::empty(),
        };
        let router = self.api.admin.clone();
        let answer = router.oneshot(request.body(body).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        for set in head.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().unwrap();
            let pair = set.split(';').next().unwrap();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        let kind = head.headers.get(header::CONTENT_TYPE);
        let body = match kind.map(|kind| kind.as_bytes()) {
            // A stream of events does not end by itself.
            Some(b"text/event-stream") => Default::default(),
            _ => body.collect().await.unwrap().to_bytes(),
        };
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

/// The path of a new one-time link.
pub async fn sign_in_link(api: &Api, email: &str, admin: bool) -> String {
    let asked = json!({"email": email, "admin": admin});
    let made = api.post("/admin/v1/people/links", asked).await;
    text(&made, "path").to_owned()
}
