//! The answer of the service to a key's question about its own account: a status and a JSON document for the client.
//!
//! ```text
//! answer = status:2 json
//! ```
//!
//! The call itself is answered 200, so that a host hands over refusals too, such as a date that cannot be read.

/// What the client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAnswer<'a> {
    /// The status: 200, or that of a refusal.
    pub status: u16,
    /// The document.
    pub json: &'a str,
}

impl OwnAnswer<'_> {
    /// Writes the wire form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&self.status.to_be_bytes(), self.json.as_bytes()].concat()
    }
}

/// Reads the wire form; `None` if the bytes are none.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<OwnAnswer<'_>> {
    let (status, json) = bytes.split_first_chunk::<2>()?;
    let status = u16::from_be_bytes(*status);
    let json = std::str::from_utf8(json).ok()?;
    ((200..500).contains(&status) && !json.is_empty()).then_some(OwnAnswer { status, json })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_back_as_written_and_nothing_else_is_one() {
        let answer = OwnAnswer {
            status: 404,
            json: "{}",
        };
        assert_eq!(decode(&answer.encode()), Some(answer));
        for bytes in [
            &b""[..],
            b"\x00",
            b"\x00\xc8",
            b"\x02\x00{}",
            b"\x00\x10{}",
            b"\x00\xc8\xff",
        ] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
