//! The demo team's sample data, as `gmtech stack-files` makes it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stand::{Service, field, text};

/// Makes the files of the stack, and with them the demo team. Returns what it prints.
fn make(service: &Service) -> String {
    let state = service.state("");
    let state = state.to_str().unwrap();
    let url = ["--service-url", &service.url];
    let made = service.gmtech(
        &[
            &["stack-files", "--dir", "stack", "--state-dir", state],
            &url[..],
        ]
        .concat(),
    );
    assert!(made.status.success(), "{}", text(&made.stderr));
    text(&made.stdout).to_owned()
}

fn rows(answer: &Value) -> Vec<Value> {
    answer["data"].as_array().unwrap().clone()
}

#[test]
fn the_demo_team_has_a_week_of_sample_usage_once() {
    let service = Service::start();
    let printed = make(&service);
    assert!(printed.contains("/users/sign-in/link/"), "{printed}");
    assert_eq!(
        service.json(&["teams", "show", "demo"])["name"],
        "Demo (sample data)"
    );
    let usage = ["usage", "--team", "demo", "--by", "key"];
    let (keys, used) = (
        rows(&service.json(&["keys", "list", "--team", "demo"])),
        rows(&service.json(&usage)),
    );
    let samples: BTreeSet<&str> = keys
        .iter()
        .filter(|key| key["tags"].as_array().unwrap().iter().any(|t| t == "demo"))
        .map(|key| field(key, "id"))
        .collect();
    assert_eq!(samples.len(), 7);
    for row in &used {
        let key = row["groups"]["key"].as_str().unwrap();
        assert!(samples.contains(key), "{row}: all of it is of marked keys");
        assert!(row["requests"].as_i64().unwrap() > 50, "{row}");
    }
    assert_eq!(used.len(), 6, "one key is not used yet");
    for (name, status) in [
        ("Newsletter draft", "suspended"),
        ("Old chatbot", "revoked"),
        ("Support assistant", "active"),
    ] {
        let key = keys.iter().find(|key| key["name"] == name).unwrap();
        assert_eq!(field(key, "status"), status, "{name}");
    }
    let team = service.json(&["teams", "show", "demo"]);
    assert_eq!(
        team["balance_nano_usd"], 100_000_000_000_i64,
        "the samples take nothing from the demo's credit"
    );

    make(&service);
    assert_eq!(rows(&service.json(&usage)), used, "once");
    let again = rows(&service.json(&["keys", "list", "--team", "demo"]));
    assert_eq!(again.len(), keys.len());
}

#[test]
fn a_team_with_usage_of_its_own_gets_no_samples() {
    let service = Service::start();
    service.json(&["teams", "create", "demo"]);
    let key = service.json(&["keys", "create", "--team", "demo", "--name", "ci"]);
    let line = serde_json::json!({
        "event_id": "00112233445566778899aabbccddeeff", "key_id": field(&key, "id"), "team_id": "demo", "tier": "free",
        "model": "gpt-4o", "decision": "allowed", "start_time": "2026-11-20T12:00:00Z", "tokens_input": 1, "tokens_total": 1,
    });
    let log = service.dir.path().join("access.log");
    std::fs::write(&log, line.to_string()).unwrap();
    service.json(&["usage", "import", log.to_str().unwrap()]);
    make(&service);
    assert_eq!(
        rows(&service.json(&["usage", "--team", "demo"])).len(),
        1,
        "only its own"
    );
    assert_ne!(
        service.json(&["teams", "show", "demo"])["name"],
        "Demo (sample data)"
    );
}
