//! A request body reads the same in one piece and in many, and an accepted body can be edited.
//!
//! The first byte selects the endpoint and the size of the pieces.
#![no_main]

use gmtech_core::request::{BodyError, BodyReader, Endpoint, PartCosts, RequestFacts, apply};
use libfuzzer_sys::fuzz_target;

const PATHS: [(&str, &str); 6] = [
    ("/v1/chat/completions", "application/json"),
    ("/v1/completions", "application/json"),
    ("/v1/responses", "application/json"),
    ("/v1/messages", "application/json"),
    ("/v1/audio/transcriptions", "multipart/form-data; boundary=xyz"),
    ("/v1/models/m:generateContent", "application/json"),
];

fn read(path: &str, media: &str, pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> Result<RequestFacts, BodyError> {
    let endpoint = Endpoint::new(b"POST", path.as_bytes())?;
    let mut reader = BodyReader::new(endpoint, Some(media.as_bytes()), None, PartCosts::default())?;
    for piece in pieces {
        reader.push(piece.as_ref())?;
    }
    reader.finish()
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let (path, media) = PATHS[usize::from(choice) % PATHS.len()];
    let size = 1 + usize::from(choice) / PATHS.len();
    let whole = read(path, media, std::iter::once(body));
    let pieces = read(path, media, body.chunks(size));
    match (&whole, &pieces) {
        (Ok(a), Ok(b)) => assert_eq!(a, b),
        (Err(a), Err(b)) => assert_eq!(a.status(), b.status()),
        _ => panic!("{whole:?} in one piece, {pieces:?} in pieces of {size}"),
    }
    if let Ok(facts) = whole {
        let edited = apply(body, facts.usage_edit);
        let again = read(path, media, std::iter::once(edited)).expect("an edited body is still one");
        assert_eq!(again.model, facts.model);
        if facts.usage_edit != gmtech_core::request::UsageEdit::None {
            assert_eq!(again.include_usage, Some(true));
        }
    }
});
