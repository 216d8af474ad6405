//! What a page of the list has found, and how far it has looked.

use super::address::Asked;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::keys::{self, ListKeys, attention};
use crate::pages::components::count;
use crate::pages::visitor::{Membership, Visitor};
use crate::service::Service;
use crate::store::{KeyInfo, PageRequest, keys_looked_at};

/// How many keys a page shows.
const ROWS: u32 = 25;

/// A page of keys, and where the next one is.
#[derive(Default)]
pub(super) struct Found {
    /// The keys.
    pub(super) keys: Vec<KeyInfo>,
    /// The next page.
    pub(super) next: Option<Asked>,
    /// Whether a filter has found less than a page of keys, among as many as a page looks at.
    pub(super) partly: bool,
}

/// The page that was asked for.
///
/// # Errors
/// Where a filter is not what it must be, the visitor may not see the team, or the store does not answer.
pub(super) async fn find(
    service: &Service,
    visitor: &Visitor,
    member: &Membership,
    asked: &Asked,
    now: Millis,
) -> Result<Found, ApiError> {
    let caller = &visitor.caller;
    if let Some(reason) = asked.attention() {
        let skip = asked.skip.parse().unwrap_or(0);
        let (team, range) = (&member.team.id, (skip, ROWS));
        let (keys, more) = attention::list(service, caller, team, (reason, now), range).await?;
        let next = more.then(|| Asked {
            skip: skip.saturating_add(ROWS).to_string(),
            ..asked.clone()
        });
        return Ok(Found {
            keys,
            next,
            partly: false,
        });
    }
    let text = |value: &str| {
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let list = ListKeys {
        team: Some(asked.team.clone()),
        status: asked.standing(),
        tag: text(&asked.tag),
        owner: text(&asked.owner),
        tier: text(&asked.tier),
        search: text(&asked.search),
        expires_before: None,
        expires_after: None,
        sort: Some(asked.sort()),
        reverse: Some(!asked.reverse.is_empty()),
    };
    let request = PageRequest {
        after: text(&asked.after),
        limit: ROWS,
    };
    let page = keys::list(service, caller, list.clone(), &request).await?;
    let mut found = Found {
        partly: page.next.is_some() && page.items.len() < ROWS as usize,
        keys: page.items,
        next: page.next.map(|after| Asked {
            after,
            ..asked.clone()
        }),
    };
    if found.partly && request.after.is_none() {
        // Most people know how a name begins, and that is found among all keys.
        for key in keys::beginning(service, caller, list, ROWS).await? {
            let known = |other: &KeyInfo| other.record.id == key.record.id;
            if found.keys.len() < ROWS as usize && !found.keys.iter().any(known) {
                found.keys.push(key);
            }
        }
    }
    Ok(found)
}

/// How far a page of a list has looked that a filter left with few keys.
pub(super) fn how_far(asked: &Asked) -> String {
    let most = count(keys_looked_at(ROWS).into());
    let is_first = asked.after.is_empty();
    let which = if is_first { "first" } else { "next" };
    let begins = match is_first && !asked.search.is_empty() {
        true => format!(
            ", and all that begin with “{}” in their name, id or text",
            asked.search.trim()
        ),
        false => String::new(),
    };
    format!(
        "This page has looked at the {which} {most} keys in this order{begins}. Look further for more."
    )
}
