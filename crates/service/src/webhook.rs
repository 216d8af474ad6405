//! Posts to addresses that people name, as <https://www.standardwebhooks.com> describes them.
//!
//! What it is: one signed POST ([`sign`]), to addresses that may be reached and no others ([`guard`]).
//!
//! What it is not: it keeps nothing and repeats nothing. [`crate::service`] does, from the store's outbox.
//!
//! # Failure policy
//! Whatever the receiver does, an attempt ends within [`WebhookConfig::timeout`](crate::config::WebhookConfig) with one sentence
//! for the people of the team. The answer's body is never read: nobody learns by an alert what another network answers.

mod guard;
mod sign;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::{Client, StatusCode, Url, redirect};

pub(crate) use self::guard::{Guard, Refused};
pub(crate) use self::sign::{new_secret, sign};
use crate::clock::Millis;
use crate::config::WebhookConfig;
use crate::store::Due;

/// How long a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The longest address of a receiver, in bytes.
pub(crate) const MAX_URL: usize = 2_000;

/// What a receiver has answered, or why it has not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This status.
    Status(u16),
    /// Nothing; says why.
    None(String),
}

/// Sends posts.
pub(crate) struct Sender {
    guard: Guard,
    timeout: Duration,
    /// A client for `https` and one for `http`: other networks may be reached. `None` where the system gives no TLS.
    clients: Option<(Client, Client)>,
}

impl Sender {
    /// A sender that reaches what the configuration allows.
    pub(crate) fn new(config: &WebhookConfig) -> Self {
        let guard = Guard::new(config);
        let client = |is_https: bool| {
            Client::builder()
                .https_only(is_https)
                // A proxy would resolve names by itself, behind the guard.
                .no_proxy()
                .redirect(redirect::Policy::none())
                .referer(false)
                .http1_only()
                .pool_max_idle_per_host(0)
                .connect_timeout(CONNECT_WITHIN.min(config.timeout))
                .timeout(config.timeout)
                .dns_resolver(Arc::new(guard.resolver(is_https)))
                .build()
        };
        let clients = match (client(true), client(false)) {
            (Ok(https), Ok(http)) => Some((https, http)),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "alerts cannot be posted: there is no TLS");
                None
            }
        };
        Self {
            clients,
            timeout: config.timeout,
            guard,
        }
    }

    /// Checks an address as it is written. Where it leads is checked at each post.
    ///
    /// # Errors
    /// A sentence that says what an address must be.
    pub(crate) fn check(&self, text: &str) -> Result<Url, String> {
        self.guard.check(text)
    }

    /// Posts once, and gives the status that was answered.
    pub(crate) async fn post(&self, due: &Due, now: Millis) -> Answer {
        let Some((https, http)) = &self.clients else {
            return Answer::None("this service has no TLS".into());
        };
        let url = match self.guard.check(&due.url) {
            Ok(url) => url,
            Err(why) => return Answer::None(why),
        };
        let client = if url.scheme() == "https" { https } else { http };
        let timestamp = now.unix_seconds();
        let signature = sign(&due.secrets, &due.alert, timestamp, &due.payload);
        let request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("gmtech/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &due.alert)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(due.payload.clone());
        match request.send().await {
            Ok(answer) => Answer::Status(answer.status().as_u16()),
            Err(error) => Answer::None(self.why(&error)),
        }
    }

    /// A sentence without anything of the receiver's network in it.
    fn why(&self, error: &reqwest::Error) -> String {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(of) = cause {
            if let Some(refused) = of.downcast_ref::<Refused>() {
                return refused.to_string();
            }
            cause = of.source();
        }
        match (error.is_timeout(), error.is_connect()) {
            (true, _) => format!("no answer within {} s", self.timeout.as_secs()),
            (false, true) => "cannot connect: the name is unknown, nothing listens, or its certificate is not trusted".into(),
            (false, false) => "the connection was closed without an answer".into(),
        }
    }
}

/// What an answer means, in words; `None` if it is a success.
pub(crate) fn problem(status: u16) -> Option<String> {
    let known = StatusCode::from_u16(status).ok();
    match status {
        200..=299 => None,
        300..=399 => Some(format!(
            "answered {status}: redirects are not followed; name the address that it leads to"
        )),
        410 => {
            Some("answered 410: the receiver wants no more, so the address was turned off".into())
        }
        _ => Some(match known.and_then(|known| known.canonical_reason()) {
            Some(reason) => format!("answered {status} {reason}"),
            None => format!("answered {status}"),
        }),
    }
}
