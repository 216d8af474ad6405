//! Alerts: what a team is told of, and the addresses that it is posted to.

use std::time::Duration;

use gmtech_core::ident::TeamId;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::{fields, teams};
use crate::secret;
use crate::service::Service;
use crate::store::{
    Alert, AlertAddress, Attempted, By, Delivery, NewAlertAddress, Page, PageRequest, Then,
};
use crate::webhook;

/// How long the secret before a new one signs too: a day.
const OVERLAP: Duration = Duration::from_secs(86_400);

/// How many alerts are looked at for the lines of a page, and how many lines there are.
const LOOKED_AT: u32 = 50;
const LINES: usize = 5;

/// An address to be added.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddAlertAddress {
    /// Where alerts are posted to: `https://…`, on the public Internet unless the operator allows more.
    #[schema(max_length = 2_000)]
    pub url: String,
    /// What people call it; its host by default.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub name: Option<String>,
}

/// What of an address to change.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAlertAddress {
    /// Whether alerts are posted to it.
    pub enabled: bool,
}

/// An address with a new secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SecretAlertAddress {
    /// What signs the posts: shown now and never again.
    pub secret: String,
    /// The address.
    #[serde(flatten)]
    pub address: AlertAddress,
}

/// What became of a test.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AlertTest {
    /// The `webhook-id` of the post.
    pub alert: String,
    /// Whether the receiver has answered 2xx.
    pub delivered: bool,
    /// The status that the receiver answered.
    pub answered: Option<u16>,
    /// What was wrong.
    pub problem: Option<String>,
}

/// A team's alerts, the newest first.
///
/// # Errors
/// Where this caller may see no such team, or the store does not answer.
pub async fn list(
    service: &Service,
    caller: &Caller,
    team: &str,
    page: &PageRequest,
) -> Result<Page<Alert>, ApiError> {
    let team = teams::show(service, caller, team).await?.id;
    Ok(service.store.alerts(&team, page).await?)
}

/// The lines of a page about a team, for the person with this id: what is still so, the newest first, each thing once; and how
/// many more there are.
///
/// # Errors
/// As [`list`].
pub(crate) async fn lines(
    service: &Service,
    caller: &Caller,
    team: &TeamId,
    person: &str,
    now: Millis,
) -> Result<(Vec<Alert>, usize), ApiError> {
    caller.may_see(team)?;
    let found = service
        .store
        .alerts_to_show(team, person, now, LOOKED_AT)
        .await?;
    let mut lines: Vec<Alert> = Vec::new();
    for alert in found {
        // A higher step says all that a lower one did.
        if lines.iter().all(|line| line.about != alert.about) {
            lines.push(alert);
        }
    }
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    Ok((lines, more))
}

/// Shows this person an alert no more.
///
/// # Errors
/// Where this caller may see no such team or alert, or the store does not answer.
pub(crate) async fn dismiss(
    service: &Service,
    caller: &Caller,
    team: &TeamId,
    alert: &str,
    person: &str,
) -> Result<(), ApiError> {
    caller.may_see(team)?;
    if fields::id("alert", alert).is_err() {
        return Err(ApiError::not_found("alert"));
    }
    Ok(service.store.dismiss_alert(team, alert, person).await?)
}

/// A team's addresses. Only those who may change them see them: an address can hold a secret of the receiver's.
///
/// # Errors
/// Where the caller may not, or the store does not answer.
pub async fn addresses(
    service: &Service,
    caller: &Caller,
    team: &str,
) -> Result<Vec<AlertAddress>, ApiError> {
    let (team, _) = changed(service, caller, team).await?;
    Ok(service.store.alert_addresses(&team).await?)
}

/// Adds an address, and gives its secret.
///
/// # Errors
/// Where the caller may not, it is no address that may be reached, the team has it already, or the store does not answer.
pub async fn add(
    service: &Service,
    caller: &Caller,
    team: &str,
    asked: AddAlertAddress,
) -> Result<SecretAlertAddress, ApiError> {
    let (team, by) = changed(service, caller, team).await?;
    fields::no_key("url", &asked.url)?;
    let url = service.sender.check(&asked.url);
    let url = url.map_err(|why| ApiError::invalid("url", format!("{why}.")))?;
    let host = url.host_str().unwrap_or_default();
    let shown: String = host.chars().take(100).collect();
    let secret = webhook::new_secret().map_err(|error| ApiError::internal(&error))?;
    let id = secret::random::<8>().map_err(|error| ApiError::internal(&error))?;
    let new = NewAlertAddress {
        id: format!("address_{}", hex::encode(id)),
        team,
        name: fields::name("name", asked.name.as_deref().unwrap_or(&shown))?,
        url: url.to_string(),
        secret: secret.clone(),
    };
    let address = service.store.add_alert_address(new, &by).await?;
    tracing::info!(team = %address.team, address = address.id, by = by.actor, "alert address added");
    Ok(SecretAlertAddress { secret, address })
}

/// Removes an address.
///
/// # Errors
/// Where the caller may not, there is no such address, or the store does not answer.
pub async fn remove(
    service: &Service,
    caller: &Caller,
    team: &str,
    id: &str,
) -> Result<(), ApiError> {
    let (team, by) = changed(service, caller, team).await?;
    let id = known(id)?;
    service.store.remove_alert_address(&team, id, &by).await?;
    tracing::info!(%team, address = id, by = by.actor, "alert address removed");
    Ok(())
}

/// Turns an address on or off.
///
/// # Errors
/// As [`remove`].
pub async fn update(
    service: &Service,
    caller: &Caller,
    team: &str,
    id: &str,
    asked: UpdateAlertAddress,
) -> Result<AlertAddress, ApiError> {
    let (team, by) = changed(service, caller, team).await?;
    let (id, enabled) = (known(id)?, asked.enabled);
    let address = service
        .store
        .enable_alert_address(&team, id, enabled, &by)
        .await?;
    tracing::info!(%team, address = id, by = by.actor, enabled, "alert address changed");
    Ok(address)
}

/// Gives an address another secret. The one before signs too for a day.
///
/// # Errors
/// As [`remove`].
pub async fn rotate_secret(
    service: &Service,
    caller: &Caller,
    team: &str,
    id: &str,
) -> Result<SecretAlertAddress, ApiError> {
    let (team, by) = changed(service, caller, team).await?;
    let id = known(id)?;
    let secret = webhook::new_secret().map_err(|error| ApiError::internal(&error))?;
    let until = by.now.after(OVERLAP);
    let address = service
        .store
        .rotate_alert_secret(&team, id, (&secret, until), &by)
        .await?;
    tracing::info!(%team, address = id, by = by.actor, "alert secret rotated");
    Ok(SecretAlertAddress { secret, address })
}

/// Posts a test to an address, once, and says what became of it.
///
/// # Errors
/// As [`remove`]; 409 while another test of it is under way.
pub async fn test(
    service: &Service,
    caller: &Caller,
    team: &str,
    id: &str,
) -> Result<AlertTest, ApiError> {
    let (team, by) = changed(service, caller, team).await?;
    let id = known(id)?;
    let random = secret::random::<16>().map_err(|error| ApiError::internal(&error))?;
    let name = format!("test:{}", hex::encode(random));
    let due = service
        .store
        .begin_alert_test(&team, id, &name, &by)
        .await?;
    let Attempted {
        answered,
        problem,
        then,
    } = service.attempt(&due).await?;
    Ok(AlertTest {
        alert: due.alert,
        delivered: then == Then::Delivered,
        answered,
        problem,
    })
}

/// The latest deliveries to a team's addresses, or to one of them, the newest first.
///
/// # Errors
/// Where the caller may not see the team's addresses, or the store does not answer.
pub async fn deliveries(
    service: &Service,
    caller: &Caller,
    team: &str,
    address: Option<&str>,
    limit: u32,
) -> Result<Vec<Delivery>, ApiError> {
    let (team, _) = changed(service, caller, team).await?;
    Ok(service.store.deliveries(&team, address, limit).await?)
}

/// The id of an address in a path. A text that is no id is answered 404, as an unknown address is.
fn known(id: &str) -> Result<&str, ApiError> {
    match fields::id("id", id) {
        Ok(()) => Ok(id),
        Err(_) => Err(ApiError::not_found("alert address")),
    }
}

/// The team, and who acts, if this caller may change its addresses.
async fn changed(service: &Service, caller: &Caller, team: &str) -> Result<(TeamId, By), ApiError> {
    let team = teams::show(service, caller, team).await?.id;
    let by = caller.may_change(&team)?;
    Ok((team, by))
}
