//! Model names and the patterns that allow them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest model name, in bytes.
pub const MAX_MODEL_LEN: usize = 256;

/// A model's name as the client sent it: 1 to 256 visible ASCII characters, so that it can be a header
/// value, a log field and a routing key as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId(Box<str>);

/// Why a text is no model name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a model name is 1 to 256 visible ASCII characters")]
pub struct InvalidModel;

impl ModelId {
    /// Checks and wraps `text`.
    ///
    /// # Errors
    /// [`InvalidModel`] where it is empty, too long, or holds a space, a control or a non-ASCII character.
    pub fn new(text: &str) -> Result<Self, InvalidModel> {
        let fits = (1..=MAX_MODEL_LEN).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidModel)
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ModelId {
    type Error = InvalidModel;
    fn try_from(text: String) -> Result<Self, InvalidModel> {
        Self::new(&text)
    }
}

impl From<ModelId> for String {
    fn from(model: ModelId) -> String {
        model.0.into()
    }
}

/// One entry of an allow-list: `gpt-4o` (exactly that), `gpt-4o*` (every name that starts so) or `*`
/// (any). A `*` stands only at the end. Case matters, as it does to the providers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelPattern {
    /// Every model.
    Any,
    /// Names that start with the text, and are one name.
    Prefix(Box<str>),
    /// One name.
    Exact(Box<str>),
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a model pattern is a name (gpt-4o), a prefix with * at its end (gpt-4o*), or * for any")]
pub struct InvalidPattern;

impl ModelPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`InvalidPattern`] on an empty text, a `*` elsewhere than at the end, or what no model name may hold.
    pub fn new(text: &str) -> Result<Self, InvalidPattern> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (name, prefix) = match text.strip_suffix('*') {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('*') || ModelId::new(name).is_err() {
            return Err(InvalidPattern);
        }
        Ok(if prefix {
            Self::Prefix(name.into())
        } else {
            Self::Exact(name.into())
        })
    }

    /// Whether the pattern allows `model`.
    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Prefix(p) => model.strip_prefix(&**p).is_some_and(ends_one_name),
            Self::Exact(name) => model == &**name,
        }
    }
}

/// Whether what follows a prefix belongs to the same name: routers read `gpt-4o,claude` as two models, and
/// `gpt-4o@preset/x` as what is stored under `x`.
fn ends_one_name(rest: &str) -> bool {
    !rest.contains([',', ';', '|']) && !rest.contains("@preset")
}

impl TryFrom<String> for ModelPattern {
    type Error = InvalidPattern;
    fn try_from(s: String) -> Result<Self, InvalidPattern> {
        Self::new(&s)
    }
}

impl From<ModelPattern> for String {
    fn from(p: ModelPattern) -> String {
        match p {
            ModelPattern::Any => "*".into(),
            ModelPattern::Prefix(name) => format!("{name}*"),
            ModelPattern::Exact(name) => name.into(),
        }
    }
}

/// An allow-list: a model passes when any pattern allows it. An empty list allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelSet(Vec<ModelPattern>);

impl ModelSet {
    /// A list of patterns.
    #[must_use]
    pub fn new(patterns: Vec<ModelPattern>) -> Self {
        Self(patterns)
    }

    /// The list that allows every model.
    #[must_use]
    pub fn any() -> Self {
        Self(vec![ModelPattern::Any])
    }

    /// Whether any pattern allows `model`.
    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        self.0.iter().any(|p| p.allows(model))
    }

    /// Whether every model is allowed.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.contains(&ModelPattern::Any)
    }

    /// The patterns in their order.
    #[must_use]
    pub fn patterns(&self) -> &[ModelPattern] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_allow_what_they_say() {
        for (pattern, model, allowed) in [
            ("*", "anything", true),
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o", "GPT-4o", false),
            ("gpt-4o*", "gpt-4o", true),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("gpt-4o*", "gpt-4", false),
            ("gpt-4o*", "gpt-4o,claude-opus-4", false),
            ("gpt-4o*", "gpt-4o|o1", false),
            ("gpt-4o*", "gpt-4o@preset/any", false),
            ("*", "gpt-4o,claude-opus-4", true),
            ("gpt-4o,o1", "gpt-4o,o1", true),
            ("claude-*", "claude-3-5-sonnet@20240620", true),
            ("meta/llama-*", "meta/llama-3.1:free", true),
        ] {
            let p = ModelPattern::new(pattern).unwrap();
            assert_eq!(p.allows(model), allowed, "{pattern} on {model}");
            assert_eq!(String::from(p), pattern);
        }
    }

    #[test]
    fn a_star_stands_only_at_the_end() {
        for bad in ["", "**", "*gpt", "g*t", "gpt 4", "gpt\n", "gpté"] {
            assert_eq!(ModelPattern::new(bad), Err(InvalidPattern), "{bad:?}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert!(!ModelSet::new(vec![]).allows("gpt-4o"));
        assert!(ModelSet::any().allows("gpt-4o"));
    }
}
