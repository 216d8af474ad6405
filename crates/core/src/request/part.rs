//! The headers of one part of a form.

use super::bounded::Bounded;
use super::error::BodyError;
use super::multipart::MultipartFault;

/// Longer names are none that the gate knows.
pub(super) const MAX_NAME: usize = 64;

/// What a part's headers say of it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: Bounded<MAX_NAME>,
    /// It has a file's name, so it is a file to every parser.
    pub(super) file: bool,
}

/// The headers read so far.
#[derive(Clone, Debug)]
pub(super) struct Headers {
    part: Option<Part>,
}

const fn fault(fault: MultipartFault) -> BodyError {
    BodyError::InvalidForm(fault)
}

impl Headers {
    pub(super) const fn new() -> Self {
        Self { part: None }
    }

    /// Reads one header line, without its CRLF.
    ///
    /// # Errors
    /// A line that is no header, a second content-disposition, one without a plain name, or a transfer
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
        self.part.take().ok_or(fault(MultipartFault::Name))
    }
}

/// Reads `form-data; name="…"; filename="…"`. A name twice, extended (`name*`) or with a backslash is refused:
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
            b"name" if name.is_none() && !text.contains(&b'\\') => name = Some(text.trim_ascii()),
            b"name" | b"name*" => return None,
            b"filename" | b"filename*" => file = true,
            _ => {}
        }
    }
    if !rest.trim_ascii().is_empty() {
        return None;
    }
    let mut held = Bounded::new();
    held.push(name?);
    Some(Part { name: held, file })
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
