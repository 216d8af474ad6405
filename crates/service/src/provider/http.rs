//! Requests to the provider: bounded in time and size, with no redirect followed.

use std::time::Duration;

use openidconnect::{HttpRequest, HttpResponse};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};

use crate::config::OidcConfig;

/// How long a connection may take, and a request with its whole answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The most bytes that an answer may have.
const LARGEST: usize = 1 << 20;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// No connection, no answer in time, or a broken one.
    #[error("{0}")]
    Failed(String),
    /// More than [`LARGEST`] bytes.
    #[error("its answer is larger than a megabyte")]
    TooLarge,
}

/// A client for one provider.
pub(super) struct Http(Result<Client, String>);

impl Http {
    /// A client that trusts the configured certificates too. A provider with https is never asked without it.
    pub(super) fn new(config: &OidcConfig) -> Self {
        let built = build(config);
        if let Err(why) = &built {
            tracing::error!(why, "the provider cannot be asked");
        }
        Self(built)
    }

    /// What `openidconnect` asks through.
    pub(super) fn ask(
        &self,
    ) -> impl Fn(
        HttpRequest,
    )
        -> std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send>> {
        let client = self.0.clone();
        move |request| {
            let client = client.clone();
            Box::pin(async move { send(client.map_err(HttpError::Failed)?, request).await })
        }
    }
}

/// Why a client with these options cannot be built.
pub(super) fn build(config: &OidcConfig) -> Result<Client, String> {
    let mut client = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .https_only(config.issuer.starts_with("https://"));
    if let Some(pem) = &config.ca {
        let trusted = Certificate::from_pem_bundle(pem).map_err(|why| why.to_string())?;
        if trusted.is_empty() {
            return Err("there is no certificate in it".into());
        }
        for certificate in trusted {
            client = client.add_root_certificate(certificate);
        }
    }
    client.build().map_err(|why| super::cause(&why))
}

async fn send(client: Client, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    // The address is left out: a query of it may hold what must stand in no log.
    let failed = |error: reqwest::Error| HttpError::Failed(super::cause(&error.without_url()));
    let request = reqwest::Request::try_from(request).map_err(failed)?;
    let mut answer = client.execute(request).await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = HttpResponse::new(body);
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    Ok(response)
}
