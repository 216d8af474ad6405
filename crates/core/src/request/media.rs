//! What a body's headers say of its form.

use super::boundary::Boundary;
use super::endpoint::BodyForm;
use super::error::BodyError;
use super::fault::MultipartFault;

/// How to read the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Form(Boundary),
    /// Not at all.
    Opaque,
}

/// Judges `content-encoding` and `content-type`. Without a content type, and for any type that is no
/// form, the body of an API is JSON, as upstreams take it.
///
/// # Errors
/// [`BodyError::UnsupportedEncoding`] for anything but `identity`. [`BodyError::UnsupportedMediaType`] for what
/// another parser could read in two ways: several types at once, URL-encoded forms, a charset other than
/// UTF-8, a form where JSON belongs. [`BodyError::InvalidForm`] for a form without a usable boundary.
pub(super) fn judge(
    form: BodyForm,
    content_type: Option<&[u8]>,
    content_encoding: Option<&[u8]>,
) -> Result<Media, BodyError> {
    if form == BodyForm::None {
        return Ok(Media::Opaque);
    }
    let encoding = content_encoding.unwrap_or_default().trim_ascii();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity") {
        return Err(BodyError::UnsupportedEncoding);
    }
    let value = content_type.unwrap_or_default();
    let essence = essence(value);
    if essence.contains(&b',') {
        return Err(BodyError::UnsupportedMediaType);
    }
    if essence == b"multipart/form-data" {
        if form == BodyForm::Json {
            return Err(BodyError::UnsupportedMediaType);
        }
        if !is_read_as_utf8(value) {
            return Err(BodyError::InvalidForm(MultipartFault::Charset));
        }
        let boundary = parameter(value, b"boundary").map_err(|()| MultipartFault::Boundary);
        let boundary = boundary.and_then(|b| Boundary::new(b.unwrap_or_default()));
        return boundary.map(Media::Form).map_err(BodyError::InvalidForm);
    }
    if contains(&value.to_ascii_lowercase(), b"form") || essence.starts_with(b"multipart/") {
        return Err(BodyError::UnsupportedMediaType);
    }
    if !is_read_as_utf8(value) {
        return Err(BodyError::UnsupportedMediaType);
    }
    let json = essence.is_empty() || is_json(&essence) || essence == b"text/plain";
    Ok(if form == BodyForm::Any && !json {
        Media::Opaque
    } else {
        Media::Json
    })
}

/// The type of a content type, without its parameters, in lower case.
pub(super) fn essence(content_type: &[u8]) -> Vec<u8> {
    let mut parts = content_type.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    parts.next().unwrap_or_default().to_ascii_lowercase()
}

/// Whether a type is JSON of some kind.
pub(super) fn is_json(essence: &[u8]) -> bool {
    contains(essence, b"json")
}

/// Whether every parser reads the content as UTF-8: no charset is given, or that one, once.
pub(super) fn is_read_as_utf8(content_type: &[u8]) -> bool {
    match parameter(content_type, b"charset") {
        Ok(charset) => charset.is_none_or(is_utf8),
        Err(()) => false,
    }
}

fn is_utf8(charset: &[u8]) -> bool {
    [&b"utf-8"[..], b"utf8", b"us-ascii"]
        .iter()
        .any(|name| charset.eq_ignore_ascii_case(name))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

/// A parameter of a header value, without its quotes; an error where it stands there twice, or extended or in pieces
/// (`charset*`, `charset*0`; RFC 2231), which only some parsers read.
fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Result<Option<&'a [u8]>, ()> {
    let mut found = None;
    for part in value.split(|b| *b == b';').skip(1) {
        let mut halves = part.splitn(2, |b| *b == b'=');
        let key = halves.next().unwrap_or_default().trim_ascii();
        let stem = key.split(|b| *b == b'*').next().unwrap_or_default();
        if !stem.trim_ascii().eq_ignore_ascii_case(name) {
            continue;
        }
        if stem.len() < key.len() {
            return Err(());
        }
        let text = halves.next().unwrap_or_default().trim_ascii();
        let unquoted = text
            .strip_prefix(b"\"")
            .and_then(|t| t.strip_suffix(b"\""))
            .unwrap_or(text);
        if found.replace(unquoted).is_some() {
            return Err(());
        }
    }
    Ok(found)
}
