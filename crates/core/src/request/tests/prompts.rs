//! The prompt's estimate.

use super::*;

const IMAGE: u64 = 1_105;
const AUDIO: u64 = 100;
const FILE: u64 = 1_105;
const MESSAGE: u64 = 4;

fn tokens(path: &str, body: &str) -> u64 {
    read(path, body).unwrap().prompt_tokens
}

#[test]
fn everything_that_the_model_sees_counts() {
    let blob = "aGVsbG8gd29ybGQ".repeat(400);
    let prose = "data in disguise ".repeat(400);
    for (path, body, expected) in [
        (CHAT, r#"{"model":"m"}"#.to_owned(), 0),
        (CHAT, r#"{"model":"m","messages":[{"role":"user","content":"hello world"}]}"#.into(), MESSAGE + 2),
        (CHAT, r#"{"model":"m","messages":[{"content":"hello world","role":"user"},{"role":"user","content":"hello"}]}"#.into(), 2 * MESSAGE + 3),
        (CHAT, r#"{"model":"m","user":"hello world","metadata":{"a":"hello world"},"stop":["hello"]}"#.into(), 0),
        (CHAT, r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"call_abcdefgh","type":"function","function":{"name":"hello","arguments":"hello world"}}]}]}"#.into(), MESSAGE + 3),
        // Schemas count with their keys.
        (CHAT, r#"{"model":"m","tools":[{"hello":{"world":"hello"}}]}"#.into(), 3),
        // Images, sound and files have a flat cost each.
        (CHAT, format!(r#"{{"model":"m","messages":[{{"content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{blob}"}}}}]}}]}}"#), IMAGE),
        (CHAT, r#"{"model":"m","messages":[{"content":[{"type":"image_url","image_url":{"url":"https://example.com/cat.png"}}]}]}"#.into(), IMAGE),
        (CHAT, r#"{"model":"m","messages":[{"content":[{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}]}"#.into(), AUDIO),
        (CHAT, r#"{"model":"m","messages":[{"content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,JVBERi0=","filename":"a.pdf"}}]}]}"#.into(), FILE),
        ("/v1/responses", r#"{"input":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}"#.into(), IMAGE),
        ("/v1/responses", r#"{"input":[{"type":"input_file","file_id":"file-123"}]}"#.into(), FILE),
        ("/v1/responses", format!(r#"{{"input":[{{"type":"image_generation_call","result":"{blob}"}}]}}"#), IMAGE),
        ("/v1/messages", format!(r#"{{"model":"m","messages":[{{"content":[{{"source":{{"data":"{blob}","type":"base64"}}}}]}}]}}"#), IMAGE),
        ("/v1/messages", r#"{"model":"m","messages":[{"content":[{"source":{"type":"url","url":"https://e.com/a.png"}}]}]}"#.into(), IMAGE),
        ("/v1beta/models/g:generateContent", format!(r#"{{"contents":[{{"parts":[{{"inline_data":{{"mime_type":"image/png","data":"{blob}"}}}}]}}]}}"#), IMAGE),
        ("/v1beta/models/g:generateContent", r#"{"contents":[{"parts":[{"fileData":{"mimeType":"x/y","fileUri":"https://e.com/f"}}]}]}"#.into(), FILE),
        ("/v1/messages", r#"{"model":"m","messages":[{"content":[{"source":{"data":"aGVsbG8="}}]}]}"#.into(), IMAGE),
        // A value after a part in a list is not a part.
        (CHAT, r#"{"model":"m","messages":[{"content":[{"file_id":"f"},"hello world"]}]}"#.into(), FILE + 2),
        // Too short for a picture, and without spaces: counted as one long word.
        (CHAT, r#"{"model":"m","messages":[{"data":"abcdefgh"}]}"#.into(), 4),
        // Encrypted reasoning counts by its length.
        ("/v1/responses", format!(r#"{{"input":[{{"type":"reasoning","encrypted_content":"{blob}"}}]}}"#), 750),
        // Token ids.
        ("/v1/completions", r#"{"model":"m","prompt":[1,22,333]}"#.into(), 3),
        ("/v1/embeddings", r#"{"model":"m","input":[[1,22],[333]],"dimensions":256}"#.into(), 3),
        // Others.
        ("/v1/embeddings", r#"{"model":"m","input":["hello","world"]}"#.into(), 2),
        ("/v1/responses", r#"{"instructions":"hello","input":"hello world","id":"hello"}"#.into(), 4),
        ("/v1/messages", r#"{"model":"m","system":"hello world","messages":[]}"#.into(), 2),
        ("/v1/rerank", r#"{"model":"m","query":"hello","documents":["hello world"]}"#.into(), 3),
        ("/v1/audio/speech", r#"{"model":"m","input":"hello world","voice":"alloy"}"#.into(), 2),
    ] {
        assert_eq!(tokens(path, &body), expected, "{path} {body:.200}");
    }
    // Prose in the place of an image counts as prose, and so does an identifier of many words.
    for body in [
        format!(
            r#"{{"model":"m","messages":[{{"content":[{{"image_url":{{"url":"{prose}"}}}}]}}]}}"#
        ),
        format!(
            r#"{{"model":"m","messages":[{{"content":[{{"source":{{"type":"text","data":"{prose}"}}}}]}}]}}"#
        ),
        format!(r#"{{"model":"m","messages":[{{"id":"{prose}"}}]}}"#),
        format!(r#"{{"model":"m","messages":[{{"{prose}":1}}]}}"#),
    ] {
        assert!(tokens(CHAT, &body) >= 1_000, "{}", tokens(CHAT, &body));
    }
}

#[test]
fn escapes_count_as_their_characters() {
    let plain = r#"{"model":"m","prompt":"été 日本 🦀"}"#;
    let escaped = r#"{"model":"m","prompt":"\u00e9t\u00e9 \u65e5\u672c \ud83e\udd80"}"#;
    assert_eq!(
        tokens("/v1/completions", escaped),
        tokens("/v1/completions", plain)
    );
}

#[test]
fn no_text_is_cheaper_than_an_eighth_of_its_bytes() {
    let body = format!(r#"{{"model":"m","prompt":"{}"}}"#, " ".repeat(8_000));
    assert_eq!(tokens("/v1/completions", &body), 1_000);
}

#[test]
fn parts_are_counted() {
    let body = r#"{"model":"m","messages":[{"content":[{"image_url":{"url":"x"}},{"image_url":{"url":"y"}},{"input_audio":{"data":"z"}},{"file":{"file_id":"f"}}]}]}"#;
    assert_eq!(
        chat(body).unwrap().parts,
        PartCounts {
            images: 2,
            audios: 1,
            files: 1
        }
    );
}

#[test]
fn every_prompt_of_a_completions_request_counts() {
    for (prompt, prompts) in [
        (r#""one""#, 1),
        ("[]", 1),
        (r#"["one","two","three"]"#, 3),
        ("[1,2,3]", 1),
        ("[[1,2],[3]]", 2),
        ("null", 1),
    ] {
        let body = format!(r#"{{"model":"m","prompt":{prompt}}}"#);
        assert_eq!(
            read("/v1/completions", &body).unwrap().prompts,
            prompts,
            "{prompt}"
        );
        assert_eq!(chat(&body).unwrap().prompts, 1, "{prompt}");
    }
}

/// `POST /realtime/calls/{id}/accept` accepts it.
#[test]
fn inf_means_no_cap_only_in_output_caps() {
    for (body, cap) in [
        (r#"{"model":"m","max_output_tokens":"inf"}"#, Ok(None)),
        (r#"{"model":"m","max_output_tokens":"\u0069nf"}"#, Ok(None)),
        (
            r#"{"model":"m","max_output_tokens":"inf","max_tokens":5}"#,
            Ok(Some(5)),
        ),
        (
            r#"{"model":"m","max_response_output_tokens":"inf"}"#,
            Ok(None),
        ),
        (
            r#"{"model":"m","session":{"max_output_tokens":"inf"}}"#,
            Ok(None),
        ),
        (
            r#"{"model":"m","max_output_tokens":"Inf"}"#,
            Err(BodyError::WrongType(Param::MaxOutputTokens)),
        ),
        (
            r#"{"model":"m","max_output_tokens":"infinite"}"#,
            Err(BodyError::WrongType(Param::MaxOutputTokens)),
        ),
        (
            r#"{"model":"m","max_output_tokens":""}"#,
            Err(BodyError::WrongType(Param::MaxOutputTokens)),
        ),
        (
            r#"{"model":"m","max_tokens":"inf"}"#,
            Err(BodyError::WrongType(Param::MaxTokens)),
        ),
    ] {
        assert_eq!(chat(body).map(|f| f.declared_cap), cap, "{body}");
    }
}

#[test]
fn the_largest_of_all_caps_and_choices_counts() {
    for (body, cap, choices) in [
        (r#"{"model":"m"}"#, None, 1),
        (
            r#"{"model":"m","max_tokens":5,"max_completion_tokens":7,"max_output_tokens":6}"#,
            Some(7),
            1,
        ),
        (
            r#"{"model":"m","max_completion_tokens":null,"max_tokens":5}"#,
            Some(5),
            1,
        ),
        (r#"{"model":"m","n":2,"best_of":5}"#, None, 5),
        (r#"{"model":"m","n":null}"#, None, 1),
        (r#"{"model":"m","n":0}"#, None, 1),
        (
            r#"{"model":"m","generationConfig":{"maxOutputTokens":9,"candidateCount":3}}"#,
            Some(9),
            3,
        ),
        (
            r#"{"model":"m","generation_config":{"max_output_tokens":9,"candidate_count":null},"max_tokens":10}"#,
            Some(10),
            1,
        ),
        (
            r#"{"model":"m","tools":[{"max_tokens":9,"n":9}],"metadata":{"maxOutputTokens":9}}"#,
            None,
            1,
        ),
    ] {
        let facts = chat(body).unwrap();
        assert_eq!(
            (facts.declared_cap, facts.choices),
            (cap, choices),
            "{body}"
        );
    }
}
