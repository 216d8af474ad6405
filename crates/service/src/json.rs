//! Strict reading of JSON: only an object is read as a struct.
//!
//! serde also reads an array as a struct, field by field, and an object as a variant's name; both are mistakes here. A NUL in a
//! text is refused too: PostgreSQL cannot store it.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Error, Value};

/// Reads a value; a mistake is told with its place, as `limits.requests_per_minute: …`.
///
/// # Errors
/// What is wrong, for the one who wrote it.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    no_nul(&value)?;
    serde_path_to_error::deserialize(Strict(value)).map_err(|error| {
        let place = error.path().to_string();
        let inner = error.into_inner();
        match place.as_str() {
            "." | "?" => inner.to_string(),
            place => format!("{place}: {inner}"),
        }
    })
}

/// A field that tells "absent" (`None`) from "null" (`Some(None)`).
///
/// # Errors
/// Where the value is not of its type.
pub fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

fn no_nul(value: &Value) -> Result<(), String> {
    let plain = |text: &str| match text.contains('\0') {
        true => Err("a text must not hold a NUL character (\\u0000)".to_owned()),
        false => Ok(()),
    };
    match value {
        Value::String(text) => plain(text),
        Value::Array(items) => items.iter().try_for_each(no_nul),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            plain(name)?;
            no_nul(value)
        }),
        _ => Ok(()),
    }
}

/// The integer that a number with a point is: `3.0` is 3, as JSON Schema has it, and some programs write it so.
fn whole(value: &Value) -> Option<i64> {
    /// Up to here a float holds every integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = value.as_number().filter(|n| n.is_f64())?.as_f64()?;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "it is whole and within what an i64 holds"
    )]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

struct Strict(Value);

impl IntoDeserializer<'_, Error> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Self));
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, Self(value)));
                let mut fields = MapDeserializer::new(fields);
                let value = visitor.visit_map(&mut fields)?;
                fields.end()?;
                Ok(value)
            }
            plain => match whole(&plain) {
                Some(number) => visitor.visit_i64(number),
                None => plain.deserialize_any(visitor),
            },
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"an object")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(name.into_deserializer()),
            Value::Object(_) => Err(Error::invalid_type(Unexpected::Map, &"a name")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ops::keys::{CreateKey, UpdateKey};
    use crate::store::NewMember;

    #[test]
    fn what_is_no_object_or_holds_a_nul_is_refused_with_its_place() {
        for (value, told) in [
            (json!({"team": "acme", "name": "n"}), None),
            (
                json!({"team": "acme", "name": "n", "limits": null}),
                Some("limits: "),
            ),
            (json!(["acme", "n"]), Some("an object")),
            (
                json!({"team": "acme", "name": "n", "limits": [5]}),
                Some("limits: "),
            ),
            (
                json!({"team": "acme", "name": "n", "budgets": [5, 5]}),
                Some("budgets: "),
            ),
            (
                json!({"team": "acme", "name": "n", "budgets": {"models": {"*": [1]}}}),
                Some("budgets.models.*: "),
            ),
            (
                json!({"team": "acme", "name": "n", "models": {"0": "x"}}),
                Some("models: "),
            ),
            (
                json!({"team": "acme", "name": "n", "metadata": [["a", "b"]]}),
                Some("metadata: "),
            ),
            (json!({"team": "acme", "name": "a\u{0}b"}), Some("NUL")),
            (
                json!({"team": "acme", "name": "n", "metadata": {"a\u{0}": ""}}),
                Some("NUL"),
            ),
            (
                json!({"team": "acme", "name": "n", "colour": "red"}),
                Some("unknown field `colour`"),
            ),
            (json!({"team": "acme", "name": 5}), Some("name: ")),
        ] {
            let refused = read::<CreateKey>(value.clone()).err();
            match (told, refused) {
                (None, None) => {}
                (Some(told), Some(refused)) if refused.contains(told) => {}
                (_, refused) => panic!("{value}: {refused:?}"),
            }
        }
        let member = json!({"email": "a@example.com", "role": {"owner": null}});
        assert!(read::<NewMember>(member).unwrap_err().contains("a name"));
    }

    #[test]
    fn null_and_absent_are_told_apart() {
        let patch: UpdateKey = read(json!({"models": null})).unwrap();
        assert!(matches!(
            (patch.models, patch.expires_at),
            (Some(None), None)
        ));
    }
}
