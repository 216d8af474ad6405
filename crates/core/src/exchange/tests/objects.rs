//! Objects stored at the provider: refusal, access, registration, settlement.

use super::*;
use crate::ident::{KeyId, TeamId, TierName};
use crate::limits::LimitOverrides;
use crate::objects::registry::{self, Found};
use crate::objects::{BatchWork, Kind, Object, ObjectId, ObjectNote};
use crate::sync::events::UsageEvent;
use crate::usage::Usage;

/// Keys 1 and 2 of one team, 3 of another, 4 with one model only. Everything is open except what a test closes.
fn policy(more: &str) -> Arc<Policy> {
    let entry = |n: u8, team: &str, more: &str| {
        let digest = key(n).digest().to_hex();
        format!(r#""{digest}":{{"id":"key_{n}","team":"{team}","tier":"free"{more}}}"#)
    };
    let keys = [
        entry(1, "acme", ""),
        entry(2, "acme", ""),
        entry(3, "other", ""),
        entry(4, "acme", r#","models":["gpt-4o-mini"]"#),
    ];
    let groups = ["background", "stored_responses", "files", "batches"];
    let open: Vec<String> = groups.iter().map(|g| format!(r#""{g}":"allow""#)).collect();
    let json = format!(
        r#"{{"keys":{{{}}},"endpoints":{{{}}}{more}}}"#,
        keys.join(","),
        open.join(",")
    );
    Arc::new(Policy::from_json(json.as_bytes()).unwrap())
}

const SERVICE: &str = r#","service":{"cluster":"auth","token":"t"}"#;

struct Call {
    exchange: Exchange,
    step: Step,
}

fn call(store: &MemoryStore, policy: &Arc<Policy>, n: u8, request: &str, body: &str) -> Call {
    call_as(store, policy, n, request, "application/json", body)
}

fn call_as(
    store: &MemoryStore,
    policy: &Arc<Policy>,
    n: u8,
    request: &str,
    kind: &str,
    body: &str,
) -> Call {
    let (method, path) = request.split_once(' ').unwrap();
    let bearer = format!("Bearer {}", key(n).reveal());
    let head = Head::new(vec![
        (b":method".as_slice(), method.as_bytes()),
        (b":path", path.as_bytes()),
        (b"authorization", bearer.as_bytes()),
        (b"content-type", kind.as_bytes()),
    ]);
    let ends = body.is_empty();
    let (mut exchange, mut step) = Exchange::start(&head, ends, policy, store, NOW);
    if matches!(step, Step::ReadBody) {
        step = exchange.request_body(body.as_bytes(), true, store, NOW);
    }
    Call { exchange, step }
}

impl Call {
    fn refused(&self) -> (u16, String) {
        let Step::Reply(reply) = &self.step else {
            panic!("passed: {:?}", self.step)
        };
        (reply.status, reply.body.clone())
    }

    /// Answers with 200 and this body; returns the usage of the request, and the events.
    fn answered(mut self, store: &MemoryStore, body: &str) -> (Usage, Vec<UsageEvent>) {
        assert!(matches!(self.step, Step::Forward(_)), "{:?}", self.step);
        let head = vec![
            (b":status".as_slice(), b"200".as_slice()),
            (b"content-type", b"application/json"),
        ];
        let _ = self.exchange.response_head(&Head::new(head));
        let _ = self.exchange.response_body(body.as_bytes(), true);
        self.exchange.note_objects(store);
        let settlement = self.exchange.finish(store, NOW);
        let own = self
            .exchange
            .usage_event([7; 16], settlement.as_ref(), NOW)
            .unwrap();
        let usage = own.usage;
        let mut events = vec![own];
        events.extend(self.exchange.object_events(NOW));
        (usage, events)
    }
}

const BACKGROUND: &str =
    r#"{"model":"gpt-4o","input":"hi","background":true,"max_output_tokens":500}"#;
const QUEUED: &str =
    r#"{"id":"resp_1","object":"response","status":"queued","output":[],"usage":null}"#;
const COMPLETED: &str = r#"{"id":"resp_1","status":"completed","output":[{"content":[{"text":"a"}]}],"usage":{"input_tokens":9,"output_tokens":7000,"total_tokens":7009}}"#;

fn begun(store: &MemoryStore, policy: &Arc<Policy>) -> (Usage, Vec<UsageEvent>) {
    call(store, policy, 1, "POST /v1/responses", BACKGROUND).answered(store, QUEUED)
}

fn registered(store: &MemoryStore, id: &str) -> Object {
    match registry::find(store, &ObjectId::of(id.as_bytes())) {
        Ok(Some(Found::Object(object))) => *object,
        other => panic!("{id}: {other:?}"),
    }
}

#[test]
fn background_work_is_refused_if_it_is_closed() {
    let store = MemoryStore::default();
    let closed = super::policy();
    for (body, passes) in [
        (BACKGROUND, false),
        (r#"{"model":"m","input":"x","background":false}"#, true),
        (r#"{"model":"m","input":"x","background":null}"#, true),
        (r#"{"model":"m","input":"x","background":"true"}"#, false),
        (r#"{"model":"m","input":"x","Background":true}"#, false),
        (r#"{"model":"m","input":"x","deferred":true}"#, false),
    ] {
        let call = call(&store, &closed, 1, "POST /v1/responses", body);
        let went_on = matches!(call.step, Step::Forward(_));
        assert_eq!(went_on, passes, "{body}");
        if !passes {
            assert_eq!(call.refused().0, 400, "{body}");
        }
    }
    // Images have another parameter of that name.
    let image = r#"{"model":"gpt-image-1","prompt":"x","background":"transparent"}"#;
    let call = call(&store, &closed, 1, "POST /v1/images/generations", image);
    assert!(matches!(call.step, Step::Forward(_)));
}

#[test]
fn the_estimate_is_charged_at_once_and_the_rest_once_to_the_maker() {
    let (store, policy) = (MemoryStore::default(), policy(""));
    let (usage, events) = begun(&store, &policy);
    let Usage::Estimated(estimate) = usage else {
        panic!("{usage:?}")
    };
    assert_eq!(estimate.output(), 500);
    assert!(matches!(
        events[0].object,
        Some(ObjectNote::Made {
            settled: false,
            kind: Kind::Response,
            ..
        })
    ));
    let read = |n, body: &str| {
        call(&store, &policy, n, "GET /v1/responses/resp_1", "").answered(&store, body)
    };
    assert_eq!(read(2, QUEUED).1.len(), 1, "still under way");
    let (usage, events) = read(2, COMPLETED);
    assert!(usage.tokens().is_zero(), "the reader is charged nothing");
    let settled = &events[1];
    assert_eq!(
        (settled.key.as_str(), settled.usage.tokens().output()),
        ("key_1", 7_000)
    );
    assert_eq!(settled.model.as_ref().map(ModelId::as_str), Some("gpt-4o"));
    assert_eq!(events[0].key.as_str(), "key_2");
    assert_eq!(read(1, COMPLETED).1.len(), 1, "settled before");
    assert!(registered(&store, "resp_1").settled);
    // All of it counts against the maker's limit: 7,009 of 40,000 a minute.
    let limits = call(&store, &policy, 1, "GET /v1/limits", "");
    let Step::Reply(reply) = limits.step else {
        panic!("no limits")
    };
    let limits: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(limits["data"][1]["used"].as_u64(), Some(7_009));
}

#[test]
fn only_the_requested_object_settles_and_only_once_finished() {
    for (what, answer, settles) in [
        ("completed", COMPLETED.to_owned(), true),
        (
            "another object",
            COMPLETED.replace("resp_1", "resp_2"),
            false,
        ),
        (
            "in progress",
            COMPLETED.replace("completed", "in_progress"),
            false,
        ),
        (
            "incomplete",
            COMPLETED.replace("completed", "incomplete"),
            true,
        ),
        (
            "cancelled without a count",
            r#"{"id":"resp_1","status":"cancelled","usage":null}"#.into(),
            false,
        ),
        (
            "failed before it began",
            r#"{"id":"resp_1","status":"failed","error":{"code":"x"},"output":[],"usage":null}"#
                .into(),
            true,
        ),
        ("cut", COMPLETED.strip_suffix('}').unwrap().into(), false),
    ] {
        let (store, policy) = (MemoryStore::default(), policy(""));
        let _ = begun(&store, &policy);
        let call = call(&store, &policy, 1, "GET /v1/responses/resp_1", "");
        let (_, events) = call.answered(&store, &answer);
        assert_eq!(events.len() == 2, settles, "{what}");
    }
}

#[test]
fn another_teams_objects_and_objects_without_a_maker_are_refused() {
    let store = MemoryStore::default();
    let strict = policy("");
    let _ = begun(&store, &strict);
    let go_on = r#"{"model":"m","input":"x","previous_response_id":"resp_1"}"#;
    let unknown = go_on.replace("resp_1", "resp_9");
    let file = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-9"}}]}]}"#;
    let argument = r#"{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"file_id":"x"}}]}]}"#;
    for (n, request, body, status) in [
        (3, "GET /v1/responses/resp_1", "", 404),
        (3, "DELETE /v1/responses/resp_1", "", 404),
        (3, "GET /v1/responses/resp_1/input_items", "", 404),
        (3, "POST /v1/responses", go_on, 400),
        (1, "POST /v1/responses", go_on, 0),
        (2, "POST /v1/responses", go_on, 0),
        (1, "GET /v1/responses/resp_9", "", 404),
        (1, "POST /v1/responses", &unknown, 400),
        (1, "POST /v1/chat/completions", file, 400),
        (1, "POST /v1/messages", argument, 0),
        (1, "GET /v1/files", "", 404),
        (1, "GET /v1/batches", "", 404),
    ] {
        let call = call(&store, &strict, n, request, body);
        let answered = if matches!(call.step, Step::Forward(_)) {
            0
        } else {
            call.refused().0
        };
        assert_eq!(answered, status, "{n} {request} {body}");
    }
    let lenient = policy(r#","unknown_objects":"allow""#);
    for (n, request, passes) in [
        (1, "GET /v1/responses/resp_9", true),
        (3, "GET /v1/responses/resp_1", false),
        (1, "GET /v1/files", true),
    ] {
        let call = call(&store, &lenient, n, request, "");
        assert_eq!(matches!(call.step, Step::Forward(_)), passes, "{request}");
    }
}

fn other_teams() -> Object {
    Object {
        key: KeyId::new("key_9").unwrap(),
        team: TeamId::new("other").unwrap(),
        tier: TierName::new("free").unwrap(),
        limits: LimitOverrides::default(),
        model: None,
        kind: Kind::Response,
        of: None,
        work: None,
        charged: 0,
        settled: false,
        lineage: None,
    }
}

#[test]
fn the_service_is_asked_once_about_an_unknown_object() {
    let policy = policy(SERVICE);
    let id = ObjectId::of(b"resp_5");
    for (what, n, learned, status) in [
        ("ours", 3, Some(Some(other_teams())), 0),
        ("another team's", 1, Some(Some(other_teams())), 404),
        ("nobody's", 1, Some(None), 404),
        ("no answer", 1, None, 503),
    ] {
        let store = MemoryStore::default();
        let mut call = call(&store, &policy, n, "GET /v1/responses/resp_5", "");
        let Step::ResolveObjects(ids) = &call.step else {
            panic!("{what}: {:?}", call.step)
        };
        assert_eq!(ids, &[id], "{what}");
        match learned {
            Some(Some(object)) => registry::note(&store, &id, &object).unwrap(),
            Some(None) => registry::note_unknown(&store, &id, NOW.monotonic).unwrap(),
            None => {}
        }
        let head = Head::new(Vec::new());
        call.step = call.exchange.resume(&head, true, &store, NOW);
        let answered = if matches!(call.step, Step::Forward(_)) {
            0
        } else {
            call.refused().0
        };
        assert_eq!(answered, status, "{what}");
    }
}

fn form(purpose_first: bool, purpose: &str, lines: &str) -> String {
    let purpose =
        format!("--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n");
    let file = format!(
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{lines}\r\n"
    );
    let parts = if purpose_first {
        purpose + &file
    } else {
        file + &purpose
    };
    parts + "--b--\r\n"
}

fn line(model: &str, more: &str) -> String {
    format!(
        r#"{{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]{more}}}}}"#
    )
}

const FORM: &str = "multipart/form-data; boundary=b";

#[test]
fn every_line_of_a_batchs_file_is_checked() {
    let good = line("gpt-4o-mini", r#","max_tokens":100,"n":2"#);
    let open = line("gpt-4o-mini", "");
    for (what, lines, status) in [
        ("two requests", format!("{good}\n{open}\n"), 0),
        ("with white space", format!("\r\n{good}\r\n\n{open}"), 0),
        ("a forbidden model", line("gpt-4o", ""), 403),
        (
            "a second model",
            format!("{good}\n{}", line("gpt-4o", "")),
            400,
        ),
        ("no JSON", "no".into(), 400),
        ("cut", good.strip_suffix('}').unwrap().into(), 400),
        ("two in a line", format!("{good}{good}"), 400),
        (
            "a body twice",
            good.replace(
                r#""method":"#,
                r#""body":{"model":"gpt-4o-mini"},"method":"#,
            ),
            400,
        ),
        (
            "a body by another name",
            good.replace(r#""body""#, r#""Body""#),
            400,
        ),
        ("no body", good.replace(r#""body""#, r#""b""#), 400),
        (
            "a model twice",
            line("gpt-4o-mini", r#","model":"gpt-4o""#),
            400,
        ),
        (
            "another endpoint",
            good.replace("/v1/chat/completions", "/v1/files"),
            400,
        ),
        (
            "endpoints that differ",
            format!("{good}\n{}", good.replace("chat/completions", "responses")),
            400,
        ),
        ("another method", good.replace("POST", "GET"), 400),
        (
            "fallbacks",
            line("gpt-4o-mini", r#","models":["gpt-4o"]"#),
            400,
        ),
        (
            "another's file",
            line("gpt-4o-mini", r#","x":{"file_id":"file-9"}"#),
            400,
        ),
        ("nothing", "\n\n".into(), 400),
    ] {
        for purpose_first in [true, false] {
            let (store, policy) = (MemoryStore::default(), policy(""));
            let body = form(purpose_first, "batch", &lines);
            let call = call_as(&store, &policy, 4, "POST /v1/files", FORM, &body);
            let answered = if matches!(call.step, Step::Forward(_)) {
                0
            } else {
                call.refused().0
            };
            assert_eq!(answered, status, "{what}");
            if status == 0 {
                let _ = call.answered(&store, r#"{"id":"file-1"}"#);
                let BatchWork {
                    requests,
                    input,
                    output,
                } = registered(&store, "file-1").work.unwrap();
                assert_eq!((requests, output), (2, 200 + 1_024), "{what}");
                assert!(input > 8, "{what}");
            }
        }
    }
    let (store, policy) = (MemoryStore::default(), policy(""));
    let body = form(false, "user_data", "no lines at all");
    let call = call_as(&store, &policy, 4, "POST /v1/files", FORM, &body);
    let _ = call.answered(&store, r#"{"id":"file-1"}"#);
    assert_eq!(registered(&store, "file-1").work, None);
}

const BATCH: &str =
    r#"{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h"}"#;

#[test]
fn a_batch_is_charged_by_its_file_and_settled_by_its_report_or_its_answers() {
    let done =
        r#"{"id":"batch_1","status":"completed","output_file_id":"file-out","error_file_id":null}"#;
    let counted = done.replace(
        r#""status""#,
        r#""usage":{"input_tokens":20,"output_tokens":30},"status""#,
    );
    let empty = r#"{"id":"batch_1","status":"failed","output_file_id":null}"#;
    let answers = r#"{"response":{"body":{"usage":{"prompt_tokens":20,"completion_tokens":30}}}}"#;
    for (what, shown, answers, output) in [
        ("by its report", counted.as_str(), "", Some(30)),
        ("by its answers", done, answers, Some(30)),
        ("nothing was run", empty, "", Some(0)),
        (
            "under way",
            &done.replace("completed", "finalizing"),
            "",
            None,
        ),
    ] {
        let (store, policy) = (MemoryStore::default(), policy(""));
        let body = form(true, "batch", &line("gpt-4o-mini", r#","max_tokens":5000"#));
        let upload = call_as(&store, &policy, 1, "POST /v1/files", FORM, &body);
        let _ = upload.answered(&store, r#"{"id":"file-1"}"#);
        let made = call(&store, &policy, 4, "POST /v1/batches", BATCH);
        let (usage, events) = made.answered(&store, r#"{"id":"batch_1","status":"validating"}"#);
        assert!(
            matches!(usage, Usage::Estimated(t) if t.output() == 5_000),
            "{what}: {usage:?}"
        );
        assert_eq!(
            events[0].model.as_ref().map(ModelId::as_str),
            Some("gpt-4o-mini"),
            "{what}"
        );
        let read = |request: &str, answer: &str| {
            let call = call(&store, &policy, 2, request, "");
            call.answered(&store, answer).1
        };
        let mut events = read("GET /v1/batches/batch_1", shown);
        if !answers.is_empty() {
            assert!(
                matches!(
                    events[1].object,
                    Some(ObjectNote::Found { of: Some(_), .. })
                ),
                "{what}"
            );
            events = read("GET /v1/files/file-out/content", answers);
        }
        let settled = events
            .iter()
            .find(|e| matches!(e.object, Some(ObjectNote::Settled { .. })));
        assert_eq!(settled.map(|e| e.usage.tokens().output()), output, "{what}");
        if let Some(settled) = settled {
            assert_eq!(settled.key.as_str(), "key_4", "{what}");
        }
    }
}

#[test]
fn a_batch_of_an_unchecked_file_is_refused() {
    let (store, policy) = (
        MemoryStore::default(),
        policy(r#","unknown_objects":"allow""#),
    );
    let unjudged = call(&store, &policy, 1, "POST /v1/batches", BATCH);
    assert_eq!(unjudged.refused().0, 400);
    let body = form(true, "batch", &line("gpt-4o", ""));
    let upload = call_as(&store, &policy, 1, "POST /v1/files", FORM, &body);
    let _ = upload.answered(&store, r#"{"id":"file-1"}"#);
    for (n, status) in [(4, 403), (3, 400)] {
        assert_eq!(
            call(&store, &policy, n, "POST /v1/batches", BATCH)
                .refused()
                .0,
            status,
            "{n}"
        );
    }
    let gemini = "POST /v1beta/models/gemini-2.5-flash:batchGenerateContent";
    let paths = r#","paths":[{"prefix":"/","action":"metered"}]"#;
    let everything = super::objects::policy(paths);
    assert_eq!(call(&store, &everything, 1, gemini, "{}").refused().0, 404);
}
