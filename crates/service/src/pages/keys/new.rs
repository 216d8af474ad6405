//! A new key.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;

use super::draft::{Draft, placed};
use super::edit::{Editor, editor};
use super::example::Gate;
use super::{OfTeam, may_make, once, secret, with_mistake};
use crate::error::ApiError;
use crate::ops::{keys, tiers};
use crate::pages::HOME;
use crate::pages::error::PageError;
use crate::pages::form::Posted;
use crate::pages::frame::{Frame, Section};
use crate::pages::visitor::{Membership, Visitor};
use crate::service::Service;
use crate::store::policy::DEFAULT_TIER;

/// The form's token, as the use-case knows it.
fn token(draft: &Draft) -> Option<String> {
    (!draft.once.is_empty()).then(|| format!("page-{}", draft.once))
}

pub(super) async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Query(of): Query<OfTeam>,
) -> Result<Response, PageError> {
    let member = visitor.team(Some(of.team.as_str()).filter(|team| !team.is_empty()))?;
    if !may_make(&visitor, member) {
        visitor.caller.may_make_key(&member.team.id, None)?;
    }
    let owner = visitor.caller.usual_owner(&member.team.id);
    let draft = Draft {
        once: once()?,
        tier: DEFAULT_TIER.into(),
        owner: owner.unwrap_or_default().to_owned(),
        ..Draft::default()
    };
    page(&service, &visitor, member, &draft, None).await
}

async fn page(
    service: &Service,
    visitor: &Visitor,
    member: &Membership,
    draft: &Draft,
    mistake: Option<&ApiError>,
) -> Result<Response, PageError> {
    let tiers = tiers::choices(service, &visitor.caller, &member.team, None).await?;
    let frame = Frame {
        title: "Create New API Key",
        section: Section::Keys,
        visitor,
        team: Some(member),
    };
    let home = frame.of_team(HOME);
    let body = editor(&Editor {
        visitor,
        draft,
        tiers: &tiers,
        mistake,
        action: &frame.of_team("/users/api-keys/new"),
        verb: "Create key",
        way: &[(&home, "API Keys")],
        here: "New key",
    });
    Ok(with_mistake(frame.page(body), mistake))
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Query(of): Query<OfTeam>,
    gate: Gate,
    Posted(draft): Posted<Draft>,
) -> Result<Response, PageError> {
    let member = visitor.team(Some(of.team.as_str()).filter(|team| !team.is_empty()))?;
    let made = match draft.create(member.team.id.as_str()) {
        Ok(asked) => keys::create(&service, &visitor.caller, asked, token(&draft)).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => {
            let tiers = tiers::offered(&service, &visitor.caller).await?;
            Ok(secret::page(&visitor, member, &made, None, &gate, &tiers))
        }
        Err(error) if error.param().is_some() => {
            let error = placed(error);
            page(&service, &visitor, member, &draft, Some(&error)).await
        }
        Err(error) => Err(error.into()),
    }
}
