//! The head of a request or an answer, as bytes.
//!
//! Envoy gives names in lower case and accepts bytes 0x80–0xff in values. So names and values are bytes here, and
//! callers check them before they use them as text.

/// Borrowed header pairs in Envoy's order, with pseudo-headers (`:path`).
#[derive(Clone, Debug, Default)]
pub struct Head<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Head<'a> {
    /// Wraps pairs. Names must be in lower case, as in HTTP/2.
    #[must_use]
    pub fn new(pairs: Vec<(&'a [u8], &'a [u8])>) -> Self {
        Self(pairs)
    }

    /// The first value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Every value of `name`, in order.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        let name = name.as_bytes();
        self.0
            .iter()
            .filter(move |(n, _)| *n == name)
            .map(|(_, v)| *v)
    }

    /// The name of every header, in order. A name that occurs several times is repeated.
    pub fn names(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.0.iter().map(|(n, _)| *n)
    }

    /// `:method`, empty if absent.
    #[must_use]
    pub fn method(&self) -> &'a [u8] {
        self.get(":method").unwrap_or_default()
    }

    /// `:path` without its query, empty if absent.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        let target = self.target();
        target
            .split(|b| matches!(b, b'?' | b'#'))
            .next()
            .unwrap_or_default()
    }

    /// `:path` with its query, empty if absent.
    #[must_use]
    pub fn target(&self) -> &'a [u8] {
        self.get(":path").unwrap_or_default()
    }
}

/// What to change in a head before it goes on. Removals come first, and each removes every header of that name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadEdits {
    /// Names to remove.
    pub remove: Vec<Box<[u8]>>,
    /// Headers to set; the values are visible ASCII by construction.
    pub set: Vec<(&'static str, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_ends_where_the_query_begins() {
        for (target, path) in [
            ("/v1/models", "/v1/models"),
            ("/v1/models?limit=1", "/v1/models"),
            ("/v1/models#x", "/v1/models"),
            ("?x", ""),
            ("", ""),
        ] {
            let head = Head::new(vec![(b":path".as_slice(), target.as_bytes())]);
            assert_eq!(head.path(), path.as_bytes(), "{target}");
        }
        assert_eq!(Head::default().path(), b"");
    }
}
