//! Answers of the upstream.

use super::*;

const LIST: &str = r#"{"data":[{"id":"gpt-4o"},{"id":"gpt-4o-mini"}]}"#;
const SHOWN: &str = r#"{"data":[{"id":"gpt-4o-mini"}]}"#;

fn head(status: &str) -> Vec<(String, String)> {
    let pairs = [(":status", status), ("content-type", "application/json")];
    pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec()
}

fn models(n: u8) -> Stand {
    let (stand, outcome) = Stand::send(&policy(""), n, "GET /v1/models", None);
    assert!(matches!(outcome, Outcome::Forwarded(..)));
    stand
}

fn chat() -> Stand {
    let (mut stand, _) = Stand::send(&policy(""), 1, "POST /v1/chat/completions", Some(CHAT));
    stand.push_all(CHAT, CHAT.len());
    stand
}

impl Stand {
    fn answer_head(&mut self, status: &str, ends: bool) -> AnswerAction {
        let Self { stream, host, .. } = self;
        with(&head(status), |head| stream.answer_head(head, ends, host)).1
    }

    fn read(&mut self, action: &AnswerAction, answer: &str, ends: bool) -> AnswerAction {
        assert_eq!(*action, AnswerAction::Read { len: answer.len() });
        self.stream.answer_read(answer.as_bytes(), ends, &self.host)
    }
}

/// The body that replaces an answer, its status if that changes, and its length.
fn replaced(action: AnswerAction) -> (String, Option<String>, Option<String>) {
    let AnswerAction::Replace { head, body, .. } = action else {
        panic!("{action:?}")
    };
    let get = |name| {
        head.set
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v.clone())
    };
    let (status, length) = (get(":status"), get("content-length"));
    (String::from_utf8(body).unwrap(), status, length)
}

#[test]
fn a_model_list_is_held_and_filtered_for_a_restricted_key() {
    let mut stand = models(5);
    assert_eq!(stand.answer_head("200", false), AnswerAction::Hold);
    assert_eq!(stand.stream.answer_arrived(20, false), AnswerAction::Hold);
    let action = stand.stream.answer_arrived(LIST.len(), true);
    let shown = stand.read(&action, LIST, true);
    assert_eq!(
        replaced(shown),
        (SHOWN.to_owned(), None, Some(SHOWN.len().to_string()))
    );
    let more = stand.stream.answer_arrived(4, true);
    assert_eq!(
        replaced(more),
        (String::new(), None, None),
        "nothing follows"
    );
}

#[test]
fn a_model_list_that_ends_with_trailers_is_filtered_too() {
    let mut stand = models(5);
    stand.answer_head("200", false);
    assert_eq!(
        stand.stream.answer_arrived(LIST.len(), false),
        AnswerAction::Hold
    );
    let action = stand.stream.answer_trailers(&stand.host);
    let shown = stand.read(&action, LIST, true);
    assert_eq!(replaced(shown).0, SHOWN);
    assert_eq!(
        stand.stream.answer_trailers(&stand.host),
        AnswerAction::Continue
    );
}

#[test]
fn an_unreadable_model_list_is_a_502() {
    for list in ["", "{}", "no list"] {
        let mut stand = models(5);
        stand.answer_head("200", false);
        let mut action = stand.stream.answer_arrived(list.len(), true);
        if !list.is_empty() {
            action = stand.read(&action, list, true);
        }
        let (body, status, length) = replaced(action);
        assert_eq!(status.as_deref(), Some("502"), "{list}");
        assert_eq!(length, Some(body.len().to_string()));
        assert!(body.contains("error"), "{body}");
    }
    let mut stand = models(5);
    stand.answer_head("200", false);
    assert_eq!(
        stand.stream.answer_arrived(1 << 20, false),
        AnswerAction::Hold
    );
    let action = stand.stream.answer_arrived((1 << 20) + 1, false);
    assert_eq!(replaced(action).1.as_deref(), Some("502"), "too long");
}

#[test]
fn an_unrestricted_model_list_and_other_answers_pass() {
    for (key, status, ends) in [(1, "200", false), (5, "404", false), (5, "200", true)] {
        let mut stand = models(key);
        assert_eq!(stand.answer_head(status, ends), AnswerAction::Continue);
        let body = stand.stream.answer_arrived(LIST.len(), true);
        assert_eq!(body, AnswerAction::Continue, "{key} {status}");
        assert_eq!(
            stand.stream.answer_trailers(&stand.host),
            AnswerAction::Continue
        );
    }
}

#[test]
fn an_answer_is_metered_and_counted_by_kind() {
    let mut stand = chat();
    assert_eq!(stand.answer_head("200", false), AnswerAction::Continue);
    let answer = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}}"#;
    let action = stand.stream.answer_arrived(answer.len(), true);
    assert_eq!(stand.read(&action, answer, true), AnswerAction::Continue);
    stand.end();
    let of_tokens = |kind: &str| {
        stand
            .host
            .measured(&format!("gmtech_tokens free {kind} exact"))
    };
    assert_eq!(
        ["input", "cached_input", "output", "reasoning"].map(of_tokens),
        [10, 4, 5, 0]
    );
    for (field, value) in [
        (Field::TokensTotal, "15"),
        (Field::UsageSource, "exact"),
        (Field::TokensCharged, "15"),
    ] {
        assert_eq!(stand.host.field(field).as_deref(), Some(value), "{field:?}");
    }
    for field in [Field::TokensReserved, Field::PromptEstimate] {
        assert!(stand.host.field(field).is_some(), "{field:?}");
    }
    assert!(stand.host.measured("gmtech_prompt_estimate_percent") > 0);
}

#[test]
fn answers_with_an_unreadable_encoding_are_counted() {
    let mut stand = chat();
    let mut head = head("200");
    head.push(("content-encoding".to_owned(), "br".to_owned()));
    let Stand { stream, host, .. } = &mut stand;
    with(&head, |head| stream.answer_head(head, false, host));
    let _ = stand.stream.answer_read(b"\x01\x02", true, &stand.host);
    stand.end();
    assert_eq!(stand.host.measured("gmtech_usage_unread free encoding"), 1);
}

#[test]
fn the_injected_usage_event_is_removed() {
    let mut stand = chat();
    let mut head = head("200");
    head[1].1 = "text/event-stream".to_owned();
    let Stand { stream, host, .. } = &mut stand;
    with(&head, |head| stream.answer_head(head, false, host));
    let injected = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
    let shown = "data: [DONE]\n\n";
    let answer = format!("{injected}{shown}");
    let action = stand.stream.answer_arrived(answer.len(), true);
    let out = stand.read(&action, &answer, true);
    let AnswerAction::Replace { len, .. } = &out else {
        panic!("{out:?}")
    };
    assert_eq!(*len, answer.len());
    assert_eq!(replaced(out).0, shown);
    stand.end();
    assert_eq!(stand.host.measured("gmtech_settled free exact"), 1);
}

#[test]
fn an_answer_that_the_host_cannot_read_passes_unless_it_must_be_filtered() {
    for (mut stand, passes) in [(chat(), true), (models(1), true), (models(5), false)] {
        for failed in [
            Stream::answer_head_failed,
            |stream: &mut Stream| stream.answer_body_failed(10),
            Stream::answer_failed,
        ] {
            match failed(&mut stand.stream) {
                AnswerAction::Continue => assert!(passes),
                AnswerAction::Reply(reply) => assert_eq!((passes, reply.status), (false, 503)),
                other => panic!("{other:?}"),
            }
        }
        stand.end();
    }
}
