//! What `gmtech prices` and `gmtech proxies` show.

use gmtech_core::sync::Frame;
use serde_json::json;

use crate::stand::{Service, field, read, text, wait_until};

#[test]
fn prices_show_whose_they_are_and_what_the_fallback_was_charged_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("prices.json");
    let own = r#"{"models": [{"model": "house-*", "input": "1.25", "output": "2.5"}]}"#;
    std::fs::write(&file, own).unwrap();
    let service = Service::start_in(dir, &["--prices", file.to_str().unwrap()]);
    let before = service.says(&["prices"]);
    for shown in ["house-*", "$1.25", "$30", "genai-prices 0."] {
        assert!(before.contains(shown), "{shown}: {before}");
    }
    assert!(!before.contains("Charged by the fallback"), "{before}");

    service.json(&["teams", "create", "demo"]);
    let key = service.json(&["keys", "create", "--team", "demo", "--name", "ci"]);
    let log = service.dir.path().join("access.log");
    std::fs::write(&log, "").unwrap();
    let now = std::fs::metadata(&log).unwrap().modified().unwrap();
    let now = humantime::format_rfc3339_seconds(now).to_string();
    let entry = json!({"event_id": format!("{:032x}", 7), "key_id": key["id"], "team_id": "demo", "tier": "free",
        "model": "nobody-knows", "path": "/v1/chat/completions", "tokens_input": "1000000", "tokens_output": "0",
        "usage_source": "exact", "response_code": 200, "decision": "allowed", "duration_ms": 5, "start_time": now});
    std::fs::write(&log, format!("{entry}\n")).unwrap();
    service.json(&["usage", "import", log.to_str().unwrap()]);
    let after = service.says(&["prices"]);
    let (_, charged) = after.split_once("Charged by the fallback").unwrap();
    assert!(
        charged.contains("nobody-knows") && charged.contains("$10"),
        "{after}"
    );
    let told = service.json(&["prices", "--model", "house-7"]);
    assert_eq!(told["model"]["priced_by"], "configuration");
    assert_eq!(
        told["fallback"]["charged"][0]["cost_nano_usd"],
        json!(10_000_000_000_i64)
    );
    let one = service.says(&["prices", "--model", "house-7"]);
    assert!(one.contains("house-7") && one.contains("$2.5"), "{one}");
}

#[test]
fn proxies_show_what_each_tells_of_itself() {
    let service = Service::start();
    let none = service.gmtech(&["proxies"]);
    assert!(none.status.success());
    assert!(text(&none.stderr).contains("No proxy was heard"));
    let token = read(&service.state("sync.token"));
    let poll = |query: &str| {
        let url = format!("{}/sync/v1/changes?{query}", service.sync_url);
        let request = ureq::get(url).header("authorization", format!("Bearer {}", token.trim()));
        let mut answer = request.call().unwrap();
        answer.body_mut().read_to_vec().unwrap()
    };
    let frame = Frame::decode(&poll("epoch=0&since=0&keys=3")).unwrap();
    let (epoch, version) = (frame.epoch, frame.to);
    poll(&format!(
        "epoch={epoch}&since={version}&proxy=envoy-1&filter=9.8.7&held=42&tiers=free:0a,mine:0b"
    ));
    let known = || service.json(&["proxies"])["data"][0].clone();
    wait_until("the proxy", || known()["id"] == "envoy-1");
    let told = known();
    assert_eq!(field(&told, "filter_version"), "9.8.7");
    assert_eq!((&told["live"], &told["behind"]), (&json!(true), &json!(0)));
    let lines = service.says(&["proxies"]);
    for shown in ["OTHER TIERS", "live", "9.8.7", "42", "free"] {
        assert!(lines.contains(shown), "{shown}: {lines}");
    }
    let found = service.json(&["doctor"]);
    let limits = found["checks"].as_array().unwrap().iter();
    let limits = limits
        .clone()
        .find(|check| check["name"] == "limits")
        .unwrap();
    assert_eq!(limits["status"], "warn");
    assert!(
        field(limits, "detail").contains("envoy-1 (free)"),
        "{limits}"
    );
}
