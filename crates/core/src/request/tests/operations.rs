//! Every operation of the providers' published descriptions, and its group.

use super::*;

const OPERATIONS: &str = include_str!("operations.txt");

fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let lines = OPERATIONS.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let mut words = line.split(' ');
        let row = (words.next(), words.next(), words.next(), words.next());
        let (Some(group), Some(method), Some(path), None) = row else {
            panic!("{line}");
        };
        (group, method, path)
    })
}

#[test]
fn every_operation_has_its_group() {
    for (group, method, path) in operations() {
        let endpoint = Endpoint::new(method.as_bytes(), path.as_bytes()).unwrap();
        assert_eq!(endpoint.group().name(), group, "{method} {path}");
    }
    assert!(operations().count() > 450);
}

/// Operations that are open by default name no stored object in their path, except models.
#[test]
fn operations_open_by_default_are_readable_and_store_nothing() {
    for (group, method, path) in operations() {
        if !EndpointSet::open_by_default().contains(EndpointGroup::named(group).unwrap()) {
            continue;
        }
        let endpoint = Endpoint::new(method.as_bytes(), path.as_bytes()).unwrap();
        assert_ne!(endpoint.kind(), EndpointKind::Other, "{method} {path}");
        let lists = group == "models";
        assert_eq!(method, if lists { "GET" } else { "POST" }, "{path}");
        let names = path.matches('{').count();
        let models = path.contains("/models/") || path.contains("/deployments/");
        assert_eq!(names, usize::from(models), "{method} {path}");
    }
}

/// A path in any spelling is closed if its plain spelling is closed.
#[test]
fn no_spelling_opens_a_closed_operation() {
    let open = EndpointSet::open_by_default();
    for (group, method, path) in operations() {
        if open.contains(EndpointGroup::named(group).unwrap()) {
            continue;
        }
        let encoded: String = path
            .bytes()
            .map(|b| {
                if b == b'/' {
                    "/".into()
                } else {
                    format!("%{b:02x}")
                }
            })
            .collect();
        for spelling in [
            path.to_ascii_uppercase(),
            path.replace('/', "//"),
            format!("{path}/"),
            format!("{path}?x=/v1/chat/completions"),
            format!("/api{path}"),
            format!("/proxy/{path}"),
            format!("/api{encoded}"),
            format!("{path}/v1/chat/completions"),
            format!("{path}/openai/deployments/d/chat/completions"),
            format!("{path}/models/m:generateContent"),
            format!("{path}{}", "/x".repeat(30)),
        ] {
            let Ok(endpoint) = Endpoint::new(method.as_bytes(), spelling.as_bytes()) else {
                continue;
            };
            assert!(!open.contains(endpoint.group()), "{method} {spelling}");
        }
    }
}

#[test]
fn a_model_that_others_may_read_as_a_path_is_refused() {
    for path in [
        "/v1/models/%2e%2e",
        "/v1/models/x%2f..%2f..%2ffiles",
        "/v1/models/x%5c..%5cfiles",
        "/v1/models/%252e%252e/files",
        "/v1/models/x;/../files",
        "/v1/models/x%3f",
    ] {
        let endpoint = Endpoint::new(b"GET", path.as_bytes()).unwrap();
        assert_eq!(endpoint.group(), EndpointGroup::Other, "{path}");
    }
}

#[test]
fn tokens_are_charged_for_operations_that_providers_bill() {
    for (method, path, runs_a_model, charged) in [
        ("POST", "/v1/chat/completions", true, true),
        ("POST", "/v1/responses/compact", true, true),
        ("POST", "/v1/images/edits", true, true),
        ("POST", "/v1/images/variations", true, false),
        ("POST", "/v1/moderations", true, false),
        ("POST", "/v1/messages/count_tokens", true, false),
        ("GET", "/v1/models", false, false),
        ("GET", "/v1/realtime", true, false),
        ("POST", "/v1/files", false, false),
        ("POST", "/v1/uploads/u/parts", false, false),
        ("POST", "/v1/vector_stores", false, false),
        ("POST", "/v1/vector_stores/v/search", false, false),
        ("POST", "/v1/assistants", true, false),
        ("POST", "/v1/threads", false, false),
        ("POST", "/v1/threads/t/messages", false, false),
        ("POST", "/v1/threads/runs", true, true),
        ("POST", "/v1/threads/t/runs", true, true),
        (
            "POST",
            "/v1/threads/t/runs/r/submit_tool_outputs",
            true,
            true,
        ),
        ("POST", "/v1/threads/t/runs/r/cancel", false, false),
        ("GET", "/v1/threads/t/runs", false, false),
        ("POST", "/v1/containers", false, false),
        ("POST", "/v1/conversations", false, false),
        ("POST", "/v1/evals", true, false),
        ("POST", "/v1/evals/e/runs", true, true),
        ("POST", "/v1/videos", true, false),
        ("POST", "/v1/fine_tuning/jobs", true, false),
        ("POST", "/v1/fine_tuning/jobs/j/cancel", false, false),
        ("POST", "/v1/realtime/client_secrets", true, false),
        ("POST", "/v1/realtime/calls/c/hangup", false, false),
        ("POST", "/v1/engines/davinci/completions", true, true),
        ("POST", "/v1/engines/davinci/search", true, true),
        ("GET", "/v1/engines", false, false),
        ("DELETE", "/v1/models/m", false, false),
        ("POST", "/v1/something/new", true, true),
        ("PUT", "/v1/something/new", true, true),
        ("GET", "/v1/something/new", false, false),
        ("DELETE", "/v1/something/new", false, false),
    ] {
        let endpoint = Endpoint::new(method.as_bytes(), path.as_bytes()).unwrap();
        let got = (endpoint.runs_a_model(), endpoint.charges_tokens());
        assert_eq!(got, (runs_a_model, charged), "{method} {path}");
    }
}
