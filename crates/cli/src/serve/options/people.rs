//! How people sign in: the options of `gmtech serve` for the provider and for the identity header.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{ArgAction, Args};
use gmtech_service::config::{GroupRole, IdentityHeader, OidcConfig, PeopleConfig};
use gmtech_service::provider;
use gmtech_service::secret::Token;
use http::HeaderName;

const CLIENT_SECRET: &str = "GMTECH_OIDC_CLIENT_SECRET";
const HEADER_SECRET: &str = "GMTECH_IDENTITY_SECRET";

/// The options for the provider and the identity header.
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct People {
    /// The issuer of the OpenID Connect provider that people sign in with, such as https://id.example.com/realms/acme
    #[arg(long, env = "GMTECH_OIDC_ISSUER", value_name = "URL", value_parser = issuer)]
    oidc_issuer: Option<String>,
    /// As what this service is registered at the provider
    #[arg(long, env = "GMTECH_OIDC_CLIENT_ID", value_name = "ID")]
    oidc_client_id: Option<String>,
    /// The file with the client's secret; without one the service is a public client
    #[arg(long, value_name = "FILE")]
    oidc_client_secret_file: Option<PathBuf>,
    /// The secret file of the configuration file, which the variable overrides
    #[arg(long, hide = true)]
    oidc_client_secret_file_of_config: Option<PathBuf>,
    /// What the provider is called on the button: "Sign in with NAME"
    #[arg(
        long,
        env = "GMTECH_OIDC_NAME",
        value_name = "NAME",
        default_value = "single sign-on"
    )]
    oidc_name: String,
    /// What the provider is asked for besides openid
    #[arg(
        long,
        env = "GMTECH_OIDC_SCOPES",
        value_name = "SCOPES",
        default_value = "email,profile",
        value_delimiter = ','
    )]
    oidc_scopes: Vec<String>,
    /// The claim with a person's groups
    #[arg(
        long,
        env = "GMTECH_OIDC_GROUPS_CLAIM",
        value_name = "CLAIM",
        default_value = "groups"
    )]
    oidc_groups_claim: String,
    /// What groups give, such as platform=admin,acme-devs=acme:developer
    #[arg(
        long,
        env = "GMTECH_OIDC_GROUPS",
        value_name = "GROUP=ROLE",
        value_delimiter = ','
    )]
    oidc_groups: Vec<GroupRole>,
    /// Sign people in as the account that has their verified address, though another way of signing in made it
    #[arg(
        long,
        env = "GMTECH_OIDC_LINK_ACCOUNTS",
        value_name = "BOOL",
        action = ArgAction::Set,
        default_value = "false",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    oidc_link_accounts: bool,
    /// Take addresses that the provider has not verified; whoever can choose an address there is then that person here
    #[arg(
        long,
        env = "GMTECH_OIDC_ACCEPT_UNVERIFIED_EMAIL",
        value_name = "BOOL",
        action = ArgAction::Set,
        default_value = "false",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    oidc_accept_unverified_email: bool,
    /// A PEM file of certificates to trust for the provider, besides the usual ones
    #[arg(long, env = "GMTECH_OIDC_CA_FILE", value_name = "FILE")]
    oidc_ca_file: Option<PathBuf>,
    /// The header in which a trusted proxy names the person's address; it shows its secret in x-gmtech-identity-secret
    #[arg(long, env = "GMTECH_IDENTITY_HEADER", value_name = "HEADER")]
    identity_header: Option<HeaderName>,
    /// The file with the secret of the proxy that sends the identity header
    #[arg(long, value_name = "FILE")]
    identity_secret_file: Option<PathBuf>,
    /// The secret file of the configuration file, which the variable overrides
    #[arg(long, hide = true)]
    identity_secret_file_of_config: Option<PathBuf>,
    /// Let in whom provider or header name, though nobody has invited them and no group gives a role
    #[arg(
        long,
        env = "GMTECH_ADMIT_ANYONE",
        value_name = "BOOL",
        action = ArgAction::Set,
        default_value = "false",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    admit_anyone: bool,
}

impl People {
    /// Puts these options into the configuration, which has the public URL and the trusted proxies already.
    ///
    /// # Errors
    /// If an option that another one needs is missing, or a file cannot be read.
    pub(super) fn configure(&self, people: &mut PeopleConfig) -> Result<()> {
        people.admits_anyone = self.admit_anyone;
        people.oidc = self.oidc(people)?;
        people.identity_header = self.header(people)?;
        Ok(())
    }

    fn oidc(&self, people: &PeopleConfig) -> Result<Option<OidcConfig>> {
        let Some(issuer) = &self.oidc_issuer else {
            return match self.oidc_client_id {
                Some(_) => bail!("--oidc-client-id needs --oidc-issuer"),
                None => Ok(None),
            };
        };
        let Some(id) = &self.oidc_client_id else {
            bail!("--oidc-issuer needs --oidc-client-id");
        };
        if people.public_url.is_none() {
            bail!("--oidc-issuer needs --public-url: the provider sends people back there");
        }
        let secret = secret(
            self.oidc_client_secret_file.as_ref(),
            CLIENT_SECRET,
            self.oidc_client_secret_file_of_config.as_ref(),
        )?;
        let ca = self.oidc_ca_file.as_ref().map(|path| {
            std::fs::read(path).with_context(|| format!("--oidc-ca-file {}", path.display()))
        });
        let config = OidcConfig {
            client_secret: secret.map(|(text, _)| text),
            name: self.oidc_name.clone(),
            scopes: self.oidc_scopes.clone(),
            groups_claim: self.oidc_groups_claim.clone(),
            groups: self.oidc_groups.clone(),
            links_accounts: self.oidc_link_accounts,
            accepts_unverified_email: self.oidc_accept_unverified_email,
            ca: ca.transpose()?,
            ..OidcConfig::new(issuer.clone(), id.clone())
        };
        provider::check(&config).map_err(|why| anyhow!("--oidc-ca-file: {why}"))?;
        Ok(Some(config))
    }

    fn header(&self, people: &PeopleConfig) -> Result<Option<IdentityHeader>> {
        let Some(name) = &self.identity_header else {
            return Ok(None);
        };
        if people.trusted_proxies.is_none() {
            bail!(
                "--identity-header needs --trusted-proxies: the header counts from no other peer"
            );
        }
        let secret = secret(
            self.identity_secret_file.as_ref(),
            HEADER_SECRET,
            self.identity_secret_file_of_config.as_ref(),
        )?;
        let Some((text, from)) = secret else {
            bail!(
                "--identity-header needs a secret that the proxy shows in x-gmtech-identity-secret: \
                 --identity-secret-file FILE, or the variable {HEADER_SECRET}"
            );
        };
        Ok(Some(IdentityHeader {
            name: name.clone(),
            secret: Token::parse(&text).with_context(|| from)?,
        }))
    }
}

/// A secret and its source, in this order: the command line's file, the variable, the configuration file's file.
fn secret(
    option: Option<&PathBuf>,
    variable: &str,
    of_config: Option<&PathBuf>,
) -> Result<Option<(String, String)>> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty());
    if let (None, Some(text)) = (option, text) {
        return Ok(Some((text, variable.to_owned())));
    }
    let Some(path) = option.or(of_config) else {
        return Ok(None);
    };
    read(path)
        .with_context(|| path.display().to_string())
        .map(Some)
}

fn read(path: &Path) -> Result<(String, String)> {
    let text = std::fs::read_to_string(path)?;
    match text.trim() {
        "" => bail!("the file is empty"),
        text => Ok((text.to_owned(), path.display().to_string())),
    }
}

/// An issuer's address. Without https a secret and a person's groups would travel in the clear.
fn issuer(text: &str) -> Result<String, String> {
    let local = text.strip_prefix("http://").is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = match host.strip_prefix('[') {
            Some(host) => host.split(']').next(),
            None => host.split(':').next(),
        };
        matches!(host, Some("localhost" | "127.0.0.1" | "::1"))
    });
    let secure = text
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty());
    match (secure || local) && !text.contains(['?', '#', ' ']) {
        true => Ok(text.to_owned()),
        false => Err(
            "must be https://… as the provider writes it in its discovery document (http:// only on this machine)".into(),
        ),
    }
}
