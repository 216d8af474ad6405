//! Signing in: by a one-time link, by a password, with a provider, and by the word of a proxy in front of the pages.
//!
//! # Failure policy
//! An unknown address, a wrong password and an account without one get the same answer in the same time. A link that was used
//! or has ended is not told from one that never was.

pub(crate) mod header;
pub(crate) mod oidc;

use std::net::IpAddr;

use tower_sessions::Session;

use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::{fields, people};
use crate::password;
use crate::secret;
use crate::service::Service;
use crate::sessions;
use crate::store::{By, NewPerson, Person, PersonTeams, SignInLink, StoreError};

/// Who has signed in with this session, with the teams as they are now. A session of an earlier generation is nobody's.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn who(
    service: &Service,
    session: &Session,
) -> Result<Option<PersonTeams>, ApiError> {
    let who = sessions::who(session).await;
    let Some(who) = who.map_err(|error| ApiError::session(&error))? else {
        return Ok(None);
    };
    let of = service.store.person_teams(&who.person).await?;
    Ok(of.filter(|of| of.person.generation == who.generation))
}

/// Makes the session one of this person.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn begin(session: &Session, person: &Person) -> Result<(), ApiError> {
    let begun = sessions::begin(session, person, false, Millis::now()).await;
    begun.map_err(|error| ApiError::session(&error))
}

/// Whom a link signs in.
///
/// # Errors
/// 404 where it was used or has ended; 503 where the store does not answer.
pub(crate) async fn link(service: &Service, token: &str) -> Result<SignInLink, ApiError> {
    let digest = secret::digest(token);
    let found = service.store.sign_in_link(&digest, Millis::now()).await?;
    found.ok_or_else(no_link)
}

/// What somebody who follows a link says.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Newcomer {
    /// The address, where the link names none.
    #[serde(default)]
    pub(crate) email: String,
    /// What people call this person; by default the address up to the @.
    #[serde(default)]
    pub(crate) name: String,
    /// A password to be set; none leaves it as it is.
    #[serde(default)]
    pub(crate) password: String,
}

/// Uses a link up. The link of the first administrator needs an address and a password.
///
/// # Errors
/// 400 for a field that is wrong, which leaves the link as it is; 404 where it was used or has ended; 503.
pub(crate) async fn use_link(
    service: &Service,
    token: &str,
    who: Newcomer,
) -> Result<Person, ApiError> {
    let link = link(service, token).await?;
    let email = match &link.email {
        Some(email) => email.clone(),
        None => fields::email("email", who.email.trim())?.to_ascii_lowercase(),
    };
    let wants = !who.password.is_empty() || link.email.is_none();
    let new = newcomer(&email, &who, wants).await?;
    let used = service
        .store
        .use_sign_in_link(&secret::digest(token), new, Millis::now())
        .await;
    let person = used.map_err(|error| match error {
        StoreError::NotFound(_) => no_link(),
        other => other.into(),
    })?;
    tracing::info!(person = person.id, how = "link", "signed in");
    Ok(person)
}

/// The account that somebody who follows a link or an invitation asks for.
pub(crate) async fn newcomer(
    email: &str,
    who: &Newcomer,
    wants_password: bool,
) -> Result<NewPerson, ApiError> {
    let name = match who.name.trim() {
        "" => email.split('@').next().unwrap_or(email).to_owned(),
        name => fields::name("name", name)?,
    };
    let password = match wants_password {
        true => {
            password::check("password", &who.password, email)?;
            Some(password::hash(&who.password).await?)
        }
        false => None,
    };
    Ok(NewPerson {
        id: people::new_id()?,
        email: email.to_owned(),
        name,
        password,
        admin: false,
    })
}

fn no_link() -> ApiError {
    ApiError::missing(
        "This link does not work: it was used already, or it has ended. Ask an administrator for another one \
         (gmtech people link EMAIL).",
    )
}

/// Signs in by a password.
///
/// # Errors
/// 401 where address and password do not fit; 429 after too many attempts; 503.
pub(crate) async fn by_password(
    service: &Service,
    client: Option<IpAddr>,
    email: &str,
    password: &str,
) -> Result<Person, ApiError> {
    let email = email.trim().to_ascii_lowercase();
    count(service, client, &email)?;
    let account = service.store.account(&email).await?;
    let phc = account.as_ref().and_then(|a| a.password.as_deref());
    let fits = password::verify(password, phc).await;
    let Some(account) = account.filter(|_| fits) else {
        tracing::info!(
            client = client.map(|c| c.to_string()),
            "a sign-in was refused"
        );
        return Err(ApiError::wrong_password());
    };
    let person = account.person;
    service.attempts.forgive(&email);
    let by = By::person(&person.email, Millis::now());
    service.store.note_sign_in(&person, "password", &by).await?;
    tracing::info!(person = person.id, how = "password", "signed in");
    Ok(person)
}

/// Counts an attempt; `email` is empty where none is known yet.
fn count(service: &Service, client: Option<IpAddr>, email: &str) -> Result<(), ApiError> {
    service.attempts.count(email, client).map_err(|wait| {
        tracing::warn!(
            client = client.map(|c| c.to_string()),
            "too many attempts to sign in"
        );
        let seconds = wait.as_secs() + 1;
        ApiError::too_many(format!(
            "Too many attempts. Wait {seconds} seconds, then try again."
        ))
    })
}

/// The name of a person whom others vouch for: what they say, where it is one, or the address up to the @.
fn name(said: Option<&str>, email: Option<&str>) -> String {
    let said = said.and_then(|said| fields::name("name", said).ok());
    said.unwrap_or_else(|| {
        let local = email.and_then(|email| email.split('@').next());
        local.unwrap_or("?").to_owned()
    })
}
