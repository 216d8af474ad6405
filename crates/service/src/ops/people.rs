//! People who sign in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::fields;
use crate::password;
use crate::secret;
use crate::service::Service;
use crate::store::{By, Identity, NewSignInLink, Person, PersonPatch};

/// How long a link signs somebody in.
const LINK_LIFE: Duration = Duration::from_secs(3_600);

/// How long the first administrator's link does.
const FIRST_LIFE: Duration = Duration::from_secs(86_400);

/// A one-time sign-in link to be made.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLink {
    /// The address of the person. An account is made when the link is used, if there is none.
    #[schema(format = Email)]
    pub email: String,
    /// Whether the link makes the person an administrator.
    #[serde(default)]
    pub admin: bool,
}

/// A one-time sign-in link.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Link {
    /// Whom it signs in.
    pub email: String,
    /// The address to open in a browser: shown now and never again.
    pub url: String,
    /// Its path, for a service that is reached by another address.
    pub path: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Millis,
}

/// What to change of a person.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePerson {
    /// Whether the person administers the service.
    pub admin: bool,
}

/// A new id of a person.
pub(crate) fn new_id() -> Result<String, ApiError> {
    let id = secret::random::<8>().map_err(|error| ApiError::internal(&error))?;
    Ok(format!("usr_{}", hex::encode(id)))
}

/// All people.
///
/// # Errors
/// Where the caller is no administrator, or the store does not answer.
pub async fn list(service: &Service, caller: &Caller) -> Result<Vec<Person>, ApiError> {
    caller.must_be_admin()?;
    Ok(service.store.people().await?)
}

/// Makes a link that signs a person in, once.
///
/// # Errors
/// Where the caller is no administrator, the address is none, or the store does not answer.
pub async fn create_link(
    service: &Service,
    caller: &Caller,
    asked: CreateLink,
) -> Result<Link, ApiError> {
    let by = caller.must_be_admin()?;
    let email = fields::email("email", &asked.email)?.to_ascii_lowercase();
    let link = make_link(service, Some(email), asked.admin, LINK_LIFE, &by).await?;
    tracing::info!(by = by.actor, admin = asked.admin, "sign-in link made");
    Ok(link)
}

/// A link for the first administrator; `None` where there is one already.
///
/// # Errors
/// Where the store does not answer.
pub async fn first_link(service: &Service) -> Result<Option<Link>, ApiError> {
    if service.store.has_administrator().await? {
        return Ok(None);
    }
    let by = By::service(Millis::now());
    let link = make_link(service, None, true, FIRST_LIFE, &by).await?;
    Ok(Some(link))
}

async fn make_link(
    service: &Service,
    email: Option<String>,
    admin: bool,
    life: Duration,
    by: &By,
) -> Result<Link, ApiError> {
    let token = new_token()?;
    let expires_at = by.now.after(life);
    let link = NewSignInLink {
        digest: secret::digest(&token),
        email: email.clone(),
        admin,
        expires_at,
    };
    service.store.create_sign_in_link(&link, by).await?;
    let path = format!("/users/sign-in/link/{token}");
    Ok(Link {
        email: email.unwrap_or_default(),
        url: service.page_url(&path),
        path,
        expires_at,
    })
}

/// 256 random bits for an address.
pub(crate) fn new_token() -> Result<String, ApiError> {
    let token = secret::random::<32>().map_err(|error| ApiError::internal(&error))?;
    Ok(hex::encode(token))
}

/// Makes a person an administrator, or takes that away.
///
/// # Errors
/// Where the caller is no administrator, there is no such person, it is the last administrator, or the store does not answer.
pub async fn update(
    service: &Service,
    caller: &Caller,
    email: &str,
    asked: UpdatePerson,
) -> Result<Person, ApiError> {
    let by = caller.must_be_admin()?;
    let patch = PersonPatch {
        admin: Some(asked.admin),
        ..PersonPatch::default()
    };
    let person = service
        .store
        .update_person(&lower(email)?, patch, &by)
        .await?;
    tracing::info!(
        person = person.id,
        admin = person.admin,
        by = by.actor,
        "person updated"
    );
    Ok(person)
}

/// Removes an account, and ends its sessions. Memberships and keys stay.
///
/// # Errors
/// As [`update`].
pub async fn remove(service: &Service, caller: &Caller, email: &str) -> Result<(), ApiError> {
    let by = caller.must_be_admin()?;
    service.store.remove_person(&lower(email)?, &by).await?;
    tracing::info!(by = by.actor, "person removed");
    Ok(())
}

/// Ends all sessions of a person: one's own, or as an administrator.
///
/// # Errors
/// Where the caller may not, there is no such person, or the store does not answer.
pub async fn sign_out_everywhere(
    service: &Service,
    caller: &Caller,
    email: &str,
) -> Result<(), ApiError> {
    let email = lower(email)?;
    let by = match caller.email() == Some(&*email) {
        true => By::person(&email, Millis::now()),
        false => caller.must_be_admin()?,
    };
    service.store.sign_out_everywhere(&email, &by).await?;
    tracing::info!(by = by.actor, "signed out everywhere");
    Ok(())
}

/// The accounts at providers that sign this person in.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn identities(service: &Service, person: &str) -> Result<Vec<Identity>, ApiError> {
    Ok(service.store.identities(person).await?)
}

/// Another name for oneself.
///
/// # Errors
/// Where the name is none, or the store does not answer.
pub(crate) async fn rename(service: &Service, email: &str, name: &str) -> Result<(), ApiError> {
    let patch = PersonPatch {
        name: Some(fields::name("name", name)?),
        ..PersonPatch::default()
    };
    let by = By::person(email, Millis::now());
    service.store.update_person(email, patch, &by).await?;
    Ok(())
}

/// Another password for oneself. Who has one must say it. All sessions end; the caller begins another one.
///
/// # Errors
/// 400 where the present password is wrong or the new one too weak; 429 after too many attempts; 503.
pub(crate) async fn change_password(
    service: &Service,
    email: &str,
    present: &str,
    new: &str,
) -> Result<Person, ApiError> {
    service.attempts.count(email, None).map_err(|wait| {
        let seconds = wait.as_secs() + 1;
        ApiError::too_many(format!(
            "Too many attempts. Wait {seconds} seconds, then try again."
        ))
        .of("present")
    })?;
    let account = service.store.account(email).await?;
    let account = account.ok_or_else(|| ApiError::not_found("person"))?;
    if let Some(phc) = &account.password
        && !password::verify(present, Some(phc)).await
    {
        return Err(ApiError::invalid(
            "present",
            "This is not your present password.",
        ));
    }
    password::check("password", new, email)?;
    let patch = PersonPatch {
        password: Some(password::hash(new).await?),
        ..PersonPatch::default()
    };
    let by = By::person(email, Millis::now());
    let person = service.store.update_person(email, patch, &by).await?;
    service.attempts.forgive(email);
    tracing::info!(person = person.id, "password changed");
    Ok(person)
}

/// An address of a path. A text that is no address is answered 404, as an unknown person is.
fn lower(email: &str) -> Result<String, ApiError> {
    let email = fields::email("email", email).map_err(|_| ApiError::not_found("person"))?;
    Ok(email.to_ascii_lowercase())
}
