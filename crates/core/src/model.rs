//! Model names and the patterns that allow them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest model name, in bytes.
pub const MAX_MODEL_LEN: usize = 256;

/// A model's name as the client sent it: 1 to 256 visible ASCII characters. It needs no escaping as a header value, a
/// log field or a routing key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId(Box<str>);

/// A text is not a model name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a model name is 1 to 256 visible ASCII characters")]
pub struct InvalidModel;

impl ModelId {
    /// Checks and wraps `text`.
    ///
    /// # Errors
    /// [`InvalidModel`] if `text` is empty, too long, or contains a space, a control or a non-ASCII character.
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

/// One entry of an allow-list: `gpt-4o` (exactly this name), `gpt-4o*` (every name with this prefix) or `*` (every
/// name). `*` is only allowed at the end. Letter case matters, as it does to providers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelPattern {
    /// Every model.
    Any,
    /// Single names that start with the text.
    Prefix(Box<str>),
    /// One name.
    Exact(Box<str>),
}

/// A text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a model pattern is a name (gpt-4o), a prefix with * at its end (gpt-4o*), or * for any")]
pub struct InvalidPattern;

impl ModelPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`InvalidPattern`] if the text is empty, has a `*` before its end, or contains a character that no model name
    /// has.
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

/// Whether the rest after a prefix belongs to the same name. Routers read `gpt-4o,claude` as two models, and
/// `gpt-4o@preset/x` as the preset `x`.
fn ends_one_name(rest: &str) -> bool {
    !rest.contains([',', ';', '|']) && !rest.contains(PRESET)
}

const PRESET: &str = "@preset";

/// Whether the text ends with the beginning of [`PRESET`].
fn ends_within_preset(text: &str) -> bool {
    let mut part = PRESET;
    while let Some((at, _)) = part.char_indices().next_back() {
        part = part.get(..at).unwrap_or("");
        if !part.is_empty() && text.ends_with(part) {
            return true;
        }
    }
    false
}

impl ModelPattern {
    /// Whether this pattern allows every name that `other` allows.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) => false,
            (_, Self::Exact(name)) => self.allows(name),
            // The rest after the longer prefix is a single name there, and here too, unless a separator of names begins
            // in the prefix and ends in the rest.
            (Self::Prefix(_), Self::Prefix(longer)) => {
                self == other || (self.allows(longer) && !ends_within_preset(longer))
            }
            (Self::Exact(_), Self::Prefix(_)) => false,
        }
    }
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

/// An allow-list: a model is allowed if any pattern allows it. An empty list allows nothing.
///
/// ```
/// use gmtech_core::model::{ModelPattern, ModelSet};
///
/// let patterns = ["gpt-4o*", "o3"].map(|text| ModelPattern::new(text).unwrap());
/// let allowed = ModelSet::new(patterns.to_vec());
/// assert!(allowed.allows("gpt-4o-mini"));
/// assert!(!allowed.allows("o3-mini"));
/// // Some routers read this as two models.
/// assert!(!allowed.allows("gpt-4o,claude-opus"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelSet(Vec<ModelPattern>);

impl ModelSet {
    /// Makes a list of patterns.
    #[must_use]
    pub fn new(patterns: Vec<ModelPattern>) -> Self {
        Self(patterns)
    }

    /// Makes the list that allows every model.
    #[must_use]
    pub fn any() -> Self {
        Self(vec![ModelPattern::Any])
    }

    /// Whether any pattern allows `model`.
    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        self.0.iter().any(|p| p.allows(model))
    }

    /// Whether each pattern of `other` is covered by a pattern of this list. If so, this list allows every name that
    /// `other` allows. The converse need not hold.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let covered = |p: &ModelPattern| self.0.iter().any(|own| own.covers(p));
        other.0.iter().all(covered)
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
    fn patterns_allow_exact_names_prefixes_or_all() {
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
    fn a_star_is_only_allowed_at_the_end() {
        for bad in ["", "**", "*gpt", "g*t", "gpt 4", "gpt\n", "gpté"] {
            assert_eq!(ModelPattern::new(bad), Err(InvalidPattern), "{bad:?}");
        }
    }

    #[test]
    fn a_pattern_covers_patterns_that_allow_a_subset() {
        for (wide, narrow, covers) in [
            ("*", "*", true),
            ("*", "gpt-4o*", true),
            ("gpt-4o*", "*", false),
            ("gpt-4o*", "gpt-4o*", true),
            ("gpt-4o*", "gpt-4o-mini*", true),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("gpt-4o-mini*", "gpt-4o*", false),
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o*", false),
            ("gpt-4o", "gpt-4", false),
            ("gpt-4o*", "gpt-4o,claude*", false),
            ("gpt-4o*", "gpt-4o,claude", false),
            ("gpt-4o*", "gpt-4o@pre*", false),
            ("gpt-4o@pre*", "gpt-4o@pre*", true),
            ("claude*", "claude@2024*", true),
        ] {
            let pattern = |text| ModelPattern::new(text).unwrap();
            assert_eq!(
                pattern(wide).covers(&pattern(narrow)),
                covers,
                "{wide} over {narrow}"
            );
        }
        let set = |texts: &[&str]| {
            ModelSet::new(
                texts
                    .iter()
                    .map(|t| ModelPattern::new(t).unwrap())
                    .collect(),
            )
        };
        let wide = set(&["gpt-4o*", "o3"]);
        assert!(wide.covers(&set(&["o3", "gpt-4o-mini"])));
        assert!(wide.covers(&set(&[])));
        assert!(!wide.covers(&set(&["o3", "o4"])));
        assert!(!set(&[]).covers(&set(&["o3"])));
    }

    proptest::proptest! {
        /// A name that a covered pattern allows, the covering one allows too.
        #[test]
        fn a_covering_pattern_allows_every_name_of_the_covered_one(a in "[ab]{0,2}[ab,]?\\*?", b in "[ab]{0,2}[ab,]?\\*?", model in "[ab,]{1,4}") {
            if let (Ok(a), Ok(b)) = (ModelPattern::new(&a), ModelPattern::new(&b)) {
                proptest::prop_assert!(!a.covers(&b) || !b.allows(&model) || a.allows(&model));
            }
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert!(!ModelSet::new(vec![]).allows("gpt-4o"));
        assert!(ModelSet::any().allows("gpt-4o"));
    }
}
