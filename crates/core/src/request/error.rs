//! Why a request body is refused: one variant a reason.

use std::fmt;

use super::fault::{BatchFault, JsonFault, MultipartFault};

/// A parameter that the gate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// `model`
    Model,
    /// `stream`
    Stream,
    /// `stream_options`
    StreamOptions,
    /// `stream_options.include_usage`
    IncludeUsage,
    /// `max_tokens`
    MaxTokens,
    /// `max_completion_tokens`
    MaxCompletionTokens,
    /// `max_output_tokens`
    MaxOutputTokens,
    /// `n`
    N,
    /// `best_of`
    BestOf,
    /// Gemini's `generationConfig`
    GenerationConfig,
    /// Gemini's `generationConfig.maxOutputTokens`
    GenerationMaxOutputTokens,
    /// Gemini's `generationConfig.candidateCount`
    CandidateCount,
    /// `response_format` of a form
    ResponseFormat,
    /// `purpose` of a file
    Purpose,
    /// `background`: OpenAI's responses
    Background,
    /// `deferred`: xAI's completions
    Deferred,
    /// `store`
    Store,
}

impl Param {
    /// The name as a client writes it, `.` between levels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Stream => "stream",
            Self::StreamOptions => "stream_options",
            Self::IncludeUsage => "stream_options.include_usage",
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
            Self::N => "n",
            Self::BestOf => "best_of",
            Self::GenerationConfig => "generationConfig",
            Self::GenerationMaxOutputTokens => "generationConfig.maxOutputTokens",
            Self::CandidateCount => "generationConfig.candidateCount",
            Self::ResponseFormat => "response_format",
            Self::Purpose => "purpose",
            Self::Background => "background",
            Self::Deferred => "deferred",
            Self::Store => "store",
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Model | Self::ResponseFormat | Self::Purpose => "a string",
            Self::Stream | Self::IncludeUsage | Self::Background | Self::Deferred | Self::Store => {
                "a boolean (true or false, without quotes)"
            }
            Self::StreamOptions | Self::GenerationConfig => "an object",
            _ => "an integer of zero or more (without quotes)",
        }
    }
}

/// Why a request body is refused. `Display` is the message for the client: it names the fix and holds
/// nothing that the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The body is compressed.
    UnsupportedEncoding,
    /// Neither JSON nor a form that this endpoint takes.
    UnsupportedMediaType,
    /// No body where one is needed.
    Empty,
    /// Not JSON, at the offset given (bytes from the body's start).
    InvalidJson(JsonFault, u64),
    /// JSON, but no object.
    NotAnObject,
    /// No model where one is needed.
    MissingModel,
    /// A model name that cannot travel in a header.
    InvalidModel,
    /// The path names one model and the body another.
    ConflictingModel,
    /// A parameter given twice; parsers differ in which one counts.
    Duplicate(Param),
    /// A parameter in another letter case; some parsers would take it for the real one.
    LetterCase(Param),
    /// A parameter of another type.
    WrongType(Param),
    /// A count below zero or with a fraction.
    WrongCount(Param),
    /// A parameter of this name may bring in a model that is not checked, from a key that may not use every model.
    Unjudged(&'static str),
    /// The same of a connection, in which anything may be asked for.
    UnjudgedConnection,
    /// A form that is not well formed.
    InvalidForm(MultipartFault),
    /// Work that finishes after its answer, where that is closed.
    Later(Param),
    /// More objects of the provider's than can be looked up.
    TooManyReferences,
    /// A batch whose requests cannot all be judged: why, and the number of the line or request; 0 where it is about
    /// the batch.
    Batch(BatchFault, u64),
    /// More bytes than the limit given.
    TooLarge(u64),
}

impl BodyError {
    /// The HTTP status: 400, 413 or 415.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::UnsupportedEncoding | Self::UnsupportedMediaType => 415,
            Self::TooLarge(_) => 413,
            _ => 400,
        }
    }

    /// The `type` of OpenAI's envelope.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        "invalid_request_error"
    }

    /// The `param` of OpenAI's envelope.
    #[must_use]
    pub const fn param(self) -> Option<&'static str> {
        match self {
            Self::MissingModel | Self::InvalidModel | Self::ConflictingModel => Some("model"),
            Self::Unjudged(parameter) => Some(parameter),
            Self::Later(p) => Some(p.name()),
            Self::Batch(BatchFault::Unjudged, _) => Some("input_file_id"),
            Self::Duplicate(p) | Self::LetterCase(p) | Self::WrongType(p) | Self::WrongCount(p) => {
                Some(p.name())
            }
            _ => None,
        }
    }

    /// The `code` of OpenAI's envelope.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Empty => "empty_body",
            Self::InvalidJson(..) => "invalid_json",
            Self::NotAnObject | Self::WrongType(_) => "invalid_type",
            Self::MissingModel => "missing_required_parameter",
            Self::InvalidModel | Self::ConflictingModel | Self::WrongCount(_) => "invalid_value",
            Self::Duplicate(_) => "duplicate_parameter",
            Self::LetterCase(_) | Self::Unjudged(_) | Self::UnjudgedConnection => {
                "unknown_parameter"
            }
            Self::InvalidForm(_) => "invalid_multipart",
            Self::Later(_) => "unsupported_parameter",
            Self::TooManyReferences => "invalid_value",
            Self::Batch(..) => "invalid_batch",
            Self::TooLarge(_) => "request_too_large",
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedEncoding => f.write_str(
                "The request body is compressed. Send it uncompressed, without a content-encoding header.",
            ),
            Self::UnsupportedMediaType => f.write_str(
                "The request body's content type is not supported here. Send JSON in UTF-8 with content-type: application/json.",
            ),
            Self::Empty => {
                f.write_str("The request body is empty. Send a JSON object with a model parameter.")
            }
            Self::InvalidJson(fault, at) => {
                write!(f, "We could not parse the JSON body of your request (at byte {at}): {fault}.")
            }
            Self::NotAnObject => f.write_str("The request body must be a JSON object."),
            Self::MissingModel => f.write_str("you must provide a model parameter"),
            Self::InvalidModel => f.write_str(
                "Invalid 'model': a model name is 1 to 256 visible ASCII characters, without spaces.",
            ),
            Self::ConflictingModel => f.write_str(
                "The path names one model and the body another. Name the same in both, or leave it out of the body.",
            ),
            Self::Duplicate(p) => write!(f, "'{}' is given twice. Send it once.", p.name()),
            Self::Unjudged(parameter) => write!(
                f,
                "This key may use certain models only, and '{parameter}' can bring in another one. Remove it, and \
                 name one model in 'model'."
            ),
            Self::UnjudgedConnection => f.write_str(
                "This key may use certain models only, and what a connection asks for cannot be checked. Send \
                 requests over HTTP.",
            ),
            Self::LetterCase(p) => {
                write!(f, "A parameter differs from '{0}' only in letter case. Write '{0}'.", p.name())
            }
            Self::WrongType(p) => write!(f, "Invalid type for '{}': expected {}.", p.name(), p.expected()),
            Self::WrongCount(p) => {
                write!(f, "Invalid value for '{}': expected {}.", p.name(), p.expected())
            }
            Self::Later(p) => write!(
                f,
                "'{}' is not allowed here: what finishes later is not metered unless an operator opens it with \
                 \"endpoints\": {{\"background\": \"allow\"}} in the gate's configuration. Leave it out, or send false.",
                p.name()
            ),
            Self::TooManyReferences => write!(
                f,
                "The request names more than {} files, stores or other objects. Name fewer.",
                super::references::MAX_REFERENCES
            ),
            Self::Batch(fault, 0) => write!(f, "This batch cannot be accepted: {fault}."),
            Self::Batch(fault, number) => {
                write!(f, "This batch cannot be accepted: line or request {number}: {fault}.")
            }
            Self::InvalidForm(fault) => {
                write!(f, "We could not parse the multipart form of your request: {fault}.")
            }
            Self::TooLarge(limit) => {
                const MIB: u64 = 1 << 20;
                f.write_str("The request body is too large: the limit is ")?;
                match limit.is_multiple_of(MIB) {
                    true => write!(f, "{} MiB.", limit / MIB),
                    false => write!(f, "{limit} bytes."),
                }
            }
        }
    }
}

impl std::error::Error for BodyError {}
