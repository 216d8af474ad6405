//! What a script can rely on: the exit status of each command, and what it prints on which output.

use std::fs::File;

use serde_json::{Value, json};

use crate::stand::{Service, field, read, text};

#[test]
fn each_kind_of_mistake_has_its_exit_status_and_names_what_to_change() {
    let service = Service::start();
    service.json(&["teams", "create", "demo"]);
    let new = ["keys", "create", "--name", "x", "--team"];
    for (args, status, message) in [
        (vec!["keys", "list", "--nonsense"], 2, "--nonsense"),
        (
            vec!["teams", "top-up", "demo", "lots"],
            2,
            "is not an amount in dollars",
        ),
        (
            [&new[..], &["demo", "--tier", "gold"]].concat(),
            4,
            "one of free, pro, team",
        ),
        (vec!["teams", "create", "demo"], 4, "there already"),
        (
            [&new[..], &["nobody"]].concat(),
            5,
            "There is no such team. (404, not_found)",
        ),
        (
            vec!["keys", "show", "key_none"],
            5,
            "There is no such key. (404, not_found)",
        ),
        (
            vec!["tokens", "revoke", "tok_none"],
            5,
            "There is no such token.",
        ),
        (
            vec!["keys", "list", "--url", "http://127.0.0.1:1"],
            6,
            "cannot reach the key service at http://127.0.0.1:1",
        ),
        (
            vec!["keys", "list", "--url", "127.0.0.1:1"],
            1,
            "must start with http://",
        ),
        (
            vec!["keys", "list", "--token-file", "/nonexistent"],
            1,
            "cannot read --token-file",
        ),
        (
            vec!["usage", "import", "/nonexistent/log"],
            1,
            "cannot open /nonexistent/log",
        ),
    ] {
        let output = service.gmtech(&args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
        assert!(said.contains(message), "{args:?}: {said}");
        assert!(
            output.stdout.is_empty(),
            "{args:?}: {}",
            text(&output.stdout)
        );

        let output = service.gmtech(&[&args[..], &["--json"]].concat());
        assert_eq!(output.status.code(), Some(status), "{args:?} --json");
        let said: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(said["error"]["exit"], json!(status), "{args:?}: {said}");
        let told = field(&said["error"], "message");
        assert!(
            told.contains(message.trim_end_matches(" (404, not_found)")),
            "{told}"
        );
    }
    let refused = service.gmtech(&["keys", "show", "key_none", "--json"]);
    let said: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(
        (&said["error"]["code"], &said["error"]["status"]),
        (&json!("not_found"), &json!(404))
    );
    assert!(field(&said["error"], "request_id").len() >= 16);
}

#[test]
fn waiting_succeeds_only_if_a_proxy_is_live_and_every_live_proxy_has_the_change() {
    let service = Service::start();
    service.json(&["teams", "create", "demo"]);
    let key = || {
        let made = service.json(&["keys", "create", "--team", "demo", "--name", "x"]);
        field(&made, "id").to_owned()
    };
    let revoke = |id: &str, json: bool| {
        let more = if json { &["--json"][..] } else { &[] };
        let args = [&["keys", "revoke", id, "--wait", "100ms"][..], more].concat();
        let output = service.gmtech(&args);
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (status, said, why) = revoke(&key(), false);
    assert_eq!(status, Some(3), "{why}");
    assert!(
        said.contains("is revoked") && said.contains("0 of 0 live proxies"),
        "{said}"
    );
    assert!(why.contains("no proxy is live"), "{why}");

    // A proxy that has applied nothing yet, and one that is ahead of every later change.
    let token = read(&service.state("sync.token"));
    let token = token.trim();
    let report = |name: &str, version: u64| {
        let epoch = epoch(&service, token);
        let path = format!("receipts?proxy={name}&epoch={epoch}&version={version}");
        assert_eq!(service.as_proxy(token, "POST", &path), 204);
    };
    report("late", 0);
    let id = key();
    let (status, said, why) = revoke(&id, true);
    assert_eq!(status, Some(3), "{why}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (
            &said["receipt"]["applied"],
            &said["receipt"]["live"],
            &said["status"]
        ),
        (&json!(0), &json!(1), &json!("revoked"))
    );
    let why: Value = serde_json::from_str(&why).unwrap();
    assert_eq!(why["error"]["code"], "not_everywhere");
    assert!(field(&why["error"], "message").contains("(late)"), "{why}");

    report("late", said["version"].as_u64().unwrap());
    let (status, said, why) = revoke(&id, false);
    assert_eq!((status, why.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("1 of 1 live proxies have it"), "{said}");
}

/// The epoch in a frame's head.
fn epoch(service: &Service, token: &str) -> u64 {
    let agent = ureq::Agent::new_with_defaults();
    let path = format!("{}/sync/v1/changes?epoch=0&since=0", service.sync_url);
    let answer = agent
        .get(path)
        .header("authorization", format!("Bearer {token}"))
        .call();
    let bytes = answer.unwrap().body_mut().read_to_vec().unwrap();
    gmtech_core::sync::Frame::decode(&bytes).unwrap().epoch
}

#[test]
fn a_closed_pipe_is_no_error_unless_a_new_key_was_lost() {
    let service = Service::start();
    service.json(&["teams", "create", "demo"]);
    let new = ["keys", "create", "--team", "demo", "--name", "x"];
    for (args, status, message) in [
        (&["keys", "list"][..], 0, ""),
        (&["teams", "list", "--json"], 0, ""),
        (&["completions", "bash"], 0, ""),
        (&["--help"], 0, ""),
        (&new, 1, "could not be shown: revoke it, or rotate it"),
        (&["keys", "generate"], 1, "could not be printed"),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = service.command(args).stdout(writer).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
        assert!(
            said.contains(message) && (status == 1 || said.is_empty()),
            "{args:?}: {said}"
        );
    }
    // A full disk is an error for every command: a script must not take half a list for a whole one.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = service
        .command(&["keys", "list"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot write to standard output"));
}

#[test]
fn the_address_may_include_the_apis_path() {
    let service = Service::start();
    let url = format!("{}/admin/v1/", service.url);
    let output = service.gmtech(&["tiers", "list", "--url", &url]);
    let table = text(&output.stdout);
    assert!(table.contains("pro"), "{table}{}", text(&output.stderr));
}

#[test]
fn every_endpoint_of_the_api_has_a_command() {
    let service = Service::start();
    service.json(&["teams", "create", "acme"]);
    let changed = service.json(&[
        "teams",
        "update",
        "acme",
        "--name",
        "ACME Corp.",
        "--prepaid",
        "true",
    ]);
    assert_eq!(
        (&changed["name"], &changed["prepaid"]),
        (&json!("ACME Corp."), &json!(true))
    );
    assert!(
        service
            .says(&["teams", "show", "acme"])
            .contains("ACME Corp.")
    );
    let audit = service.json(&["audit", "--subject", "acme", "--limit", "1"]);
    let entries = audit["data"].as_array().unwrap();
    assert_eq!(
        (entries.len(), &entries[0]["action"]),
        (1, &json!("team.update"))
    );
    assert!(service.says(&["audit"]).contains("team.create"));
    let filtered = |filters: &[&str]| {
        let found = service.json(&[&["audit", "--team", "acme"], filters].concat());
        found["data"].as_array().unwrap().len()
    };
    let actor = entries[0]["actor"].as_str().unwrap();
    for (filters, found) in [
        (["--action", "team.update"], 1),
        (["--action", "team.nothing"], 0),
        (["--from", "2020-01-01"], filtered(&[])),
        (["--from", "2999-01-01"], 0),
        (["--to", "2020-01-01"], 0),
        (["--actor", actor], filtered(&[])),
        (["--actor", "nobody@example.com"], 0),
    ] {
        assert_eq!(filtered(&filters), found, "{filters:?}");
    }
    assert_eq!(service.json(&["proxies"])["data"], json!([]));
    let gold = [
        "gold",
        "--requests-per-minute",
        "7",
        "--tokens-per-minute",
        "900",
    ];
    let made = service.json(&[&["tiers", "create"], &gold[..], &["--model", "gpt-4o*"]].concat());
    assert_eq!(
        (&made["requests_per_minute"], &made["models"], &made["keys"]),
        (&json!(7), &json!(["gpt-4o*"]), &json!(0))
    );
    let change = [
        "tiers",
        "update",
        "gold",
        "--any-model",
        "--max-in-flight",
        "3",
    ];
    let changed = service.json(&change);
    assert_eq!(
        (
            &changed["requests_per_minute"],
            &changed["models"],
            &changed["max_in_flight"]
        ),
        (&json!(7), &json!(null), &json!(3))
    );
    let names = || -> Vec<Value> {
        let tiers = service.json(&["tiers", "list"])["data"].clone();
        tiers
            .as_array()
            .unwrap()
            .iter()
            .map(|tier| tier["name"].clone())
            .collect()
    };
    assert_eq!(names(), ["free", "gold", "pro", "team"]);
    service.json(&["tiers", "remove", "gold"]);
    assert_eq!(names(), ["free", "pro", "team"]);

    let made = service.json(&[
        "tokens",
        "create",
        "--role",
        "team-admin",
        "--team",
        "acme",
        "--name",
        "ci",
    ]);
    let mut as_team = service.command(&["tokens", "show", "--json"]);
    let me = as_team
        .env("GMTECH_ADMIN_TOKEN", field(&made, "token"))
        .output()
        .unwrap();
    let me: Value = serde_json::from_slice(&me.stdout).unwrap();
    assert_eq!(
        (&me["id"], &me["role"]),
        (&made["id"], &json!("team_admin"))
    );
    service.json(&["tokens", "revoke", field(&made, "id")]);
    let list = service.says(&["tokens", "list"]);
    assert!(
        list.contains("configured administrator") && list.contains("proxy"),
        "{list}"
    );
    assert!(!list.contains(field(&made, "token")), "{list}");
    let generated = service.says(&["tokens", "generate"]);
    assert!(
        generated.trim().len() > 40 && generated.starts_with("gmadmin_"),
        "{generated}"
    );
}

#[test]
fn a_configuration_for_a_missing_module_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gmtech"));
        command
            .arg("envoy-config")
            .args(args)
            .env_clear()
            .current_dir(dir.path());
        command.output().unwrap()
    };
    // The path in the template is checked too.
    for (args, path) in [
        (&["--filter-wasm", "nowhere.wasm"][..], "nowhere.wasm"),
        (&[], "/etc/gmtech/gmtech_auth_filter.wasm"),
    ] {
        let output = run(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(output.stdout.is_empty() && said.contains(path), "{said}");
        let anyway = run(&[args, &["--allow-missing-module"]].concat());
        assert!(anyway.status.success() && text(&anyway.stdout).contains(path));
    }
    assert!(run(&["--no-filter"]).status.success());
}
