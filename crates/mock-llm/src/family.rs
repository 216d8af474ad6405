//! The families of APIs that the mock implements.

/// The provider whose request and answer shapes an endpoint uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    OpenAi,
    Anthropic,
    Gemini,
}
