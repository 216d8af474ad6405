//! `gmtech doctor` finds what is wrong with a service.

use serde_json::Value;

use crate::stand::{Service, field, read, text};

/// The checks by name: their status.
fn found(output: &std::process::Output) -> Vec<(String, String)> {
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = said["checks"].as_array().unwrap().iter();
    checks
        .map(|c| (field(c, "name").to_owned(), field(c, "status").to_owned()))
        .collect()
}

fn status<'a>(found: &'a [(String, String)], name: &str) -> &'a str {
    &found
        .iter()
        .find(|(n, _)| n == name)
        .unwrap_or_else(|| panic!("no {name} in {found:?}"))
        .1
}

#[test]
fn a_service_without_envoys_is_healthy_with_a_warning_about_proxies() {
    let service = Service::start();
    let output = service.gmtech(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found = found(&output);
    for name in ["service", "database", "clock", "token", "tokens", "tiers"] {
        assert_eq!(status(&found, name), "ok", "{found:?}");
    }
    assert_eq!(status(&found, "proxies"), "warn");
    let lines = service.says(&["doctor"]);
    assert!(
        lines.contains("warn  proxies") && lines.contains("-> start Envoy"),
        "{lines}"
    );
}

#[test]
fn each_failure_comes_with_a_fix() {
    let service = Service::start();
    let run = |args: &[&str], token: &str| {
        let mut command = service.command(&[&["doctor", "--json"], args].concat());
        command.env("GMTECH_ADMIN_TOKEN", token).output().unwrap()
    };
    let admin = read(&service.state("admin.token"));
    let admin = admin.trim();

    let wrong = run(&[], "a-token-of-nobody-at-all");
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(status(&found(&wrong), "token"), "fail");
    let said = text(&wrong.stdout);
    assert!(
        said.contains("not known here") && said.contains("admin.token"),
        "{said}"
    );

    // The listener for proxies answers, but is not the management listener.
    let other = run(&["--url", &service.sync_url], admin);
    assert_eq!(other.status.code(), Some(1));

    let nobody = run(&["--url", "http://127.0.0.1:1"], admin);
    assert_eq!(nobody.status.code(), Some(6));
    assert_eq!(found(&nobody), [("service".to_owned(), "fail".to_owned())]);

    let no_envoy = run(&["--envoy", "http://127.0.0.1:1"], admin);
    assert_eq!(no_envoy.status.code(), Some(1));
    assert_eq!(status(&found(&no_envoy), "envoy"), "fail");

    let list = service.json(&["tokens", "list"]);
    let proxy = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["role"] == "proxy")
        .unwrap();
    service.json(&["tokens", "revoke", field(proxy, "id")]);
    let locked_out = run(&[], admin);
    assert_eq!(locked_out.status.code(), Some(1));
    assert_eq!(status(&found(&locked_out), "tokens"), "fail");
}
