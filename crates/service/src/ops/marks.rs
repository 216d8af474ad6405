//! Checks of tags and metadata, which a team puts on its keys for its own use.

use std::collections::BTreeMap;

use super::fields::no_key;
use crate::error::ApiError;

const MAX_MARKS: usize = 16;
const MAX_TAG: usize = 64;
const MAX_METADATA: usize = 512;

/// A word to find keys by.
pub(crate) fn tag(param: &str, text: String) -> Result<String, ApiError> {
    no_key(param, &text)?;
    let is_plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'/' | b'-');
    if (1..=MAX_TAG).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(text);
    }
    Err(ApiError::invalid(
        param,
        format!("A tag is 1 to {MAX_TAG} letters, digits, '_', '.', ':', '/' or '-'."),
    ))
}

/// Tags, each once, in their order.
pub(crate) fn tags(list: Vec<String>) -> Result<Vec<String>, ApiError> {
    if list.len() > MAX_MARKS {
        return Err(ApiError::invalid(
            "tags",
            format!("tags must be at most {MAX_MARKS}."),
        ));
    }
    let mut tags = list
        .into_iter()
        .map(|text| tag("tags", text))
        .collect::<Result<Vec<_>, _>>()?;
    tags.sort();
    tags.dedup();
    Ok(tags)
}

/// Texts by name, for the team's own use.
pub(crate) fn metadata(
    texts: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let wrong = |why: String| ApiError::invalid("metadata", why);
    if texts.len() > MAX_MARKS {
        return Err(wrong(format!(
            "metadata must have at most {MAX_MARKS} names."
        )));
    }
    for (name, text) in &texts {
        no_key("metadata", name)?;
        no_key("metadata", text)?;
        if name.is_empty() || name.chars().count() > MAX_TAG || name.chars().any(char::is_control) {
            return Err(wrong(format!(
                "Each name in metadata must be 1 to {MAX_TAG} printable characters."
            )));
        }
        if text.chars().count() > MAX_METADATA {
            return Err(wrong(format!(
                "Each text in metadata must be at most {MAX_METADATA} characters."
            )));
        }
    }
    Ok(texts)
}
