//! Properties of any body: the split does not matter, nothing panics, the state stays small.

use std::mem::size_of;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::fields::Fields;
use super::super::lexer::Lexer;
use super::super::multipart::Multipart;
use super::bodies::{REFUSED, SAMPLES};
use super::differential::nearly_json;
use super::*;

const FORM: &str = "multipart/form-data; boundary=b";

#[test]
fn a_body_reads_the_same_at_every_split() {
    for (path, body) in SAMPLES {
        assert!(read(path, body).is_ok(), "{body}");
        assert_split_invariant(path, None, body.as_bytes());
    }
    for body in REFUSED {
        assert!(chat(body).is_err(), "{body:?}");
        assert_split_invariant(CHAT, None, body);
    }
}

#[test]
fn the_state_is_small_and_of_fixed_size() {
    // Besides these a reader owns the boundary (72 bytes at most) and two model names (256 each).
    let state =
        size_of::<Fields>() + size_of::<Lexer>() + size_of::<Multipart>() + size_of::<BodyReader>();
    assert!(size_of::<Lexer>() <= 160, "{}", size_of::<Lexer>());
    assert!(state <= 4096, "{state}");
}

#[test]
fn the_model_is_reported_once_and_as_soon_as_it_is_read() {
    let endpoint = Endpoint::new(b"POST", CHAT.as_bytes()).unwrap();
    let mut reader = BodyReader::new(endpoint, None, None, PartCosts::default()).unwrap();
    for (piece, progress, model) in [
        ("", Progress::Reading, None),
        (
            r#"{"messages":[{"model":"x"}],"mod"#,
            Progress::Reading,
            None,
        ),
        (r#"el": "gpt-4o"#, Progress::Reading, None),
        (r#"""#, Progress::ModelKnown, Some("gpt-4o")),
        (r#","x":"y"#, Progress::Reading, Some("gpt-4o")),
        (r#""}"#, Progress::Reading, Some("gpt-4o")),
    ] {
        assert_eq!(reader.push(piece.as_bytes()), Ok(progress), "{piece}");
        assert_eq!(
            reader.model().map(crate::model::ModelId::as_str),
            model,
            "{piece}"
        );
    }
}

#[test]
fn path_and_body_agree_on_the_model() {
    let azure = "/openai/deployments/gpt-4o/chat/completions";
    let gemini = "/v1beta/models/gemini-pro:generateContent";
    for (path, body, expected) in [
        (azure, "{}", Ok("gpt-4o")),
        (azure, r#"{"model":"gpt-4o"}"#, Ok("gpt-4o")),
        (azure, r#"{"model":null}"#, Ok("gpt-4o")),
        (azure, r#"{"model":"o3"}"#, Err(BodyError::ConflictingModel)),
        (gemini, r#"{"contents":[]}"#, Ok("gemini-pro")),
        (gemini, r#"{"model":"models/gemini-pro"}"#, Ok("gemini-pro")),
        (
            gemini,
            r#"{"model":"models/gemini-ultra"}"#,
            Err(BodyError::ConflictingModel),
        ),
    ] {
        let model = read(path, body).map(|f| f.model.unwrap().to_string());
        assert_eq!(model, expected.map(str::to_owned), "{path} {body}");
        assert_split_invariant(path, None, body.as_bytes());
    }
}

#[test]
fn a_model_is_required_by_endpoints_that_need_one() {
    let long = format!(r#"{{"model":"{}"}}"#, "m".repeat(257));
    let fits = format!(r#"{{"model":"{}"}}"#, "m".repeat(256));
    for (path, body, expected) in [
        (CHAT, "", Some(BodyError::Empty)),
        (CHAT, "{}", Some(BodyError::MissingModel)),
        (CHAT, r#"{"model":null}"#, Some(BodyError::MissingModel)),
        (
            CHAT,
            r#"{"messages":[{"model":"m"}]}"#,
            Some(BodyError::MissingModel),
        ),
        (
            CHAT,
            r#"{"model":1}"#,
            Some(BodyError::WrongType(Param::Model)),
        ),
        (
            CHAT,
            r#"{"model":["m"]}"#,
            Some(BodyError::WrongType(Param::Model)),
        ),
        (
            CHAT,
            r#"{"model":{}}"#,
            Some(BodyError::WrongType(Param::Model)),
        ),
        (CHAT, r#"{"model":""}"#, Some(BodyError::InvalidModel)),
        (CHAT, r#"{"model":"gpt 4"}"#, Some(BodyError::InvalidModel)),
        (
            CHAT,
            r#"{"model":"m\r\nx-a: b"}"#,
            Some(BodyError::InvalidModel),
        ),
        (CHAT, r#"{"model":"modèle"}"#, Some(BodyError::InvalidModel)),
        (CHAT, &long, Some(BodyError::InvalidModel)),
        (CHAT, &fits, None),
        ("/v1/embeddings", "{}", Some(BodyError::MissingModel)),
        ("/v1/images/generations", r#"{"prompt":"x"}"#, None),
        ("/v1/audio/speech", "{}", Some(BodyError::MissingModel)),
        ("/v1/moderations", r#"{"input":"x"}"#, None),
        ("/v1/responses", r#"{"input":"x"}"#, None),
        ("/v1/responses/resp_1/cancel", "", None),
        ("/v1/threads/t/runs", r#"{"assistant_id":"a"}"#, None),
        (
            "/v1/threads/t/runs",
            r#"{"model":"two words"}"#,
            Some(BodyError::InvalidModel),
        ),
    ] {
        assert_eq!(read(path, body).err(), expected, "{path} {body}");
    }
}

#[test]
fn ambiguous_content_types_are_refused_by_the_headers() {
    use BodyError::{InvalidForm, UnsupportedMediaType};
    let boundary = Some(InvalidForm(MultipartFault::Boundary));
    for (path, content_type, expected) in [
        (CHAT, "application/json", None),
        (CHAT, "application/json; charset=UTF-8", None),
        (CHAT, "application/vnd.api+json;charset=\"utf-8\"", None),
        (CHAT, "text/plain", None),
        (
            CHAT,
            "application/json; charset=utf-7",
            Some(UnsupportedMediaType),
        ),
        (
            CHAT,
            "application/json; charset=utf-8; charset=utf-16",
            Some(UnsupportedMediaType),
        ),
        (
            CHAT,
            "application/json, multipart/form-data; boundary=b",
            Some(UnsupportedMediaType),
        ),
        (
            CHAT,
            "application/x-www-form-urlencoded",
            Some(UnsupportedMediaType),
        ),
        (CHAT, "application/json; x=form", Some(UnsupportedMediaType)),
        (CHAT, FORM, Some(UnsupportedMediaType)),
        (
            "/v1/images/edits",
            "multipart/mixed; boundary=b",
            Some(UnsupportedMediaType),
        ),
        ("/v1/images/edits", "multipart/form-data", boundary),
        (
            "/v1/images/edits",
            "multipart/form-data; boundary=",
            boundary,
        ),
        (
            "/v1/images/edits",
            "multipart/form-data; boundary=\"a\u{e9}\"",
            boundary,
        ),
        (
            "/v1/images/edits",
            "multipart/form-data; boundary=a; boundary=b",
            boundary,
        ),
        (
            "/v1/images/edits",
            "Multipart/Form-Data; Boundary=\"a b\"",
            None,
        ),
    ] {
        let endpoint = Endpoint::new(b"POST", path.as_bytes()).unwrap();
        let reader = BodyReader::new(
            endpoint,
            Some(content_type.as_bytes()),
            None,
            PartCosts::default(),
        );
        assert_eq!(reader.err(), expected, "{path} {content_type}");
    }
}

#[test]
fn an_unreadable_body_passes_only_to_endpoints_that_store_it() {
    for (path, content_type, body, passes) in [
        ("/v1/files", "application/octet-stream", "x", true),
        ("/upload/v1beta/files", "video/mp4", "x", true),
        ("/v1/uploads/u/parts", "application/octet-stream", "x", true),
        ("/v1/unknown", "application/octet-stream", "x", false),
        ("/v1/unknown", "text/csv", "model,n", false),
        ("/v1/threads/t/runs", "application/octet-stream", "x", false),
        ("/v1/videos", "application/octet-stream", "x", false),
        ("/v1/realtime/calls", "application/sdp", "v=0", false),
        ("/v1/unknown", "application/octet-stream", "", true),
        ("/v1/unknown", "text/plain", "{}", true),
    ] {
        let read = read_pieces(path, Some(content_type), [body.as_bytes()]);
        let expected = (!passes).then_some(BodyError::UnsupportedMediaType);
        assert_eq!(read.err(), expected, "{path} {content_type}");
    }
}

#[test]
fn refusals_name_the_fix_and_repeat_no_input() {
    for (body, status, param, code, message) in [
        (
            r#"{}"#,
            400,
            Some("model"),
            "missing_required_parameter",
            "you must provide a model parameter",
        ),
        (
            r#"{"model":"m","stream":"hunter2"}"#,
            400,
            Some("stream"),
            "invalid_type",
            "Invalid type for 'stream': expected a boolean (true or false, without quotes).",
        ),
        (
            r#"{"model":"m","max_tokens":1.5}"#,
            400,
            Some("max_tokens"),
            "invalid_value",
            "Invalid value for 'max_tokens': expected an integer of zero or more (without quotes).",
        ),
        (
            r#"{"n":1,"n":1}"#,
            400,
            Some("n"),
            "duplicate_parameter",
            "'n' is given twice. Send it once.",
        ),
        (
            r#"{"hunter2":hunter2}"#,
            400,
            None,
            "invalid_json",
            "We could not parse the JSON body of your request (at byte 11): unexpected character.",
        ),
    ] {
        let error = chat(body).unwrap_err();
        assert_eq!(
            (error.status(), error.param(), error.code()),
            (status, param, code),
            "{body}"
        );
        assert_eq!(error.to_string(), message, "{body}");
    }
    assert_eq!(BodyError::UnsupportedEncoding.status(), 415);
    assert_eq!(BodyError::UnsupportedMediaType.status(), 415);
}

fn cut<'a>(body: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(body.len() + 1)).collect();
    at.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in at.into_iter().chain([body.len()]) {
        pieces.push(&body[from..to]);
        from = to;
    }
    pieces
}

/// Pieces of a form in any order.
fn nearly_form() -> impl Strategy<Value = Vec<u8>> {
    let bits = vec![
        "--b",
        "\r\n",
        "\r",
        "\n",
        "-",
        "--",
        "--b\r\n",
        "\r\n--b--\r\n",
        "\r\n--b\r\n",
        "x",
        "model",
        "\r\n\r\n",
        "content-disposition: form-data; name=\"model\"",
        "content-disposition: form-data; name=stream",
        "\r\n--b\r\ncontent-disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n",
    ];
    prop::collection::vec(prop::sample::select(bits), 0..14)
        .prop_map(|bits| bits.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_cut_of_nearly_json_reads_the_same(body in nearly_json(), cuts: Vec<Index>) {
        let pieces = cut(&body, &cuts);
        prop_assert_eq!(read_pieces(CHAT, None, pieces), chat(&body));
    }

    #[test]
    fn any_cut_of_nearly_a_form_reads_the_same(body in nearly_form(), cuts: Vec<Index>) {
        let path = "/v1/audio/transcriptions";
        prop_assert_eq!(
            read_pieces(path, Some(FORM), cut(&body, &cuts)),
            read_pieces(path, Some(FORM), [&body[..]]),
        );
    }

    #[test]
    fn no_bytes_panic(body: Vec<u8>, cuts: Vec<Index>, path in ".{0,60}", content_type in prop::option::of(".{0,40}")) {
        for path in [path.as_str(), CHAT, "/v1/images/edits", "/v1/messages"] {
            let _ = read_pieces(path, content_type.as_deref(), cut(&body, &cuts));
            let _ = read_pieces(path, Some(FORM), cut(&body, &cuts));
        }
        let _ = Endpoint::new(&body, path.as_bytes());
    }
}
