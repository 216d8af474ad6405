//! One request, one answer, over HTTP.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request};

/// Longer than the longest `--wait`.
const PATIENCE: Duration = Duration::from_secs(90);

/// The management API.
pub(super) struct Client {
    agent: Agent,
    base: String,
    authorization: String,
}

impl Client {
    pub(super) fn new(url: &str, token: &str) -> Result<Self> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            bail!("GMTECH_ADMIN_URL must start with http:// or https://, not {url:?}");
        }
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build();
        Ok(Self {
            agent: config.into(),
            base: url.trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {token}"),
        })
    }

    pub(super) fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None, None)
    }

    pub(super) fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        self.ask(method, path, Some(body), None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, Some(body), None)
    }

    /// As [`Client::post`]; the same `once` makes a repeated call happen once.
    pub(super) fn post_once(&self, path: &str, body: &Value, once: Option<&str>) -> Result<Value> {
        self.ask(Method::POST, path, Some(body), once)
    }

    /// Every item of a list, page by page.
    pub(super) fn all(&self, path: &str, query: &[(&str, Option<&str>)]) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = [("limit", Some("500")), ("after", after.as_deref())];
            let mut answer = self.get(&with_query(path, query.iter().copied().chain(page)))?;
            match answer.get_mut("data").map(Value::take) {
                Some(Value::Array(data)) => items.extend(data),
                _ => bail!("the service's answer is no list"),
            }
            match answer.get("next").and_then(Value::as_str) {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(items),
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
            .with_context(|| format!("cannot reach the key service at {}", self.base))?;
        let status = response.status();
        let text = response
            .body_mut()
            .read_to_string()
            .context("the answer was cut")?;
        let json: Value = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).with_context(|| format!("{status}, but no JSON"))?,
        };
        if status.is_success() {
            return Ok(json);
        }
        let error = |field| {
            json.pointer(&format!("/error/{field}"))
                .and_then(Value::as_str)
        };
        Err(anyhow!(
            "{} ({}, {})",
            error("message").unwrap_or("the service refused"),
            status.as_u16(),
            error("code").unwrap_or("no code")
        ))
    }
}

/// `path` with the parameters that have a value.
pub(super) fn with_query<'a>(
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
pub(super) fn escape(text: &str) -> String {
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
    fn an_address_without_a_scheme_is_refused() {
        assert!(Client::new("127.0.0.1:8081", "t").is_err());
        assert!(Client::new("http://127.0.0.1:8081/", "t").is_ok());
    }
}
