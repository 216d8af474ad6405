//! The OpenID Connect provider that people sign in with: the authorization code flow with PKCE, a state and a nonce.
//!
//! What it is: the questions to the provider, and the checks of its answers. `openidconnect` verifies signature, issuer,
//! audience, expiry and nonce.
//!
//! What it is not: it knows no account and no session. [`crate::ops::sign_in`] decides what becomes of an identity, and keeps a
//! [`Pending`] in the browser's session.
//!
//! # Failure policy
//! A provider that does not answer is [`ProviderError::Away`], and is asked again at the next sign-in; nothing waits for it at
//! the start. An answer of which any check fails signs nobody in, and its reason goes to the log without what it held.

mod claims;
mod http;
mod known;

use openidconnect::core::{CoreAuthenticationFlow, CoreJwsSigningAlgorithm};
use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, CsrfToken, EndSessionUrl, LogoutRequest, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl,
    RequestTokenError, Scope, TokenResponse,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::config::OidcConfig;
use claims::{Claims, IdTokenClaims};
use http::Http;
use known::{Known, Published};

/// Algorithms with a public key. A token that is signed with the shared secret, or not at all, counts for nothing.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The provider.
pub(crate) struct Provider {
    config: OidcConfig,
    /// Where the provider sends people back.
    redirect: String,
    /// Where they go after they have signed out there.
    signed_out: String,
    http: Http,
    known: Mutex<Known>,
}

/// A sign-in that was begun: what its answer is checked with. It is kept in the browser's session and used once.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// What the answer must bring back.
    pub(crate) state: String,
    /// Where the person wants to go afterwards.
    pub(crate) next: String,
    nonce: String,
    verifier: String,
}

/// What the provider sends a browser back with.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    error: String,
    iss: Option<String>,
}

/// Somebody whom the provider has identified.
#[derive(Debug)]
pub(crate) struct Identified {
    /// The provider.
    pub(crate) issuer: String,
    /// The person's id there, which never changes.
    pub(crate) subject: String,
    /// The address.
    pub(crate) email: Option<String>,
    /// Whether the provider has verified it.
    pub(crate) email_is_verified: bool,
    /// The name.
    pub(crate) name: Option<String>,
    /// The groups.
    pub(crate) groups: Vec<String>,
}

/// Why nobody was identified. Neither text may be shown to a visitor: they are for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// The provider cannot be reached, or answers what cannot be read.
    #[error("{0}")]
    Away(String),
    /// The provider itself refused.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// A check of its answer failed.
    #[error("{0}")]
    Untrusted(String),
}

impl Provider {
    /// A provider that sends people back below `site`, such as `https://gate.example.com`.
    pub(crate) fn new(config: &OidcConfig, redirect: String, signed_out: String) -> Self {
        Self {
            http: Http::new(config),
            config: config.clone(),
            redirect,
            signed_out,
            known: Mutex::new(Known::default()),
        }
    }

    /// What the button says.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Begins a sign-in: where to send the browser, and what to keep until it comes back.
    pub(crate) async fn begin(&self, next: &str) -> Result<(String, Pending), ProviderError> {
        let published = self.published(false).await?;
        let client = published.client(&self.config, &self.redirect)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_pkce_challenge(challenge);
        for scope in &self.config.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.url();
        let pending = Pending {
            state: state.into_secret(),
            next: next.to_owned(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
        };
        Ok((url.into(), pending))
    }

    /// Who has come back, with the answer to this sign-in.
    pub(crate) async fn finish(
        &self,
        pending: Pending,
        answer: Answer,
    ) -> Result<Identified, ProviderError> {
        let published = self.published(false).await?;
        published.is_from(answer.iss.as_deref())?;
        if !answer.error.is_empty() {
            let known = answer
                .error
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_');
            let error = if known {
                answer.error
            } else {
                "an unknown error".into()
            };
            return Err(ProviderError::Refused(error));
        }
        let client = published.client(&self.config, &self.redirect)?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(answer.code))
            .map_err(|_| ProviderError::Away("it publishes no token endpoint".into()))?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier))
            .request_async(&self.http.ask())
            .await
            .map_err(|error| match error {
                RequestTokenError::ServerResponse(refusal) => {
                    ProviderError::Refused(format!("the code: {}", refusal.error().as_ref()))
                }
                RequestTokenError::Request(why) => ProviderError::Away(why.to_string()),
                other => ProviderError::Away(format!("its tokens: {other}")),
            })?;
        let token = tokens
            .id_token()
            .ok_or_else(|| ProviderError::Untrusted("there is no ID token".into()))?;
        let nonce = Nonce::new(pending.nonce);
        let verify = |published: &Published| {
            let verifier = published.client(&self.config, &self.redirect)?;
            let verifier = verifier.id_token_verifier().set_allowed_algs(ALGORITHMS);
            Ok::<_, ProviderError>(token.claims(&verifier, &nonce).cloned())
        };
        let claims = match verify(&published)? {
            // The provider may sign with a key that it has published since.
            Err(ClaimsVerificationError::SignatureVerification(_)) => {
                verify(&*self.published(true).await?)?
            }
            other => other,
        };
        let claims = claims.map_err(|why| ProviderError::Untrusted(cause(&why)))?;
        if let Some(party) = claims.authorized_party()
            && party.as_str() != self.config.client_id
        {
            return Err(ProviderError::Untrusted("it is another client's".into()));
        }
        let found = Claims::of_token(&claims);
        let found = match found.is_complete(&self.config.groups_claim) {
            true => found,
            false => {
                let more = self.user_info(&published, &claims, tokens.access_token());
                found.or(more.await?)
            }
        };
        Ok(Identified {
            issuer: self.config.issuer.clone(),
            subject: claims.subject().to_string(),
            groups: found.groups(&self.config.groups_claim),
            email: found.email,
            email_is_verified: found.email_verified,
            name: found.name,
        })
    }

    /// Where the person can sign out at the provider, where that is known by now.
    pub(crate) fn sign_out_url(&self) -> Option<String> {
        let known = self.known.try_lock().ok()?;
        let end = known.published()?.end_session()?.to_owned();
        let back = PostLogoutRedirectUrl::new(self.signed_out.clone()).ok()?;
        let request = LogoutRequest::from(EndSessionUrl::new(end).ok()?)
            .set_client_id(openidconnect::ClientId::new(self.config.client_id.clone()))
            .set_post_logout_redirect_uri(back);
        Some(request.http_get_url().into())
    }

    /// What a provider says that puts little into its tokens.
    async fn user_info(
        &self,
        published: &Published,
        claims: &IdTokenClaims,
        access: &openidconnect::AccessToken,
    ) -> Result<Claims, ProviderError> {
        let client = published.client(&self.config, &self.redirect)?;
        // The library builds a header of it, and takes for granted that it can.
        let is_plain = access.secret().bytes().all(|b| b.is_ascii_graphic());
        let subject = Some(claims.subject().clone());
        let Ok(request) = client.user_info(access.clone(), subject) else {
            return Ok(Claims::default());
        };
        if !is_plain {
            return Err(ProviderError::Untrusted(
                "its access token is not plain text".into(),
            ));
        }
        let said = request.request_async(&self.http.ask()).await;
        let said = said.map_err(|error| match error {
            openidconnect::UserInfoError::ClaimsVerification(why) => {
                ProviderError::Untrusted(format!("the user info: {}", cause(&why)))
            }
            other => ProviderError::Away(format!("the user info: {}", cause(&other))),
        })?;
        Ok(Claims::of_user_info(&said))
    }

    /// What the provider publishes about itself; `anew` where what is known cannot be right.
    async fn published(&self, anew: bool) -> Result<std::sync::Arc<Published>, ProviderError> {
        self.known
            .lock()
            .await
            .ask(&self.config, &self.http, anew)
            .await
    }
}

/// Whether a provider can be asked with this configuration.
///
/// # Errors
/// With what is wrong with its certificates.
pub fn check(config: &OidcConfig) -> Result<(), String> {
    http::build(config).map(|_| ())
}

/// An error with what is behind it.
fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
