//! Edge cases of JSON.

use super::super::BodyError as E;
use super::super::JsonFault as F;
use super::*;

/// The refusal of a chat body, or `None`.
fn refusal(body: &[u8]) -> Option<BodyError> {
    chat(body).err()
}

fn nested(depth: usize) -> Vec<u8> {
    // The root object is the first of `depth` containers.
    let arrays = depth - 1;
    let body = [
        r#"{"model":"m","x":"#,
        &"[".repeat(arrays),
        &"]".repeat(arrays),
        "}",
    ]
    .concat();
    body.into_bytes()
}

/// The table of cases on which upstreams disagree, row by row.
mod where_upstreams_differ {
    use super::*;

    #[test]
    fn a_deciding_parameter_twice_is_refused() {
        for (body, param) in [
            (r#"{"model":"a","model":"b"}"#, Param::Model),
            (r#"{"model":"a","model":"a"}"#, Param::Model),
            (r#"{"model":null,"model":"a"}"#, Param::Model),
            (r#"{"model":"a","mod\u0065l":"b"}"#, Param::Model),
            (
                r#"{"model":"m","stream":false,"stream":true}"#,
                Param::Stream,
            ),
            (
                r#"{"model":"m","stream_options":{},"stream_options":null}"#,
                Param::StreamOptions,
            ),
            (
                r#"{"stream_options":{"include_usage":true,"include_usage":false}}"#,
                Param::IncludeUsage,
            ),
            (
                r#"{"model":"m","max_tokens":1,"max_tokens":2}"#,
                Param::MaxTokens,
            ),
            (
                r#"{"max_completion_tokens":1,"max_completion_tokens":2}"#,
                Param::MaxCompletionTokens,
            ),
            (
                r#"{"max_output_tokens":null,"max_output_tokens":2}"#,
                Param::MaxOutputTokens,
            ),
            (r#"{"model":"m","n":1,"n":2}"#, Param::N),
            (r#"{"model":"m","best_of":1,"best_of":2}"#, Param::BestOf),
            (
                r#"{"generationConfig":{},"generation_config":{}}"#,
                Param::GenerationConfig,
            ),
            (
                r#"{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}}"#,
                Param::GenerationMaxOutputTokens,
            ),
        ] {
            assert_eq!(
                refusal(body.as_bytes()),
                Some(E::Duplicate(param)),
                "{body}"
            );
        }
        assert!(chat(r#"{"model":"m","temperature":1,"temperature":2}"#).is_ok());
    }

    #[test]
    fn keys_are_decoded_before_they_are_compared() {
        for body in [
            r#"{"mod\u0065l":"gpt-4o"}"#,
            r#"{"\u006d\u006F\u0064\u0065\u006c":"gpt\u002d4o"}"#,
        ] {
            let facts = chat(body).unwrap();
            assert_eq!(facts.model.unwrap().as_str(), "gpt-4o", "{body}");
        }
        assert!(chat(r#"{"model":"m","\u0073tream":true}"#).unwrap().stream);
    }

    #[test]
    fn only_utf8_without_a_byte_order_mark_is_read() {
        let utf16: Vec<u8> = r#"{"model":"m"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16_be: Vec<u8> =
            r#"{"model":"m"}"#.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (body, fault, at) in [
            (&b"\xef\xbb\xbf{\"model\":\"m\"}"[..], F::ByteOrderMark, 0),
            (b"\xff\xfe{\0", F::ByteOrderMark, 0),
            (b"\xfe\xff\0{", F::ByteOrderMark, 0),
            (&utf16, F::NotUtf8, 1),
            (&utf16_be, F::NotUtf8, 0),
            (b"{\"model\":\"m\xff\"}", F::NotUtf8, 11),
            (b"{\"x\":\"\xc0\x80\"}", F::NotUtf8, 6),
            (b"{\"x\":\"\xed\xa0\x80\"}", F::NotUtf8, 6),
            (b"{\"x\":\"\xe2\x82\"}", F::NotUtf8, 6),
            (b"{\"x\":\"\xe2\x82\\n\"}", F::NotUtf8, 6),
            (b"{\"\x80\":1}", F::NotUtf8, 2),
        ] {
            assert_eq!(refusal(body), Some(E::InvalidJson(fault, at)), "{body:?}");
        }
        assert!(chat("{\"model\":\"m\",\"user\":\"é日🦀\"}").is_ok());
    }

    #[test]
    fn stream_is_a_boolean_or_null() {
        for (value, expected) in [
            ("true", Ok(true)),
            ("false", Ok(false)),
            ("null", Ok(false)),
            (r#""true""#, Err(E::WrongType(Param::Stream))),
            ("1", Err(E::WrongType(Param::Stream))),
            ("0", Err(E::WrongType(Param::Stream))),
            ("[]", Err(E::WrongType(Param::Stream))),
            ("{}", Err(E::WrongType(Param::Stream))),
        ] {
            let body = format!(r#"{{"model":"m","stream":{value}}}"#);
            assert_eq!(chat(&body).map(|f| f.stream), expected, "{body}");
        }
    }

    #[test]
    fn caps_are_whole_numbers_or_null() {
        let caps = [
            ("max_tokens", Param::MaxTokens),
            ("max_completion_tokens", Param::MaxCompletionTokens),
            ("max_output_tokens", Param::MaxOutputTokens),
        ];
        for (name, param) in caps {
            for (value, expected) in [
                ("100", Ok(Some(100))),
                ("0", Ok(Some(0))),
                ("1e3", Ok(Some(1000))),
                ("16.0", Ok(Some(16))),
                ("1e20", Ok(Some(MAX_COUNT))),
                ("null", Ok(None)),
                // What LM Studio and llama.cpp read as "no cap".
                ("-1", Ok(None)),
                ("-2", Ok(None)),
                ("1.5", Err(E::WrongCount(param))),
                (r#""100""#, Err(E::WrongType(param))),
                ("true", Err(E::WrongType(param))),
                ("[1]", Err(E::WrongType(param))),
                ("{}", Err(E::WrongType(param))),
            ] {
                let body = format!(r#"{{"model":"m","{name}":{value}}}"#);
                assert_eq!(chat(&body).map(|f| f.declared_cap), expected, "{body}");
            }
        }
    }

    #[test]
    fn a_single_cap_that_means_no_cap_overrides_the_others() {
        for body in [
            r#"{"model":"m","max_tokens":-1,"max_completion_tokens":5}"#,
            r#"{"max_completion_tokens":5,"max_tokens":-1,"model":"m"}"#,
            r#"{"model":"m","generationConfig":{"maxOutputTokens":-1},"max_tokens":9}"#,
        ] {
            assert_eq!(chat(body).map(|f| f.declared_cap), Ok(None), "{body}");
        }
        let negative = chat(r#"{"model":"m","n":-1}"#).err();
        assert_eq!(negative, Some(E::WrongCount(Param::N)));
    }

    #[test]
    fn compressed_bodies_are_refused() {
        let new = |encoding: &str| {
            let endpoint = Endpoint::new(b"POST", CHAT.as_bytes()).unwrap();
            BodyReader::new(
                endpoint,
                None,
                Some(encoding.as_bytes()),
                PartCosts::default(),
            )
            .map(drop)
        };
        for encoding in ["", "identity", " Identity "] {
            assert_eq!(new(encoding), Ok(()), "{encoding:?}");
        }
        for encoding in [
            "gzip",
            "deflate",
            "br",
            "zstd",
            "identity, gzip",
            "gzip,identity",
            "x",
        ] {
            assert_eq!(new(encoding), Err(E::UnsupportedEncoding), "{encoding:?}");
        }
    }

    #[test]
    fn deep_trailing_and_lax_json_is_refused() {
        assert_eq!(refusal(&nested(128)), None);
        assert_eq!(refusal(&nested(129)), Some(E::InvalidJson(F::TooDeep, 144)));
        assert_eq!(
            refusal(&nested(5000)),
            Some(E::InvalidJson(F::TooDeep, 144))
        );
        for (body, fault, at) in [
            (r#"{"model":"m"}{}"#, F::Trailing, 13),
            (r#"{"model":"m"} x"#, F::Trailing, 14),
            (r#"{"model":"m"}]"#, F::Trailing, 13),
            (r#"{"x":NaN}"#, F::Syntax, 5),
            (r#"{"x":Infinity}"#, F::Syntax, 5),
            (r#"{"x":-Infinity}"#, F::Syntax, 6),
            (r#"{"x":nul}"#, F::Syntax, 8),
            (r#"{"x":True}"#, F::Syntax, 5),
            (r#"{"x":01}"#, F::Syntax, 6),
            (r#"{"x":+1}"#, F::Syntax, 5),
            (r#"{"x":1.}"#, F::Syntax, 7),
            (r#"{"x":.5}"#, F::Syntax, 5),
            (r#"{"x":1e}"#, F::Syntax, 7),
            (r#"{"x":[1,]}"#, F::Syntax, 8),
            (r#"{"x":1,}"#, F::Syntax, 7),
            (r#"{"x" 1}"#, F::Syntax, 5),
            (r#"{x:1}"#, F::Syntax, 1),
            (r#"{'x':1}"#, F::Syntax, 1),
            (r#"{"x":[1}"#, F::Syntax, 7),
            (r#"{"x":1]"#, F::Syntax, 6),
            (r#"{"x":"\x"}"#, F::Syntax, 7),
            (r#"{"x":"\u12g4"}"#, F::Syntax, 10),
            (r#"{/**/"x":1}"#, F::Syntax, 1),
            ("{\"x\":\"a\nb\"}", F::ControlCharacter, 7),
            ("{\"x\":\"\0\"}", F::ControlCharacter, 6),
            (r#"{"x":"y"#, F::Truncated, 7),
            (r#"{"x":1"#, F::Truncated, 6),
            ("{", F::Truncated, 1),
            (" ", F::Truncated, 1),
        ] {
            assert_eq!(
                refusal(body.as_bytes()),
                Some(E::InvalidJson(fault, at)),
                "{body}"
            );
        }
    }

    #[test]
    fn a_model_after_twenty_megabytes_is_found() {
        let messages =
            format!(r#"{{"role":"user","content":"{}"}},"#, "word ".repeat(1000)).repeat(4000);
        let body = format!(r#"{{"messages":[{messages}0],"model":"gpt-4o","stream":true}}"#);
        assert!(body.len() > 20_000_000);
        let facts = read_pieces(CHAT, None, body.as_bytes().chunks(16 * 1024)).unwrap();
        assert_eq!(facts.model.unwrap().as_str(), "gpt-4o");
        assert!(facts.stream);
        assert_eq!(facts.body_len, body.len() as u64);
        // Each message counts a thousand words of four letters and itself; the number at the end counts too.
        assert_eq!(facts.prompt_tokens, 4000 * (1000 + 4) + 1);
    }
}

#[test]
fn the_root_is_an_object() {
    for body in [
        "[]",
        "\"x\"",
        "1",
        "-1",
        "true",
        "null",
        " [{\"model\":\"m\"}]",
    ] {
        assert_eq!(refusal(body.as_bytes()), Some(E::NotAnObject), "{body}");
    }
    assert_eq!(refusal(b"hello"), Some(E::InvalidJson(F::Syntax, 0)));
}

#[test]
fn white_space_before_the_object_is_bounded() {
    let spaced = |n: usize| format!("{}{}", " ".repeat(n), r#"{"model":"m"}"#);
    assert_eq!(refusal(spaced(64).as_bytes()), None);
    assert_eq!(
        refusal(spaced(65).as_bytes()),
        Some(E::InvalidJson(F::LeadingSpace, 64))
    );
    assert_eq!(
        refusal(b"\r\n\t {\"model\" : \"m\" , \"a\":[ ] } \r\n\t "),
        None
    );
}

#[test]
fn letter_case_does_not_smuggle_a_parameter() {
    for (key, param) in [
        ("Model", Param::Model),
        ("MAX_TOKENS", Param::MaxTokens),
        ("Stream", Param::Stream),
    ] {
        let body = format!(r#"{{"model":"m","{key}":"x"}}"#);
        assert_eq!(
            refusal(body.as_bytes()),
            Some(E::LetterCase(param)),
            "{body}"
        );
    }
    assert_eq!(
        refusal(br#"{"model":"m","metadata":{"Model":"x","model":1}}"#),
        None
    );
}

#[test]
fn lone_surrogates_are_json_but_no_model() {
    assert!(chat(r#"{"model":"m","user":"\ud800 \udc00\ud800\ud83e\udd80"}"#).is_ok());
    assert_eq!(refusal(br#"{"model":"m\ud800"}"#), Some(E::InvalidModel));
    assert_eq!(refusal(br#"{"model\ud800":"m"}"#), Some(E::MissingModel));
}

#[test]
fn after_a_refusal_the_reader_repeats_it() {
    let endpoint = Endpoint::new(b"POST", CHAT.as_bytes()).unwrap();
    let mut reader = BodyReader::new(endpoint, None, None, PartCosts::default()).unwrap();
    let error = Err(E::NotAnObject);
    assert_eq!(reader.push(b"["), error);
    assert_eq!(reader.push(br#"{"model":"m"}"#), error);
    assert_eq!(reader.finish().map(drop), Err(E::NotAnObject));
}
