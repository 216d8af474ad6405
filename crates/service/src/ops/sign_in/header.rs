//! Signing in by the word of a proxy in front of the pages.

use tower_sessions::Session;

use super::{name, who};
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::{fields, people};
use crate::service::Service;
use crate::sessions;
use crate::store::{Provided, ProvidedPerson, Voucher};

/// Makes the session that of the person whom the proxy names. A session that began so ends when the proxy names another one,
/// or nobody.
///
/// # Errors
/// 400 where the name is no address; 403 where nobody knows the person; 503.
pub(crate) async fn hold(
    service: &Service,
    session: &Session,
    named: Option<&str>,
) -> Result<(), ApiError> {
    let failed = |error| ApiError::session(&error);
    let held = sessions::who(session).await.map_err(failed)?;
    let Some(named) = named else {
        if held.is_some_and(|held| held.by_header) {
            session.flush().await.map_err(failed)?;
        }
        return Ok(());
    };
    let email = fields::email("identity header", named.trim())?.to_ascii_lowercase();
    if held.is_some()
        && let Some(of) = who(service, session).await?
        && of.person.email == email
    {
        return Ok(());
    }
    let asked = ProvidedPerson {
        voucher: Voucher::Proxy,
        name: name(None, Some(&email)),
        email: Some(email),
        id: people::new_id()?,
        takes_account: true,
        admits_anyone: service.people.admits_anyone,
    };
    let now = Millis::now();
    match service.store.provided_person(&asked, now).await? {
        Provided::SignedIn(person) => {
            let begun = sessions::begin(session, &person, true, now).await;
            begun.map_err(failed)?;
            tracing::info!(person = person.id, how = "header", "signed in");
            Ok(())
        }
        Provided::Taken | Provided::Unknown => {
            tracing::warn!(
                "a person whom the proxy names was refused: nobody has invited that address"
            );
            Err(ApiError::forbidden(
                "Nobody here knows you yet. Ask an owner of your team for an invitation.",
            ))
        }
    }
}
