//! One request, one answer, over HTTP.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Method, Request, StatusCode};

use crate::exit::{Exit, Failure};

/// Longer than the longest `--wait`.
const PATIENCE: Duration = Duration::from_secs(90);

/// The management API.
pub(crate) struct Client {
    agent: Agent,
    base: String,
    authorization: String,
}

impl Client {
    pub(crate) fn new(url: &str, token: &str) -> Result<Self> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            bail!("GMTECH_ADMIN_URL must start with http:// or https://, not {url:?}");
        }
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build();
        Ok(Self {
            agent: config.into(),
            base: base(url).to_owned(),
            authorization: format!("Bearer {token}"),
        })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None, None)
    }

    pub(crate) fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        self.ask(method, path, Some(body), None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, Some(body), None)
    }

    /// As [`Client::post`], with the idempotency key `once`: a repeated call has an effect once.
    pub(crate) fn post_once(&self, path: &str, body: &Value, once: Option<&str>) -> Result<Value> {
        self.ask(Method::POST, path, Some(body), once)
    }

    /// The items of a list that has one page.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Value>> {
        items(&mut self.get(path)?)
    }

    /// Every item of a list, page by page.
    pub(crate) fn all(&self, path: &str, query: &[(&str, Option<&str>)]) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = [("limit", Some("500")), ("after", after.as_deref())];
            let mut answer = self.get(&with_query(path, query.iter().copied().chain(page)))?;
            all.extend(items(&mut answer)?);
            match answer.get("next").and_then(Value::as_str) {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(all),
            }
        }
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        once: Option<&str>,
    ) -> Result<Value> {
        let url = format!("{}/admin/v1/{path}", self.base);
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", &self.authorization);
        if let Some(once) = once {
            request = request.header("idempotency-key", once);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = request.body(body).context("cannot make the request")?;
        let mut response = self
            .agent
            .run(request)
            .map_err(|error| self.unreachable(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response
            .body_mut()
            .read_to_string()
            .context("the answer was cut")?;
        let json = match text.as_str() {
            "" => Some(Value::Null),
            text => serde_json::from_str(text).ok(),
        };
        match json {
            Some(json) if status.is_success() => Ok(json),
            Some(json) if json.pointer("/error/message").is_some() => {
                Err(refusal(status, &headers, &json).into())
            }
            _ => bail!(
                "{} answered {status}, but not as a key service does: is GMTECH_ADMIN_URL the management API?",
                self.base
            ),
        }
    }

    /// Gets a path outside the API, without a token. Returns the status, the headers and the text, whatever the status is.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) fn beside(&self, path: &str) -> Result<(StatusCode, HeaderMap, String)> {
        let url = format!("{}{path}", self.base);
        let mut response = self
            .agent
            .get(&url)
            .call()
            .map_err(|error| self.unreachable(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.body_mut().read_to_string()?;
        Ok((status, headers, text))
    }

    /// The service's address.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::new(
            Exit::Unreachable,
            "unreachable",
            format!("cannot reach the key service at {}: {error}", self.base),
        )
    }
}

fn items(answer: &mut Value) -> Result<Vec<Value>> {
    match answer.get_mut("data").map(Value::take) {
        Some(Value::Array(data)) => Ok(data),
        _ => bail!("the service's answer is not a list"),
    }
}

/// The error for a refusal.
fn refusal(status: StatusCode, headers: &HeaderMap, json: &Value) -> Failure {
    let field = |name: &str| {
        json.pointer(&format!("/error/{name}"))
            .and_then(Value::as_str)
    };
    let exit = match status.as_u16() {
        404 => Exit::NotFound,
        // 503: the service is there, but its database is not.
        502..=504 => Exit::Unreachable,
        400..500 => Exit::Refused,
        _ => Exit::Failed,
    };
    let id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    Failure {
        status: Some(status.as_u16()),
        request_id: id.map(str::to_owned),
        ..Failure::new(
            exit,
            field("code").unwrap_or("no_code"),
            field("message").unwrap_or("the service refused"),
        )
    }
}

/// The address without the API's path, which is often copied along.
fn base(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    let url = url.strip_suffix("/admin/v1").unwrap_or(url);
    url.trim_end_matches('/')
}

/// `path` with a query of the parameters that have a value.
pub(crate) fn with_query<'a>(
    path: &str,
    params: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> String {
    let given = params
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let pairs: Vec<_> = given
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    if pairs.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", pairs.join("&"))
    }
}

/// A text as one part of a path or query.
pub(crate) fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_without_a_value_are_left_out_and_the_others_escaped() {
        for (params, url) in [
            (vec![], "keys"),
            (vec![("team", None)], "keys"),
            (
                vec![("team", Some("a b&c")), ("x", None), ("y", Some("1"))],
                "keys?team=a%20b%26c&y=1",
            ),
        ] {
            assert_eq!(with_query("keys", params), url);
        }
    }

    #[test]
    fn the_address_may_end_with_the_apis_path() {
        for url in [
            "http://h:8081",
            "http://h:8081/",
            "http://h:8081/admin/v1",
            "http://h:8081/admin/v1/",
        ] {
            assert_eq!(base(url), "http://h:8081", "{url}");
        }
        assert_eq!(base("https://h/gate/admin/v1"), "https://h/gate");
    }

    #[test]
    fn each_kind_of_refusal_has_its_exit_status() {
        for (status, exit) in [
            (400, Exit::Refused),
            (401, Exit::Refused),
            (403, Exit::Refused),
            (404, Exit::NotFound),
            (409, Exit::Refused),
            (500, Exit::Failed),
            (503, Exit::Unreachable),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let json = serde_json::json!({"error": {"message": "No.", "code": "c"}});
            assert_eq!(
                refusal(status, &HeaderMap::new(), &json).exit,
                exit,
                "{status}"
            );
        }
    }

    #[test]
    fn an_address_without_a_scheme_is_refused() {
        assert!(Client::new("127.0.0.1:8081", "t").is_err());
        assert!(Client::new("http://127.0.0.1:8081/", "t").is_ok());
    }
}
