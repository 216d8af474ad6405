//! The bytes of an answer tell what it is, whatever its content type says.

use super::*;

/// Content types that upstreams give, rightly and wrongly.
const LABELS: [Option<&str>; 8] = [
    Some("application/json"),
    Some("text/event-stream"),
    Some("text/plain; charset=utf-8"),
    Some("text/html"),
    Some("application/x-ndjson"),
    Some("application/octet-stream"),
    Some("audio/mpeg"),
    None,
];

fn labelled(label: Option<&str>, plan: MeterPlan) -> ResponseMeter {
    let facts = ResponseFacts {
        status: 200,
        content_type: label.map(str::as_bytes),
        content_encoding: None,
    };
    ResponseMeter::new(&facts, plan)
}

/// The answer at every split has this usage, whatever its label, and reaches the client as `shown`.
fn reads(what: &str, body: &[u8], shown: &[u8], plan: MeterPlan, expected: Usage) {
    for label in LABELS {
        for at in 0..=body.len() {
            let (a, b) = body.split_at(at);
            let (out, usage) = run(labelled(label, plan), [a, b], Ending::Complete);
            assert_eq!(usage, expected, "{what} as {label:?} split at {at}");
            assert_eq!(out, shown, "{what} as {label:?} split at {at}");
        }
        let (out, usage) = run(labelled(label, plan), body.chunks(1), Ending::Complete);
        assert_eq!((out.as_slice(), usage), (shown, expected), "{what}");
    }
}

const DOCUMENT: &str = r#"{"object":"chat.completion","choices":[{"message":{"content":"one two three four"}}],"usage":{"prompt_tokens":15,"completion_tokens":11,"total_tokens":26}}"#;

const STREAM: &str = concat!(
    "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"delta\":{\"content\":\" one two\"}}]}\n\n",
    "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"delta\":{\"content\":\" three\"}}]}\n\n",
    "data: {\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":15,\"completion_tokens\":11,\"total_tokens\":26}}\n\n",
    "data: [DONE]\n\n",
);

const NDJSON: &str = concat!(
    "{\"choices\":[{\"delta\":{\"content\":\" one two\"}}]}\n",
    "{\"choices\":[{\"delta\":{\"content\":\" three\"}}]}\n",
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":15,\"completion_tokens\":11,\"total_tokens\":26}}\n",
);

const TYPED: &str = concat!(
    "event: response.output_text.delta\n",
    "data: {\"type\":\"response.output_text.delta\",\"delta\":\"one two\"}\n\n",
    "event: response.completed\n",
    "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"usage\":{\"input_tokens\":15,\"output_tokens\":11,\"total_tokens\":26}}}\n\n",
);

#[test]
fn every_form_is_read_with_every_label_at_every_split() {
    let counted = exact(15, 11, 26);
    let on_one_line = STREAM.replacen("}\n\ndata: {", "}{", 2);
    let array = format!("[{}]", NDJSON.trim_end().replace('\n', ","));
    for (what, body) in [
        ("a document", DOCUMENT.to_owned()),
        ("a document with a BOM", format!("\u{feff}{DOCUMENT}")),
        ("a document after blanks", format!(" \t\r\n  {DOCUMENT}\n")),
        (
            "a document and [DONE]",
            format!("{DOCUMENT}\n\ndata: [DONE]\n\n"),
        ),
        (
            "a document and [DONE] on one line",
            format!("{DOCUMENT}data: [DONE]\n\n"),
        ),
        (
            "a document as an event",
            format!("data: {DOCUMENT}\n\ndata: [DONE]\n\n"),
        ),
        ("a stream", STREAM.to_owned()),
        ("a stream with a BOM", format!("\u{feff}{STREAM}")),
        ("a stream after blanks", format!("\r\n\n  {STREAM}")),
        ("a stream after a comment", format!(": ping\n\n{STREAM}")),
        (
            "a stream after a number and a pause",
            format!("id: 1\nretry: 9\n{STREAM}"),
        ),
        ("a stream with CRLF", STREAM.replace('\n', "\r\n")),
        ("a stream with CR", STREAM.replace('\n', "\r")),
        ("a stream without spaces", STREAM.replace("data: ", "data:")),
        ("a stream without blank lines", STREAM.replace("\n\n", "\n")),
        ("a stream on one line", on_one_line.clone()),
        (
            "a stream on one line, spaced",
            on_one_line.replace("}{", "} {"),
        ),
        ("lines of JSON", NDJSON.to_owned()),
        ("lines of JSON with CRLF", NDJSON.replace('\n', "\r\n")),
        ("documents without lines", NDJSON.replace('\n', "")),
        ("an array", array.clone()),
        ("an array as an event", format!("data: {array}\n\n")),
        ("typed events", TYPED.to_owned()),
        (
            "typed events without names",
            TYPED
                .lines()
                .filter(|l| !l.starts_with("event"))
                .map(|l| format!("{l}\n"))
                .collect(),
        ),
    ] {
        reads(what, body.as_bytes(), body.as_bytes(), PLAN, counted);
    }
}

#[test]
fn the_injected_event_is_taken_out_of_every_stream_whatever_its_label_and_shape() {
    let (head, tail) = (
        "{\"choices\":[{\"delta\":{\"content\":\" one\"}}]}",
        "data: [DONE]",
    );
    let usage = r#""usage":{"prompt_tokens":15,"completion_tokens":11,"total_tokens":26}"#;
    for choices in [r#""choices":[],"#, r#""choices":null,"#, ""] {
        for end in ["\n", "\r\n", "\r"] {
            let injected = format!(
                "data: {{\"id\":\"x\",\"object\":\"chat.completion.chunk\",{choices}{usage}}}"
            );
            for before in ["", "\u{feff}", ": ping\n\n"] {
                let events = |events: &[&str]| {
                    let events: String = events.iter().map(|e| format!("{e}\n\n")).collect();
                    format!("{before}{events}").replace('\n', end)
                };
                let first = format!("data: {head}");
                let body = events(&[&first, &injected, tail]);
                let shown = events(&[&first, tail]);
                reads(
                    &body,
                    body.as_bytes(),
                    shown.as_bytes(),
                    DROPPING,
                    exact(15, 11, 26),
                );
                reads(
                    &body,
                    body.as_bytes(),
                    body.as_bytes(),
                    PLAN,
                    exact(15, 11, 26),
                );
            }
        }
    }
}

#[test]
fn an_error_with_status_200_costs_nothing() {
    for error in [
        r#"{"error":{"message":"The server had an error while processing your request","type":"server_error","param":null,"code":null}}"#,
        r#"{"error":"model 'llama9' not found, try pulling it first"}"#,
        r#"{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED"}}"#,
        r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}"#,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_011CSHoEeqs5C35K2UUqR7Fy"}"#,
        r#"{"id":"gen-1","object":"chat.completion.chunk","choices":[],"error":{"code":502,"message":"Provider returned error"}}"#,
    ] {
        for body in [
            error.to_owned(),
            format!("\u{feff}\r\n {error}\n"),
            format!("data: {error}\n\n"),
            format!("event: error\ndata: {error}\n\n"),
            format!("event: error\n{error}\n\n"),
            format!("data: {error}\n\ndata: [DONE]\n\n"),
            format!("{error}\n\ndata: [DONE]\n\n"),
            format!("[{error}]"),
        ] {
            reads(
                &body,
                body.as_bytes(),
                body.as_bytes(),
                DROPPING,
                at_least(0, 0),
            );
        }
    }
}

#[test]
fn an_error_that_stands_bare_in_a_stream_is_an_error() {
    let word = "data: {\"choices\":[{\"delta\":{\"content\":\" word\"}}]}\n\n".repeat(3);
    let body = format!("{word}{{\"error\":{{\"message\":\"the engine has died\"}}}}\n");
    reads(
        &body,
        body.as_bytes(),
        body.as_bytes(),
        DROPPING,
        at_least(7, 3),
    );
}

#[test]
fn text_that_is_neither_is_charged_by_its_text_and_counted() {
    let words = "one two three four five ".repeat(20);
    let subtitles = "1\n00:00:00,000 --> 00:00:02,000\none two three four\n\n2\n00:00:02,000 --> 00:00:04,000\nfive\n\n";
    for (what, body, least, most, why) in [
        ("prose", words.as_str(), 100, 110, Unread::Text),
        ("subtitles", subtitles, 30, 60, Unread::Text),
        (
            "sound in brackets",
            "[Music and applause] one two three\nfour five\n",
            8,
            20,
            Unread::Broken,
        ),
        (
            "a page",
            "<html><body><h1>one two three</h1></body></html>",
            8,
            30,
            Unread::Text,
        ),
        (
            "words that begin like a field",
            "date and data are two words",
            6,
            10,
            Unread::Text,
        ),
        (
            "what begins like a document",
            "{one two three four five six seven eight nine ten}",
            10,
            25,
            Unread::Broken,
        ),
        (
            "a document of a new shape",
            r#"{"generated":{"story":"one two three four five six seven eight"}}"#,
            9,
            11,
            Unread::Shape,
        ),
        (
            "events of a new shape",
            "data: {\"story\":\"one two three\"}\n\ndata: {\"story\":\"four five six\"}\n\n",
            6,
            7,
            Unread::Shape,
        ),
    ] {
        for label in LABELS {
            // What is labelled as sound and is no document counts by its bytes.
            if matches!(label, Some("audio/mpeg" | "application/octet-stream"))
                && why != Unread::Shape
            {
                continue;
            }
            for size in [1, 2, 7, body.len()] {
                let mut meter = labelled(label, PLAN);
                for chunk in body.as_bytes().chunks(size) {
                    assert_eq!(meter.push(chunk), Output::Unchanged);
                }
                let metered = meter.finish(Ending::Complete);
                assert_eq!(metered.unread, Some(why), "{what} as {label:?} by {size}");
                let usage = metered.usage;
                assert_eq!(usage.source().name(), "estimated", "{what}");
                assert!(
                    (least..=most).contains(&usage.tokens().output()),
                    "{what}: {usage:?}"
                );
            }
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_charged_by_their_number_and_counted() {
    let sound = [b"ID3\x04\x00\x00\x00\x00".as_slice(), &[0xff; 48_000]].concat();
    let zipped = [b"\x1f\x8b\x08\x00".as_slice(), &[0xa5; 15_996]].concat();
    for (what, body, label, output, why) in [
        ("sound", &sound, Some("audio/mpeg"), 1_000, Unread::Media),
        ("sound", &sound, None, 1_000, Unread::Media),
        ("sound", &sound, Some("text/plain"), 6_001, Unread::Media),
        (
            "zipped",
            &zipped,
            Some("application/json"),
            2_000,
            Unread::Encoding,
        ),
        ("zipped", &zipped, None, 2_000, Unread::Encoding),
    ] {
        for size in [1, 1_000, body.len()] {
            let mut meter = labelled(label, PLAN);
            for chunk in body.chunks(size) {
                assert_eq!(meter.push(chunk), Output::Unchanged);
            }
            let metered = meter.finish(Ending::Complete);
            assert_eq!(
                metered.usage,
                estimated(7, output),
                "{what} as {label:?} by {size}"
            );
            assert_eq!(metered.unread, Some(why), "{what} as {label:?} by {size}");
        }
    }
}

#[test]
fn a_usage_that_was_read_is_not_counted_as_unread() {
    for body in [DOCUMENT, STREAM, NDJSON, TYPED] {
        let mut meter = labelled(None, PLAN);
        let _ = meter.push(body.as_bytes());
        assert_eq!(meter.finish(Ending::Complete).unread, None, "{body}");
    }
}
