//! Signing in with the OpenID Connect provider.
//!
//! # Failure policy
//! Where the provider is away, nobody signs in with it, and passwords and links go on. Who is refused learns what to do, and
//! the log says why.

use std::net::IpAddr;

use tower_sessions::Session;

use super::{begin as begin_session, count, name};
use crate::clock::Millis;
use crate::config::{Gives, GroupRole, OidcConfig};
use crate::error::ApiError;
use crate::ops::{fields, people};
use crate::provider::{Answer, Identified, Provider, ProviderError};
use crate::service::Service;
use crate::sessions;
use crate::store::{MemberRole, Provided, ProvidedPerson, ProvidedRoles, Voucher};

/// Begins a sign-in that leads to `next` afterwards: the provider's address, for the browser.
///
/// # Errors
/// 404 without a provider; 429 after too many attempts; 503 where it or the store does not answer.
pub(crate) async fn begin(
    service: &Service,
    session: &Session,
    client: Option<IpAddr>,
    next: &str,
) -> Result<String, ApiError> {
    let (provider, _) = provider(service)?;
    count(service, client, "")?;
    let begun = provider.begin(next).await;
    let (url, pending) = begun.map_err(|why| refusal(provider, &why))?;
    let kept = sessions::keep_pending(session, pending).await;
    kept.map_err(|error| ApiError::session(&error))?;
    Ok(url)
}

/// Signs in who comes back from the provider with `answer`; where that person wanted to go.
///
/// # Errors
/// 403 where the sign-in was not begun in this browser, the answer cannot be trusted, or nobody knows the person; 503 where
/// the provider or the store does not answer.
pub(crate) async fn finish(
    service: &Service,
    session: &Session,
    answer: Answer,
) -> Result<String, ApiError> {
    let (provider, config) = provider(service)?;
    let pending = sessions::take_pending(session, &answer.state).await;
    let pending = pending.map_err(|error| ApiError::session(&error))?;
    let Some(pending) = pending else {
        tracing::warn!("an answer of the provider belongs to no sign-in of this browser");
        return Err(ApiError::forbidden(
            "This sign-in was not begun in this browser, or it was finished or given up already. Start again.",
        ));
    };
    let next = pending.next.clone();
    let who = provider.finish(pending, answer).await;
    let who = who.map_err(|why| refusal(provider, &why))?;
    let asked = vouched(service, config, &who)?;
    match service.store.provided_person(&asked, Millis::now()).await? {
        Provided::SignedIn(person) => {
            begin_session(session, &person).await?;
            tracing::info!(person = person.id, how = "oidc", "signed in");
            Ok(next)
        }
        Provided::Taken => {
            tracing::warn!(
                "a sign-in with the provider was refused: there is an account with its address"
            );
            Err(ApiError::forbidden(
                "There is an account with your address already, and the provider may not take it. Sign in by your \
                 password, or ask an administrator for a sign-in link.",
            ))
        }
        Provided::Unknown => Err(unknown(provider, config, &who)),
    }
}

fn provider(service: &Service) -> Result<(&Provider, &OidcConfig), ApiError> {
    let both = service.provider.as_ref().zip(service.people.oidc.as_ref());
    both.ok_or_else(|| ApiError::not_found("page"))
}

/// What is asked of the store for somebody whom the provider has identified.
fn vouched(
    service: &Service,
    config: &OidcConfig,
    who: &Identified,
) -> Result<ProvidedPerson, ApiError> {
    let address = who
        .email
        .as_deref()
        .and_then(|email| fields::email("email", email.trim()).ok());
    let address = address.filter(|_| who.email_is_verified || config.accepts_unverified_email);
    let email = address.map(|email| email.to_ascii_lowercase());
    Ok(ProvidedPerson {
        name: name(who.name.as_deref(), email.as_deref()),
        email,
        id: people::new_id()?,
        takes_account: config.links_accounts && who.email_is_verified,
        admits_anyone: service.people.admits_anyone,
        voucher: Voucher::Provider {
            issuer: who.issuer.clone(),
            subject: who.subject.clone(),
            gives: given(&config.groups, &who.groups),
        },
    })
}

/// What these groups give. Of several roles in one team the highest counts.
fn given(configured: &[GroupRole], groups: &[String]) -> ProvidedRoles {
    let mut given = ProvidedRoles::default();
    for of in configured.iter().filter(|of| groups.contains(&of.group)) {
        match &of.gives {
            Gives::Admin => given.admin = true,
            Gives::Role(team, role) => {
                let there = given.roles.iter_mut().find(|(there, _)| there == team);
                match there {
                    Some((_, there)) => *there = higher(*there, *role),
                    None => given.roles.push((team.clone(), *role)),
                }
            }
        }
    }
    given
}

fn higher(one: MemberRole, other: MemberRole) -> MemberRole {
    match other.outranks(one) {
        true => other,
        false => one,
    }
}

fn unknown(provider: &Provider, config: &OidcConfig, who: &Identified) -> ApiError {
    let name = provider.name();
    let (why, message) = match &who.email {
        None => (
            "no address",
            format!(
                "{name} does not tell your email address. Ask an administrator: the scope email may be missing."
            ),
        ),
        Some(_) if !who.email_is_verified && !config.accepts_unverified_email => (
            "an unverified address",
            format!(
                "Your email address is not verified at {name}. Verify it there, then sign in again."
            ),
        ),
        Some(_) => (
            "nobody has invited this person, and no group gives a role",
            "Nobody here knows you yet. Ask an owner of your team for an invitation.".to_owned(),
        ),
    };
    tracing::warn!(why, "a sign-in with the provider was refused");
    ApiError::forbidden(&message)
}

/// What a visitor reads of it; the log has the reason.
fn refusal(provider: &Provider, why: &ProviderError) -> ApiError {
    let name = provider.name();
    tracing::warn!(%why, "a sign-in with the provider failed");
    match why {
        ProviderError::Away(_) => ApiError::busy(&format!(
            "{name} cannot be reached. Try again in a moment, or sign in by your password."
        )),
        ProviderError::Refused(_) => ApiError::forbidden(&format!(
            "{name} did not sign you in. Try again, or ask an administrator."
        )),
        ProviderError::Untrusted(_) => ApiError::forbidden(&format!(
            "The answer of {name} could not be verified, so nobody was signed in. Start again; if it happens again, tell an \
             administrator."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_of_all_groups_counts() {
        let configured: Vec<GroupRole> = [
            "platform=admin",
            "acme=acme:viewer",
            "acme-devs=acme:developer",
            "acme-leads=acme:owner",
            "other=other:viewer",
        ]
        .map(|text| text.parse().unwrap())
        .into();
        for (groups, admin, roles) in [
            (&[][..], false, &[][..]),
            (&["Platform", "acme-dev", "ACME"], false, &[]),
            (&["platform"], true, &[]),
            (&["acme"], false, &[("acme", MemberRole::Viewer)]),
            (
                &["acme-leads", "acme"],
                false,
                &[("acme", MemberRole::Owner)],
            ),
            (
                &["acme", "other", "acme-devs"],
                false,
                &[
                    ("acme", MemberRole::Developer),
                    ("other", MemberRole::Viewer),
                ],
            ),
        ] {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            let given = given(&configured, &groups);
            let named: Vec<_> = given
                .roles
                .iter()
                .map(|(team, role)| (team.as_str(), *role))
                .collect();
            assert_eq!((given.admin, &*named), (admin, roles), "{groups:?}");
        }
    }
}
