//! Which API a request calls, and what follows from it.

use percent_encoding::percent_decode;

use super::error::{BodyError, Param};
use super::group::EndpointGroup;
use super::kind::EndpointKind;
use super::nested;
use super::route::{Route, Verb};
use crate::model::ModelId;
use crate::objects;

/// What the body is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// None; should bytes come, they are not looked at.
    None,
    /// A JSON object; a form is refused.
    Json,
    /// A multipart form, or JSON if its content type says so.
    Form,
    /// Unknown: JSON or a form by its content type; an empty one is fine.
    Any,
}

/// The API that a request calls, from its method and path.
///
/// ```
/// use gmtech_core::request::{Endpoint, EndpointKind};
///
/// let chat = Endpoint::new(b"POST", b"/api/v1/chat/completions").unwrap();
/// assert_eq!(chat.kind(), EndpointKind::ChatCompletions);
/// assert!(chat.requires_model() && chat.takes_include_usage());
///
/// let gemini = Endpoint::new(b"POST", b"/v1beta/models/gemini-2.5-pro:generateContent").unwrap();
/// assert_eq!(gemini.path_model().unwrap().as_str(), "gemini-2.5-pro");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    route: Route,
    model: Option<ModelId>,
    query_model: bool,
}

impl Endpoint {
    /// Reads a method and a `:path`, with or without its query. What stands before the version (`/api/v1/`,
    /// `/v1/`, `/openai/deployments/{d}/`) does not matter; empty segments, letter case and percent-encoding
    /// are levelled, as lenient upstreams do, so that no spelling escapes its rules.
    ///
    /// # Errors
    /// [`BodyError::InvalidModel`] where a path names a model that is none, [`BodyError::Duplicate`] where a
    /// query names several.
    pub fn new(method: &[u8], path: &[u8]) -> Result<Self, BodyError> {
        let mut halves = path.splitn(2, |b| *b == b'?');
        let (path, query) = (
            halves.next().unwrap_or_default(),
            halves.next().unwrap_or_default(),
        );
        let route = Route::find(Verb::new(method), path);
        let named = route.model.as_deref().map(ModelId::new).transpose();
        let mut model = named.map_err(|_| BodyError::InvalidModel)?;
        if route.kind == EndpointKind::Realtime {
            model = model_of_query(query)?;
        }
        let query_model = route.kind != EndpointKind::Realtime && chooses_a_model(query);
        Ok(Self {
            route,
            model,
            query_model,
        })
    }

    /// The family.
    #[must_use]
    pub fn kind(&self) -> EndpointKind {
        self.route.kind
    }

    /// The group by which an operator opens or closes it.
    #[must_use]
    pub fn group(&self) -> EndpointGroup {
        self.route.group
    }

    /// The objects of the provider's that the path leads to.
    #[must_use]
    pub fn objects(&self) -> Option<&objects::path::Place> {
        self.route.objects.as_ref()
    }

    /// The model that the path (or, for realtime, the query) names.
    #[must_use]
    pub fn path_model(&self) -> Option<&ModelId> {
        self.model.as_ref()
    }

    /// Whether the query names or chooses a model where none belongs; an upstream may read it all the same.
    #[must_use]
    pub fn query_chooses_a_model(&self) -> bool {
        self.query_model
    }

    /// Whether the path asks for a stream, as Gemini's does.
    #[must_use]
    pub fn streams_by_path(&self) -> bool {
        self.route.streams
    }

    /// What the body is expected to be.
    #[must_use]
    pub fn body(&self) -> BodyForm {
        use EndpointKind as K;
        match self.route.kind {
            K::Models | K::Model | K::Realtime => BodyForm::None,
            K::Images | K::Transcriptions => BodyForm::Form,
            K::Other => BodyForm::Any,
            _ => BodyForm::Json,
        }
    }

    /// Whether tokens are charged: wherever a provider bills them. What the gate does not know is charged the
    /// estimate of its body, since what reaches a model costs, whether the gate knows the way or not.
    #[must_use]
    pub fn charges_tokens(&self) -> bool {
        use EndpointKind as K;
        match self.route.kind {
            K::Moderations | K::CountTokens | K::Models | K::Model | K::Realtime => false,
            _ => self.route.bills_tokens,
        }
    }

    /// Whether tokens are charged for that model: images of DALL·E are billed by the image, and report no tokens.
    #[must_use]
    pub fn charges_tokens_of(&self, model: Option<&ModelId>) -> bool {
        let dall_e = |m: &ModelId| {
            let name = m.as_str().rsplit('/').next().unwrap_or_default();
            name.starts_with("dall-e-")
        };
        let by_the_image = self.route.kind == EndpointKind::Images && model.is_some_and(dall_e);
        self.charges_tokens() && !by_the_image
    }

    /// Whether a model must be named. Moderations, responses and images may leave it to the provider.
    #[must_use]
    pub fn requires_model(&self) -> bool {
        use EndpointKind as K;
        !matches!(
            self.route.kind,
            K::Moderations | K::Responses | K::Images | K::CountTokens | K::Models | K::Other
        )
    }

    /// Whether a model runs, named or not: then a key that may not use every model must name one.
    #[must_use]
    pub fn runs_a_model(&self) -> bool {
        use EndpointKind as K;
        match self.route.kind {
            K::Models | K::Model => false,
            K::Other => self.route.runs_a_model,
            _ => true,
        }
    }

    /// Whether a body of any type is data that the provider stores, and not a request that must be read.
    #[must_use]
    pub fn takes_opaque_bodies(&self) -> bool {
        matches!(
            self.route.group,
            EndpointGroup::Files | EndpointGroup::Uploads
        )
    }

    /// Whether `stream_options.include_usage` exists here.
    #[must_use]
    pub fn takes_include_usage(&self) -> bool {
        matches!(
            self.route.kind,
            EndpointKind::ChatCompletions | EndpointKind::Completions
        )
    }
}

/// The names and values of a query, not decoded.
fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|b| matches!(b, b'&' | b';')).map(|pair| {
        let mut halves = pair.splitn(2, |b| *b == b'=');
        let name = halves.next().unwrap_or_default();
        (name, halves.next().unwrap_or_default())
    })
}

fn chooses_a_model(query: &[u8]) -> bool {
    pairs(query).any(|(name, _)| nested::in_query(&percent_decode(name).collect::<Vec<u8>>()))
}

fn model_of_query(query: &[u8]) -> Result<Option<ModelId>, BodyError> {
    let mut found = None;
    for (key, value) in pairs(query) {
        if percent_decode(key).ne(b"model".iter().copied()) {
            continue;
        }
        if found.is_some() {
            return Err(BodyError::Duplicate(Param::Model));
        }
        let name = percent_decode(value).decode_utf8_lossy();
        found = Some(ModelId::new(&name).map_err(|_| BodyError::InvalidModel)?);
    }
    Ok(found)
}
