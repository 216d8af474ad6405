//! The headers of one part of a form.

use super::error::BodyError;
use super::fault::MultipartFault;
use super::media;
use crate::json::Bounded;

/// Longer names are none that the gate knows.
pub(super) const MAX_NAME: usize = 64;

/// What a part's headers say of it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: Bounded<MAX_NAME>,
    /// It has a file's name, so it is a file to every parser.
    pub(super) file: bool,
    /// Its content type says that it is JSON.
    pub(super) json: bool,
}

/// The headers read so far.
#[derive(Clone, Debug)]
pub(super) struct Headers {
    part: Option<Part>,
    json: bool,
}

const fn fault(fault: MultipartFault) -> BodyError {
    BodyError::InvalidForm(fault)
}

impl Headers {
    pub(super) const fn new() -> Self {
        Self {
            part: None,
            json: false,
        }
    }

    /// Reads one header line, without its CRLF.
    ///
    /// # Errors
    /// A line that is no header, a second content-disposition, one without a plain name, a charset or a transfer
    /// encoding that would change the content.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), BodyError> {
        let colon = memchr::memchr(b':', line).ok_or(fault(MultipartFault::Header))?;
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
        // A space before the colon, or a folded line, is a header to some parsers and none to others.
        if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-') {
            return Err(fault(MultipartFault::Header));
        }
        if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            let plain = [&b"7bit"[..], b"8bit", b"binary"];
            if !plain.iter().any(|p| value.eq_ignore_ascii_case(p)) {
                return Err(fault(MultipartFault::Header));
            }
        }
        if name.eq_ignore_ascii_case(b"content-type") {
            let essence = media::essence(value);
            // A charset would change what a field says; a form inside a form may hold fields of its own.
            if !media::is_read_as_utf8(value) || essence.starts_with(b"multipart/") {
                return Err(fault(MultipartFault::Charset));
            }
            self.json = media::is_json(&essence);
        }
        if name.eq_ignore_ascii_case(b"content-disposition") {
            if self.part.is_some() {
                return Err(fault(MultipartFault::Name));
            }
            self.part = Some(disposition(value).ok_or(fault(MultipartFault::Name))?);
        }
        Ok(())
    }

    /// The headers are complete.
    pub(super) fn finish(&mut self) -> Result<Part, BodyError> {
        let part = self.part.take().ok_or(fault(MultipartFault::Name))?;
        let json = self.json && !part.file;
        Ok(Part { json, ..part })
    }
}

/// Whether a field's name is itself to every parser: no escape (`%6d`, `&#109;`, `\m`), no encoded word (`=?…?=`), no
/// other charset's letters (`+AG0-`), and not the field that sets a charset for all others.
fn is_plain(name: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_-.[]:/ ".contains(b);
    name.iter().all(plain) && !name.eq_ignore_ascii_case(b"_charset_")
}

/// Reads `form-data; name="…"; filename="…"`. A name twice, extended (`name*`, `name*0`) or not plain is refused:
/// parsers differ in what it is.
fn disposition(value: &[u8]) -> Option<Part> {
    let kind = value.split(|b| *b == b';').next().unwrap_or_default();
    if !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return None;
    }
    let mut rest = value.get(kind.len()..).unwrap_or_default();
    let (mut name, mut file) = (None, false);
    while let Some(parameter) = rest.trim_ascii_start().strip_prefix(b";") {
        let parameter = parameter.trim_ascii_start();
        if parameter.is_empty() {
            rest = parameter;
            break;
        }
        let equals = memchr::memchr(b'=', parameter)?;
        let (key, text) = parameter.split_at_checked(equals)?;
        let key = key.trim_ascii().to_ascii_lowercase();
        let text = text.strip_prefix(b"=").unwrap_or(text).trim_ascii_start();
        let (text, after) = match text.strip_prefix(b"\"") {
            Some(quoted) => quoted.split_at_checked(closing_quote(quoted)?)?,
            None => text.split_at_checked(memchr::memchr(b';', text).unwrap_or(text.len()))?,
        };
        rest = after.strip_prefix(b"\"").unwrap_or(after);
        match key.as_slice() {
            b"name" if name.is_none() && is_plain(text.trim_ascii()) => {
                name = Some(text.trim_ascii());
            }
            [b'n', b'a', b'm', b'e', ..] => return None,
            [b'f', b'i', b'l', b'e', b'n', b'a', b'm', b'e', ..] => file = true,
            _ => {}
        }
    }
    if !rest.trim_ascii().is_empty() {
        return None;
    }
    let mut held = Bounded::new();
    held.push(name?);
    Some(Part {
        name: held,
        file,
        json: false,
    })
}

/// Where a quoted text ends; a backslash escapes the next byte.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|b| {
        let closes = *b == b'"' && !escaped;
        escaped = *b == b'\\' && !escaped;
        closes
    })
}
