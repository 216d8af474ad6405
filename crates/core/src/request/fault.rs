//! What is wrong with a text: of JSON, of a form, of a batch. A [`super::BodyError`] carries one of these.

use std::fmt;

use crate::json::StringFault;

/// What is wrong with a text that should be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// A byte that cannot stand where it does (`NaN`, single quotes, trailing commas, `01`).
    Syntax,
    /// The text ends before the value does.
    Truncated,
    /// Something follows the value.
    Trailing,
    /// More than [`super::MAX_DEPTH`] arrays and objects inside one another.
    TooDeep,
    /// A control character inside a string that is not escaped.
    ControlCharacter,
    /// Not UTF-8, or UTF-16.
    NotUtf8,
    /// A byte order mark.
    ByteOrderMark,
    /// More than [`super::MAX_LEADING_SPACE`] bytes of white space before the value.
    LeadingSpace,
}

impl From<StringFault> for JsonFault {
    fn from(fault: StringFault) -> Self {
        match fault {
            StringFault::Escape => Self::Syntax,
            StringFault::ControlCharacter => Self::ControlCharacter,
            StringFault::NotUtf8 => Self::NotUtf8,
        }
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "unexpected character",
            Self::Truncated => "it ends too early",
            Self::Trailing => "something follows the JSON value; send exactly one object",
            Self::TooDeep => "arrays and objects are nested more than 128 deep",
            Self::ControlCharacter => {
                "a control character stands in a string; escape it (a line end is \\n)"
            }
            Self::NotUtf8 => "it is not valid UTF-8; encode the body as UTF-8",
            Self::ByteOrderMark => "it starts with a byte order mark; send UTF-8 without one",
            Self::LeadingSpace => "it starts with more than 64 bytes of white space",
        })
    }
}

/// What is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipartFault {
    /// The content type has no boundary, several, or one that RFC 2046 does not allow.
    Boundary,
    /// The body does not begin with the boundary.
    Start,
    /// The boundary stands where parsers differ on what it means.
    Ambiguous,
    /// A part's headers are malformed, too long, or too many.
    Header,
    /// A part's content-disposition has no plain name.
    Name,
    /// A charset other than UTF-8, or a form inside the form.
    Charset,
    /// The body ends before its closing boundary.
    Truncated,
    /// Something follows the closing boundary.
    Trailing,
}

impl fmt::Display for MultipartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boundary => {
                "the content-type header needs one boundary parameter of 1 to 70 characters; let your HTTP library set the header"
            }
            Self::Start => "it does not begin with the boundary of the content-type header",
            Self::Ambiguous => "the boundary stands inside a part; use one that occurs nowhere else",
            Self::Header => "a part's headers are malformed or too long",
            Self::Name => "a part needs content-disposition: form-data with one name of plain ASCII letters",
            Self::Charset => "send it in UTF-8, without another charset and without a form inside it",
            Self::Truncated => "it ends before the closing boundary",
            Self::Trailing => "something follows the closing boundary",
        })
    }
}

/// Why a batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchFault {
    /// A request that is not well formed.
    Json,
    /// A request's parameter that cannot be judged, or a model that is none.
    Parameter,
    /// No request where one belongs, or several.
    NoBody,
    /// No address, or several.
    NoUrl,
    /// Another method than POST.
    Method,
    /// `body`, `url` or `params` in another letter case.
    LetterCase,
    /// No model.
    NoModel,
    /// Another model than the first request's.
    OtherModel,
    /// Another address than the first request's.
    OtherUrl,
    /// Other models to fall back to, or work that finishes elsewhere.
    Elsewhere,
    /// More of the provider's objects than can be looked up.
    References,
    /// No request at all.
    Empty,
    /// An address that a batch's requests may not go to.
    Endpoint,
    /// A file that was not uploaded here for a batch.
    Unjudged,
}

impl fmt::Display for BatchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "it is not one JSON object",
            Self::Parameter => "a parameter of its request is invalid, or given twice",
            Self::NoBody => "it needs one request object ('body' of a line, 'params' of an element)",
            Self::NoUrl => "it needs one 'url'",
            Self::Method => "its 'method' must be POST",
            Self::LetterCase => "write 'body', 'url' and 'params' in lower case",
            Self::NoModel => "its request names no model",
            Self::OtherModel => "it names another model than the first request; a batch is of one model",
            Self::OtherUrl => "it goes to another 'url' than the first request; a batch is of one endpoint",
            Self::Elsewhere => "its request asks for other models or for work in the background",
            Self::References => "the requests up to here name more than 32 files, stores or other objects",
            Self::Empty => "there is no request in it",
            Self::Endpoint => {
                "its 'url' must be an endpoint that is open here: /v1/chat/completions, /v1/completions, \
                 /v1/embeddings, /v1/responses or /v1/moderations"
            }
            Self::Unjudged => {
                "'input_file_id' must be a file that was uploaded through this gate with purpose=batch, by a key of \
                 your team"
            }
        })
    }
}
