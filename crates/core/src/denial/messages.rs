//! The message of each refusal.

use super::{Denial, KEYS_PAGE, METHODS};
use crate::auth::InvalidKey;
use crate::objects;
use crate::request::{EndpointGroup, Names};

impl Denial {
    /// Returns the message that the client sees.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::InvalidKey(reason) => {
                let openais = match reason {
                    InvalidKey::Missing => "You didn't provide an API key",
                    _ => "Incorrect API key provided",
                };
                format!("{openais}. Invalid API key: {reason}")
            }
            Self::KeyRevoked => format!(
                "Permission denied: this API key has been revoked. Create a new one at {KEYS_PAGE}."
            ),
            Self::AddressNotAllowed { key, address } => {
                let ip = address.map(|a| format!(" {a}")).unwrap_or_default();
                format!(
                    "Your IP{ip} is not authorized to use key `{key}`. Send the request from an address on the key's \
                     list, or have its team change the list at {KEYS_PAGE}."
                )
            }
            Self::EndpointNotAllowed { key, group } => format!(
                "You have insufficient permissions for this operation. Permission denied: key `{key}` may not use \
                 endpoints of the group '{}'. Its team can allow them at {KEYS_PAGE}.",
                group.name()
            ),
            Self::ModelNotAllowed { key, model } => {
                format!(
                    "The model `{model}` does not exist or you do not have access to it. Permission denied: key \
                     `{key}` does not have access to model `{model}`."
                )
            }
            Self::Body(error) => error.to_string(),
            Self::Limit(hit) => hit.message(),
            Self::BodiesOfKey { key, team, limit, used, requested } => format!(
                "Rate limit reached for {key} in team {team} on bytes of request bodies on their way at once: Limit \
                 {limit}, Used {used}, Requested {requested}. Please try again in 1s. Rate limit exceeded: send fewer \
                 large requests at a time."
            ),
            Self::UnknownUrl { method, path } => format!(
                "Unknown request URL: {method} {path}. Check the URL for typos; the API's base URL ends in /v1."
            ),
            Self::ClosedEndpoint {
                method,
                path,
                group,
            } => closed(method, path, *group),
            Self::NoSuchObject { kind, id } => format!("{} {OWNERSHIP}", no_such(*kind, id)),
            Self::NoSuchReference(names) => format!(
                "The object in '{}' was not found. {OWNERSHIP}",
                named_by(*names)
            ),
            Self::ObjectList { path } => format!(
                "Unknown request URL: GET {path}. A list would show what other teams have made; ask for an object by its id."
            ),
            Self::NoKeyService => "This key stands in the gate's own configuration, so no account is kept of it. GET \
                /v1/limits tells its limits."
                .into(),
            Self::Method { method } => {
                format!("Method {method} is not allowed. Use one of: {METHODS}.")
            }
            Self::Upgrade => "Upgrades such as WebSocket are not supported here. Use HTTP; answers can be streamed \
                with \"stream\": true."
                .into(),
            Self::UnreadableModels => {
                "The model provider sent a list of models that could not be read. Please try again.".into()
            }
            Self::Credit => "You exceeded your current quota, please check your plan and billing details: your \
                team's credit, or this key's budget, is used up."
                .into(),
            Self::ModelBudget { key, model } => format!(
                "You exceeded your current quota, please check your plan and billing details: the budget of key `{key}` \
                 for model `{model}` is used up. Other models may still be used."
            ),
            Self::NotReady => {
                "The key cannot be checked at the moment. Please try again shortly.".into()
            }
            Self::Overloaded => {
                "The gate is receiving as many request bodies as it can hold. Try again shortly.".into()
            }
            Self::Unavailable => {
                "The gate cannot check this request's limits at the moment. Try again shortly.".into()
            }
        }
    }
}

/// The end of messages about objects. It is the same whether another team made the object or it does not exist.
const OWNERSHIP: &str = "It must have been made through this gate, by a key of your team.";

/// OpenAI's sentence for an object that does not exist.
fn no_such(kind: objects::Kind, id: &str) -> String {
    match kind {
        objects::Kind::Response => format!("Response with id '{id}' not found."),
        objects::Kind::Completion => format!("Chat completion with id '{id}' not found."),
        objects::Kind::Batch => format!("No batch found with id '{id}'."),
        objects::Kind::File => format!("No such File object: {id}."),
        objects::Kind::Other => format!("No object found with id '{id}'."),
    }
}

pub(super) const fn named_by(names: Names) -> &'static str {
    match names {
        Names::PreviousResponse => "previous_response_id",
        Names::Conversation => "conversation",
        Names::BatchInput => "input_file_id",
        Names::File => "file_id",
        Names::Other => "id",
    }
}

fn closed(method: &str, path: &str, group: EndpointGroup) -> String {
    let name = group.name();
    let setting = format!("\"endpoints\": {{\"{name}\": \"allow\"}} in the gate's configuration");
    let typos = if group == EndpointGroup::Other {
        " Check the URL for typos; the API's base URL ends in /v1."
    } else {
        ""
    };
    format!(
        "Unknown request URL: {method} {path}.{typos} Endpoints of the group '{name}' are closed here; an operator opens \
         them with {setting}."
    )
}
