//! Directives: the language of the `x-mock` header, in which a test asks the mock to misbehave.
//!
//! A text is a list of `name` or `name=value`, separated by `;`. It can come from three places. Later places
//! override earlier ones directive by directive: the server's default, the `x-mock` header, and the text that
//! follows a `#` in the model's name (for a client that cannot set headers). An unknown name or a value out of
//! range is an error that names it, so that no test passes because of a typing mistake.

use std::time::Duration;

/// The most output tokens one request may ask for.
pub const MAX_OUTPUT_TOKENS: u64 = 100_000;
/// The longest delay, in milliseconds.
pub const MAX_DELAY_MS: u64 = 600_000;
/// The longest padded line, in bytes.
pub const MAX_LINE_BYTES: u64 = 32 << 20;

/// How an event stream ends its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnd {
    /// `\n`
    #[default]
    Lf,
    /// `\r\n`
    CrLf,
    /// `\r`
    Cr,
}

impl LineEnd {
    /// The bytes of one line end.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }
}

/// The form of the answer, whatever the request's `stream` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerAs {
    /// One document.
    Json,
    /// An event stream.
    Sse,
}

/// The directives of one request. The README's table has a row for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each field is the directive of the same name, and the README has a row for each"
)]
pub struct Directives {
    // The answer.
    pub output_tokens: Option<u64>,
    pub status: Option<u16>,
    pub fail_times: Option<u64>,
    pub retry_after: Option<u64>,
    pub retry_after_ms: Option<u64>,
    pub redirect: Option<String>,
    pub content_type: Option<String>,
    pub answer_as: Option<AnswerAs>,
    pub refuse_stream_options: bool,
    pub tag: Option<String>,
    pub polls: u64,
    // The usage that the answer states.
    pub no_usage: bool,
    pub usage_prompt: Option<u64>,
    pub usage_completion: Option<u64>,
    pub cached_tokens: u64,
    pub cache_creation_tokens: u64,
    pub reasoning_tokens: u64,
    pub continuous_usage: bool,
    pub usage_in_last_chunk: bool,
    // Delays.
    pub delay: Duration,
    pub first_event: Duration,
    pub event_delay: Duration,
    // Answers that break off or fail.
    pub drop: bool,
    pub cut_after_events: Option<u64>,
    pub cut_after_bytes: Option<u64>,
    pub error_event_after: Option<u64>,
    pub no_done: bool,
    // How the body is written.
    pub gzip: bool,
    pub chunk_bytes: Option<u64>,
    pub split_at: Option<u64>,
    pub trailers: bool,
    pub line_end: LineEnd,
    pub bom: bool,
    pub no_space: bool,
    pub multiline_data: bool,
    pub comment_lines: bool,
    pub long_line_bytes: Option<u64>,
    pub extra_empty_choices: bool,
}

/// An error in a list of directives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDirective {
    /// No directive has that name.
    #[error("x-mock: unknown directive '{0}'")]
    Unknown(String),
    /// The directive does not accept the value.
    #[error("x-mock: {name} is {want}, not '{got}'")]
    Value {
        /// The directive's name.
        name: String,
        /// The values that it accepts.
        want: String,
        /// The value that was given.
        got: String,
    },
}

impl BadDirective {
    fn value(name: &str, want: impl Into<String>, got: &str) -> Self {
        Self::Value {
            name: name.into(),
            want: want.into(),
            got: got.into(),
        }
    }
}

impl Directives {
    /// Applies the directives in `text`, overriding those that are already set.
    ///
    /// # Errors
    /// [`BadDirective`] names the first directive that is unknown or has a value out of range.
    pub fn apply(&mut self, text: &str) -> Result<(), BadDirective> {
        for item in text
            .split(';')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (name, value) = match item.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (item, None),
            };
            self.set(name, value)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), BadDirective> {
        let number = |max: u64| number(name, value, 0, max);
        let positive = |max: u64| number_from(name, value, max);
        let millis = || number(MAX_DELAY_MS).map(Duration::from_millis);
        let flag = || flag(name, value);
        match name {
            "output_tokens" => self.output_tokens = Some(number(MAX_OUTPUT_TOKENS)?),
            "status" => self.status = Some(status(name, value)?),
            "fail_times" => self.fail_times = Some(number(u64::MAX)?),
            "retry_after" => self.retry_after = Some(number(u64::MAX)?),
            "retry_after_ms" => self.retry_after_ms = Some(number(u64::MAX)?),
            "redirect" => self.redirect = Some(target(name, value)?),
            "content_type" => self.content_type = Some(text(name, value)?),
            "answer_as" => {
                self.answer_as = Some(match value {
                    Some("json") => AnswerAs::Json,
                    Some("sse") => AnswerAs::Sse,
                    other => {
                        return Err(BadDirective::value(
                            name,
                            "json or sse",
                            other.unwrap_or(""),
                        ));
                    }
                });
            }
            "refuse_stream_options" => self.refuse_stream_options = flag()?,
            "tag" => self.tag = Some(text(name, value)?),
            "polls" => self.polls = number(u64::from(u32::MAX))?,
            "no_usage" => self.no_usage = flag()?,
            "usage_prompt" => self.usage_prompt = Some(number(u64::MAX)?),
            "usage_completion" => self.usage_completion = Some(number(u64::MAX)?),
            "cached_tokens" => self.cached_tokens = number(u64::from(u32::MAX))?,
            "cache_creation_tokens" => self.cache_creation_tokens = number(u64::from(u32::MAX))?,
            "reasoning_tokens" => self.reasoning_tokens = number(u64::from(u32::MAX))?,
            "continuous_usage" => self.continuous_usage = flag()?,
            "usage_in_last_chunk" => self.usage_in_last_chunk = flag()?,
            "delay_ms" => self.delay = millis()?,
            "first_event_ms" => self.first_event = millis()?,
            "event_delay_ms" => self.event_delay = millis()?,
            "drop" => self.drop = flag()?,
            "cut_after_events" => self.cut_after_events = Some(number(u64::MAX)?),
            "cut_after_bytes" => self.cut_after_bytes = Some(number(u64::MAX)?),
            "error_event_after" => self.error_event_after = Some(number(u64::MAX)?),
            "no_done" => self.no_done = flag()?,
            "gzip" => self.gzip = flag()?,
            "chunk_bytes" => self.chunk_bytes = Some(positive(u64::from(u32::MAX))?),
            "split_at" => self.split_at = Some(positive(u64::MAX)?),
            "trailers" => self.trailers = flag()?,
            "crlf" => self.line_end = if flag()? { LineEnd::CrLf } else { LineEnd::Lf },
            "cr" => self.line_end = if flag()? { LineEnd::Cr } else { LineEnd::Lf },
            "bom" => self.bom = flag()?,
            "no_space" => self.no_space = flag()?,
            "multiline_data" => self.multiline_data = flag()?,
            "comment_lines" => self.comment_lines = flag()?,
            "long_line_bytes" => self.long_line_bytes = Some(positive(MAX_LINE_BYTES)?),
            "extra_empty_choices" => self.extra_empty_choices = flag()?,
            unknown => return Err(BadDirective::Unknown(unknown.into())),
        }
        Ok(())
    }
}

fn number(name: &str, value: Option<&str>, min: u64, max: u64) -> Result<u64, BadDirective> {
    let got = value.unwrap_or("");
    match got.parse::<u64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ if max == u64::MAX => Err(BadDirective::value(
            name,
            format!("a number from {min}"),
            got,
        )),
        _ => Err(BadDirective::value(
            name,
            format!("a number from {min} to {max}"),
            got,
        )),
    }
}

fn number_from(name: &str, value: Option<&str>, max: u64) -> Result<u64, BadDirective> {
    number(name, value, 1, max)
}

fn status(name: &str, value: Option<&str>) -> Result<u16, BadDirective> {
    let got = value.unwrap_or("");
    match got.parse::<u16>() {
        Ok(n) if (200..=599).contains(&n) => Ok(n),
        _ => Err(BadDirective::value(name, "a status from 200 to 599", got)),
    }
}

fn flag(name: &str, value: Option<&str>) -> Result<bool, BadDirective> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(got) => Err(BadDirective::value(name, "true or false", got)),
    }
}

/// Visible ASCII only, so that every text value can stand in a response header.
fn text(name: &str, value: Option<&str>) -> Result<String, BadDirective> {
    match value {
        Some(got) if !got.is_empty() && got.bytes().all(|b| b.is_ascii_graphic() || b == b' ') => {
            Ok(got.into())
        }
        got => Err(BadDirective::value(
            name,
            "a text of visible ASCII",
            got.unwrap_or(""),
        )),
    }
}

/// A path or an absolute URL.
fn target(name: &str, value: Option<&str>) -> Result<String, BadDirective> {
    let to = text(name, value)?;
    match to.parse::<axum::http::Uri>() {
        Ok(_) if to.starts_with('/') || to.contains("://") => Ok(to),
        _ => Err(BadDirective::value(name, "a path or a URL", &to)),
    }
}

/// Splits a model's name from the directives after its `#`.
#[must_use]
pub fn split_model(model: &str) -> (&str, &str) {
    model.split_once('#').unwrap_or((model, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_directive_is_named() {
        for (text, says) in [
            ("dely_ms=5", "x-mock: unknown directive 'dely_ms'"),
            ("gzip; nope", "x-mock: unknown directive 'nope'"),
            (
                "delay_ms=soon",
                "x-mock: delay_ms is a number from 0 to 600000, not 'soon'",
            ),
            (
                "delay_ms",
                "x-mock: delay_ms is a number from 0 to 600000, not ''",
            ),
            (
                "delay_ms=600001",
                "x-mock: delay_ms is a number from 0 to 600000, not '600001'",
            ),
            (
                "chunk_bytes=0",
                "x-mock: chunk_bytes is a number from 1 to 4294967295, not '0'",
            ),
            (
                "status=99",
                "x-mock: status is a status from 200 to 599, not '99'",
            ),
            ("gzip=maybe", "x-mock: gzip is true or false, not 'maybe'"),
            (
                "answer_as=xml",
                "x-mock: answer_as is json or sse, not 'xml'",
            ),
            (
                "redirect=there",
                "x-mock: redirect is a path or a URL, not 'there'",
            ),
            ("tag=", "x-mock: tag is a text of visible ASCII, not ''"),
        ] {
            let said = Directives::default().apply(text).unwrap_err().to_string();
            assert_eq!(said, says, "{text}");
        }
    }

    #[test]
    fn later_texts_override_directive_by_directive() {
        let mut d = Directives::default();
        d.apply(" gzip ; output_tokens = 3;; delay_ms=5; ").unwrap();
        d.apply("gzip=false; output_tokens=4").unwrap();
        let want = Directives {
            output_tokens: Some(4),
            delay: Duration::from_millis(5),
            ..Directives::default()
        };
        assert_eq!(d, want);
    }

    #[test]
    fn a_model_name_can_carry_directives() {
        assert_eq!(split_model("gpt-4o"), ("gpt-4o", ""));
        assert_eq!(
            split_model("gpt-4o#status=500;tag=a"),
            ("gpt-4o", "status=500;tag=a")
        );
    }
}
