//! Runs `gmtech serve` as a process, and `gmtech keys`, `teams` and `usage` against it.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails loudly"
)]

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use gmtech_core::model::ModelId;
use gmtech_core::sync::events::{Label, UsageEvent, encode_batch};
use gmtech_core::usage::{Tokens, Usage};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

mod alerts;
mod configuration;
mod demo;
mod doctor;
mod exits;
mod stand;
mod views;

use stand::{Service, field, read, text};

#[test]
fn a_key_lives_from_its_creation_to_its_end() {
    let service = Service::start();
    service.json(&["teams", "create", "demo"]);
    let key = service.json(&[
        "keys", "create", "--team", "demo", "--name", "ci", "--tier", "free",
    ]);
    let id = field(&key, "id");
    assert!(field(&key, "key").starts_with("gmtech_"));
    let shown = service.says(&["keys", "show", id]);
    assert!(
        shown.contains(field(&key, "redacted_key")) && !shown.contains(field(&key, "key")),
        "{shown}"
    );

    let changed = service.json(&[
        "keys",
        "update",
        id,
        "--rpm",
        "5",
        "--model",
        "gpt-4o*",
        "--budget-day",
        "2.50",
    ]);
    assert_eq!(
        (
            &changed["limits"]["requests_per_minute"],
            &changed["models"]
        ),
        (&json!(5), &json!(["gpt-4o*"]))
    );
    assert_eq!(changed["budgets"]["day_nano_usd"], json!(2_500_000_000_i64));
    let changed = service.json(&["keys", "update", id, "--tpm", "7", "--any-model"]);
    assert_eq!(
        changed["limits"]["requests_per_minute"],
        json!(5),
        "what is not named stays"
    );
    assert_eq!(
        (&changed["limits"]["tokens_per_minute"], &changed["models"]),
        (&json!(7), &Value::Null)
    );
    let changed = service.json(&[
        "keys",
        "update",
        id,
        "--tier-limits",
        "--expires-in",
        "30days",
    ]);
    assert_eq!(changed["limits"]["requests_per_minute"], Value::Null);
    assert!(changed["expires_at"].is_string());

    assert_eq!(
        field(&service.json(&["keys", "suspend", id]), "status"),
        "suspended"
    );
    assert_eq!(
        field(&service.json(&["keys", "resume", id]), "status"),
        "active"
    );
    let next = service.json(&["keys", "rotate", id, "--overlap", "2h"]);
    assert_eq!(next["old"]["rotated_to"], next["id"]);
    assert!(
        service
            .says(&["keys", "revoke", field(&next, "id")])
            .contains("is revoked")
    );
    let list = service.json(&["keys", "list", "--team", "demo"]);
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert!(service.says(&["keys", "list"]).contains("LAST USED"));
}

#[test]
fn a_team_has_members_and_credit() {
    let service = Service::start();
    service.json(&["teams", "create", "acme", "--name", "ACME Corp."]);
    let top_up = [
        "teams",
        "top-up",
        "acme",
        "25.50",
        "--note",
        "invoice 7",
        "--idempotency-key",
        "i7",
    ];
    for _ in 0..2 {
        assert_eq!(
            service.json(&top_up)["balance_nano_usd"],
            json!(25_500_000_000_i64)
        );
    }
    service.json(&["teams", "top-up", "acme", "-0.5"]);
    assert!(
        service
            .says(&["teams", "balance", "acme"])
            .contains("$25.00")
    );
    assert!(
        service
            .says(&["teams", "ledger", "acme"])
            .contains("invoice 7")
    );
    service.json(&[
        "teams",
        "members",
        "add",
        "acme",
        "a@example.com",
        "--role",
        "owner",
    ]);
    assert!(
        service
            .says(&["teams", "members", "list", "acme"])
            .contains("a@example.com")
    );
    service.json(&["teams", "members", "remove", "acme", "a@example.com"]);
    assert!(
        !service
            .says(&["teams", "members", "list", "acme"])
            .contains("a@example.com")
    );
    assert!(service.says(&["teams", "list"]).contains("ACME Corp."));
}

#[test]
fn a_log_is_imported_once_even_if_the_service_is_killed() {
    let service = Service::start();
    service.json(&["teams", "create", "demo"]);
    let key = service.json(&["keys", "create", "--team", "demo", "--name", "ci"]);
    let path = service.dir.path().join("access.log");
    let mut log = std::fs::File::create(&path).unwrap();
    let today =
        humantime::format_rfc3339_seconds(std::fs::metadata(&path).unwrap().modified().unwrap())
            .to_string();
    for n in 0..1_203 {
        let entry = json!({"event_id": format!("{n:032x}"), "key_id": key["id"], "team_id": "demo", "tier": "free",
            "model": "gpt-4o", "path": "/v1/chat/completions", "tokens_input": "1000", "tokens_output": "100",
            "usage_source": "exact", "response_code": 200, "decision": "allowed", "duration_ms": 5, "start_time": today});
        writeln!(log, "{entry}").unwrap();
    }
    writeln!(
        log,
        "{{\"method\":\"GET\"}}\nnot json\n\n{{\"event_id\":\"00"
    )
    .unwrap();
    let file = path.to_str().unwrap();
    let done = service.json(&["usage", "import", file]);
    assert_eq!(
        done,
        json!({"lines": 1206, "accepted": 1203, "late": 0, "duplicate": 0, "unknown_key": 0, "malformed": 2, "summed": 0,
            "unattributed": 1, "cost_nano_usd": 4_210_500_000_u64})
    );

    let service = service.killed_and_started();
    let done = service.json(&["usage", "import", file]);
    assert_eq!(
        (&done["accepted"], &done["duplicate"]),
        (&json!(0), &json!(1203))
    );
    let usage = service.json(&["usage", "--by", "team"]);
    assert_eq!(
        (&usage["data"][0]["requests"], &usage["data"][0]["group"]),
        (&json!(1203), &json!("demo"))
    );
    // Each request costs 0.0025 + 0.001 dollars.
    assert!(
        service
            .says(&["usage", "--by", "model"])
            .contains("$4.2105")
    );
    assert!(
        service
            .says(&["teams", "balance", "demo"])
            .contains("-$4.2105")
    );
}

/// Sends a batch as a proxy does. Returns whether the service acknowledged it.
fn report(service: &Service, token: &str, batch: &[u8]) -> bool {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into();
    let request = agent.post(format!("{}/sync/v1/usage", service.sync_url));
    request
        .header("authorization", format!("Bearer {token}"))
        .send(batch)
        .is_ok()
}

#[test]
fn usage_sent_until_acknowledged_counts_once_whenever_the_service_is_killed() {
    let mut service = Service::start();
    service.json(&["teams", "create", "demo"]);
    let key = service.json(&["keys", "create", "--team", "demo", "--name", "ci"]);
    let token = read(&service.state("sync.token")).trim().to_owned();
    let now = std::fs::metadata(service.state("sync.token"))
        .unwrap()
        .modified()
        .unwrap();
    let started_unix_ms = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64;
    let batch = |n: u64| {
        let event = |i: u64| UsageEvent {
            id: u128::from(n * 100 + i).to_be_bytes(),
            key: field(&key, "id").parse().unwrap(),
            team: "demo".parse().unwrap(),
            tier: "free".parse().unwrap(),
            model: ModelId::new("gpt-4o").ok(),
            endpoint: Label::clip("/v1/chat/completions"),
            decision: Label::clip("allowed").into(),
            status: 200,
            duration_ms: 1,
            started_unix_ms,
            usage: Usage::Exact(Tokens::of(1000, 100)),
            requests: 1,
            object: None,
            request_id: Label::default(),
            endpoint_group: Label::default(),
        };
        encode_batch(&(0..20).map(event).collect::<Vec<_>>()).unwrap()
    };
    let mut acknowledged: u64 = 0;
    for round in 0..10u64 {
        // Each round waits for one acknowledgement, however slow the machine is.
        assert!(report(&service, &token, &batch(acknowledged)));
        acknowledged += 1;
        let pid = service.pid();
        let killer = std::thread::spawn(move || {
            // The moments of the kills are spread over the work of several batches.
            std::thread::sleep(Duration::from_millis(3 + round * 7 % 40));
            kill_process(pid, Signal::KILL).unwrap();
        });
        while report(&service, &token, &batch(acknowledged)) {
            acknowledged += 1;
        }
        killer.join().unwrap();
        service = service.killed_and_started();
    }
    // The batch whose answer was lost may or may not be counted already, so it is sent once more.
    assert!(report(&service, &token, &batch(acknowledged)));
    let requests = (acknowledged + 1) * 20;
    let usage = service.json(&["usage", "--by", "team"]);
    assert_eq!(usage["data"][0]["requests"], json!(requests));
    assert_eq!(
        usage["data"][0]["cost_nano_usd"],
        json!(requests * 3_500_000)
    );
    let balance = service.json(&["teams", "balance", "demo"]);
    assert_eq!(
        balance["balance_nano_usd"],
        json!(-(i64::try_from(requests).unwrap() * 3_500_000))
    );
    assert!(
        acknowledged >= 10,
        "the rounds had time to send something: {acknowledged}"
    );
}

#[test]
fn the_state_is_private_and_the_service_stops_on_a_signal() {
    let mut service = Service::start();
    for file in ["admin.token", "sync.token", "gmtech.db"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(service.state(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{file} is open to others");
    }
    service.signal(Signal::TERM);
    assert!(service.process.wait().unwrap().success());
    let log = read(&service.dir.path().join("log"));
    for file in ["admin.token", "sync.token"] {
        assert!(
            !log.contains(read(&service.state(file)).trim()),
            "{file} is in the log"
        );
    }
}

#[test]
fn completions_contain_the_commands() {
    let output = Command::new(env!("CARGO_BIN_EXE_gmtech"))
        .args(["completions", "bash"])
        .output()
        .unwrap();
    let script = text(&output.stdout);
    assert!(output.status.success() && script.contains("top-up") && script.contains("revoke"));
}
