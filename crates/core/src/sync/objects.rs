//! The key service's answers about provider's objects.
//!
//! ```text
//! answer = version:1 count:1 (digest:16 length:2 object)*    an empty object: its maker is not known
//! ```

use super::SyncError;
use super::bytes::{Reader, put_block};
use super::versions::OBJECTS;
use crate::objects::{Object, ObjectId};

/// The most objects in one question.
pub const MAX_OBJECTS: usize = 40;

/// The objects that were asked about, with their records; `None` if the maker is not known.
pub type Answers = Vec<(ObjectId, Option<Object>)>;

/// Writes the wire form.
///
/// # Errors
/// [`SyncError::TooLarge`] if there are more than [`MAX_OBJECTS`].
pub fn encode(answers: &[(ObjectId, Option<Object>)]) -> Result<Vec<u8>, SyncError> {
    let count = u8::try_from(answers.len()).map_err(|_| SyncError::TooLarge)?;
    if answers.len() > MAX_OBJECTS {
        return Err(SyncError::TooLarge);
    }
    let mut out = vec![OBJECTS.newest, count];
    for (id, object) in answers {
        out.extend_from_slice(id.as_bytes());
        let object = object.as_ref().map(Object::to_wire).transpose();
        let object = object.map_err(|_| SyncError::Malformed)?;
        put_block(&mut out, &object.unwrap_or_default())?;
    }
    Ok(out)
}

/// Reads the wire form. An object that cannot be read is left out, and so stays closed.
///
/// # Errors
/// [`SyncError`] if the version is unknown, there are too many objects, or bytes are cut or trailing.
pub fn decode(bytes: &[u8]) -> Result<Answers, SyncError> {
    let mut reader = Reader::new(bytes);
    OBJECTS.read(reader.u8()?)?;
    let count = usize::from(reader.u8()?);
    if count > MAX_OBJECTS {
        return Err(SyncError::TooLarge);
    }
    let mut answers = Vec::with_capacity(count);
    for _ in 0..count {
        let id = ObjectId::from_bytes(reader.array()?);
        match reader.block()? {
            [] => answers.push((id, None)),
            bytes => {
                let read = Object::from_wire(bytes).ok();
                answers.extend(read.map(|object| (id, Some(object))));
            }
        }
    }
    reader.end()?;
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::{KeyId, TeamId, TierName};
    use crate::limits::LimitOverrides;
    use crate::objects::Kind;

    #[test]
    fn answers_round_trip_and_malformed_bytes_are_refused() {
        let object = Object {
            key: KeyId::new("key_1").unwrap(),
            team: TeamId::new("acme").unwrap(),
            tier: TierName::new("free").unwrap(),
            limits: LimitOverrides::default(),
            model: None,
            kind: Kind::File,
            of: None,
            work: None,
            charged: 0,
            settled: true,
            lineage: None,
        };
        let answers = vec![
            (ObjectId::of(b"file-1"), Some(object)),
            (ObjectId::of(b"file-2"), None),
        ];
        let wire = encode(&answers).unwrap();
        assert_eq!(decode(&wire), Ok(answers.clone()));
        for cut in 0..wire.len() {
            assert!(decode(&wire[..cut]).is_err(), "{cut}");
        }
        assert!(decode(&[wire.as_slice(), b"x"].concat()).is_err());
        let newer = {
            let mut wire = wire.clone();
            wire[2 + 16 + 2] = 9;
            wire
        };
        assert_eq!(decode(&newer), Ok(answers[1..].to_vec()));
        assert_eq!(decode(&[9, 0]), Err(SyncError::Version(OBJECTS, 9)));
        assert_eq!(decode(&[1, 41]), Err(SyncError::TooLarge));
        let many = vec![answers[1].clone(); MAX_OBJECTS + 1];
        assert_eq!(encode(&many), Err(SyncError::TooLarge));
    }
}
