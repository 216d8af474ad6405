//! What the provider publishes about itself: its endpoints and keys, and how long they are believed.

use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClaimName, CoreClaimType, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm,
    CoreResponseMode, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthType, Client, ClientId, ClientSecret, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, ProviderMetadata,
    RedirectUrl, StandardErrorResponse, StandardTokenResponse,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::ProviderError;
use super::claims::AllClaims;
use super::http::Http;
use crate::config::OidcConfig;

/// After this long it is asked again.
const FRESH: Duration = Duration::from_secs(3_600);

/// After a failure, others who wait are answered at once for this long.
const QUIET: Duration = Duration::from_secs(2);

/// What a provider may publish besides the usual.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct More {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end_session_endpoint: Option<String>,
    /// RFC 9207: it names itself in every answer.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for More {}

type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Fields = IdTokenFields<
    AllClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// The library's client, for a provider that was discovered.
pub(super) type Discovered = Client<
    AllClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What was published, as it was read once.
pub(super) struct Published(Metadata);

impl Published {
    /// A client of the provider.
    pub(super) fn client(
        &self,
        config: &OidcConfig,
        redirect: &str,
    ) -> Result<Discovered, ProviderError> {
        let back = RedirectUrl::new(redirect.to_owned())
            .map_err(|why| ProviderError::Away(format!("{redirect}: {why}")))?;
        let id = ClientId::new(config.client_id.clone());
        let secret = config.client_secret.clone().map(ClientSecret::new);
        let client = Discovered::from_provider_metadata(self.0.clone(), id, secret);
        Ok(client
            .set_redirect_uri(back)
            .set_auth_type(self.auth_type()))
    }

    /// How the secret is shown: in a header, unless only a field will do.
    fn auth_type(&self) -> AuthType {
        let ways = self.0.token_endpoint_auth_methods_supported();
        let takes = |way| ways.is_none_or(|ways| ways.contains(&way));
        match takes(CoreClientAuthMethod::ClientSecretBasic) {
            false if takes(CoreClientAuthMethod::ClientSecretPost) => AuthType::RequestBody,
            _ => AuthType::BasicAuth,
        }
    }

    /// Refuses an answer that another provider has sent (RFC 9207).
    pub(super) fn is_from(&self, issuer: Option<&str>) -> Result<(), ProviderError> {
        let names_itself =
            (self.0.additional_metadata()).authorization_response_iss_parameter_supported;
        match issuer {
            Some(issuer) if issuer == self.0.issuer().as_str() => Ok(()),
            None if !names_itself => Ok(()),
            _ => Err(ProviderError::Untrusted(
                "another provider has answered".into(),
            )),
        }
    }

    /// Where people sign out there.
    pub(super) fn end_session(&self) -> Option<&str> {
        self.0.additional_metadata().end_session_endpoint.as_deref()
    }

    /// Refuses addresses that lead a browser elsewhere than to a page.
    fn check(self, config: &OidcConfig) -> Result<Self, ProviderError> {
        let scheme = match config.issuer.starts_with("https://") {
            true => "https",
            false => "http",
        };
        let authorize = self.0.authorization_endpoint().url();
        let end = self
            .end_session()
            .map(|end| end.starts_with(&format!("{scheme}://")));
        match authorize.scheme() == scheme && end.unwrap_or(true) {
            true => Ok(self),
            false => Err(ProviderError::Away(format!(
                "it publishes endpoints without {scheme}"
            ))),
        }
    }
}

/// What is known of the provider by now.
#[derive(Default)]
pub(super) struct Known {
    published: Option<(Arc<Published>, Instant)>,
    failed: Option<(String, Instant)>,
}

impl Known {
    /// What was read last.
    pub(super) fn published(&self) -> Option<&Published> {
        self.published.as_ref().map(|(published, _)| &**published)
    }

    /// What is published; read again where it is old, or `anew`. Where that fails, what is known goes on to count.
    pub(super) async fn ask(
        &mut self,
        config: &OidcConfig,
        http: &Http,
        anew: bool,
    ) -> Result<Arc<Published>, ProviderError> {
        if let Some((published, at)) = &self.published
            && !anew
            && at.elapsed() < FRESH
        {
            return Ok(published.clone());
        }
        if let Some((why, at)) = &self.failed
            && at.elapsed() < QUIET
        {
            return self.fall_back(why.clone());
        }
        match read(config, http).await {
            Ok(published) => {
                let published = Arc::new(published);
                self.published = Some((published.clone(), Instant::now()));
                self.failed = None;
                Ok(published)
            }
            Err(why) => {
                let why = why.to_string();
                tracing::warn!(why, "what the provider publishes cannot be read");
                self.failed = Some((why.clone(), Instant::now()));
                self.fall_back(why)
            }
        }
    }

    fn fall_back(&self, why: String) -> Result<Arc<Published>, ProviderError> {
        match &self.published {
            Some((published, _)) => Ok(published.clone()),
            None => Err(ProviderError::Away(why)),
        }
    }
}

async fn read(config: &OidcConfig, http: &Http) -> Result<Published, ProviderError> {
    let away = |why: &dyn std::error::Error| ProviderError::Away(super::cause(why));
    let issuer = IssuerUrl::new(config.issuer.clone()).map_err(|why| away(&why))?;
    let ask = http.ask();
    let metadata = Metadata::discover_async(issuer, &ask).await;
    Published(metadata.map_err(|why| away(&why))?).check(config)
}
