//! The sources of the service's configuration, and the parts that can change while it runs.

use serde_json::{Value, json};

use crate::stand::{Service, field, read, text, wait_until};

fn dir_with(file: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("gmtech.toml"), file).unwrap();
    dir
}

fn kept_days(service: &Service) -> Value {
    service.logged("the key service has started")[0]["fields"]["keep_events_days"].clone()
}

#[test]
fn the_command_line_overrides_the_variable_and_the_variable_the_file() {
    let file = "[serve]\nkeep-events = 7\nlog-format = \"json\"\n";
    let flag = ["--keep-events", "9"];
    let variable = [("GMTECH_KEEP_EVENTS", "8")];
    for (more, env, expected) in [
        (&[][..], &[][..], 7),
        // An empty variable counts as unset.
        (&[], &[("GMTECH_KEEP_EVENTS", "")], 7),
        (&[], &variable, 8),
        (&flag, &variable, 9),
        (&[], &[("GMTECH_CONFIG", "")], 30),
    ] {
        let service = Service::start_with(dir_with(file), more, env);
        assert_eq!(kept_days(&service), json!(expected), "{more:?} {env:?}");
    }
}

#[test]
fn the_clients_options_have_the_same_sources() {
    let service = Service::start();
    let admin = service.state("admin.token");
    let run = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = service.command(&[&["tiers", "list"], args].concat());
        command
            .env_remove("GMTECH_ADMIN_URL")
            .env_remove("GMTECH_ADMIN_TOKEN");
        command
            .envs(env.iter().copied())
            .output()
            .unwrap()
            .status
            .code()
    };
    let file = service.dir.path().join("gmtech.toml");
    let token = format!("token-file = {:?}\n", admin.to_str().unwrap());
    std::fs::write(&file, format!("[client]\nurl = {:?}\n{token}", service.url)).unwrap();
    assert_eq!(run(&[], &[]), Some(0), "all of it is in the file");
    let wrong = ("GMTECH_ADMIN_TOKEN", "a-token-of-nobody-at-all");
    assert_eq!(
        run(&[], &[wrong]),
        Some(4),
        "the variable comes before the file"
    );
    let admin = admin.to_str().unwrap();
    assert_eq!(
        run(&["--token-file", admin], &[wrong]),
        Some(0),
        "the option before both"
    );
    assert_eq!(
        run(&[], &[("GMTECH_ADMIN_URL", "http://127.0.0.1:1")]),
        Some(6)
    );
    let named = service.dir.path().join("other.toml");
    std::fs::write(
        &named,
        format!("[client]\nurl = \"http://127.0.0.1:1\"\n{token}"),
    )
    .unwrap();
    assert_eq!(
        run(&["--config", "other.toml"], &[]),
        Some(6),
        "the file that is named"
    );
}

#[test]
fn an_error_in_the_file_names_the_file_and_the_error() {
    for (file, said) in [
        ("[serve]\nkeep-event = 3\n", "[serve] has no keep-event"),
        ("[server]\n", "there is no section [server]"),
        ("port = 1\n", "port must be a section"),
        ("[serve]\nnew-epoch = true\n", "[serve] has no new-epoch"),
        ("[serve\n", "is not TOML"),
        ("[serve]\nport = \"many\"\n", "--port"),
        ("[serve]\nlog = \"gmtech=loud\"\n", "--log"),
    ] {
        let dir = dir_with(file);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gmtech"));
        command.arg("serve").env_clear().current_dir(dir.path());
        let output = command.output().unwrap();
        let why = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{file}: {why}");
        assert!(why.contains(said), "{file}: {why}");
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gmtech"));
    let output = command
        .args(["tiers", "list", "--config", "/nowhere.toml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("/nowhere.toml"));
}

#[test]
fn tokens_and_prices_are_read_again_at_sighup_and_a_broken_file_changes_nothing() {
    let prices = "{\"fallback\": {\"input\": \"1\", \"output\": \"1\"}}";
    let dir = dir_with("[serve]\nprices = \"prices.json\"\n");
    std::fs::write(dir.path().join("prices.json"), prices).unwrap();
    let service = Service::start_with(dir, &[], &[]);
    let change =
        |file: &str, text: &str| std::fs::write(service.dir.path().join(file), text).unwrap();
    let sync_before = read(&service.state("sync.token"));
    let admin_before = read(&service.state("admin.token"));

    // One of the files is broken, so none is applied.
    change(
        "gmtech.toml",
        "[serve]\nprices = \"prices.json\"\nkeep-events = 3\n",
    );
    change("prices.json", "{\"fallback\": 1}");
    change("state/admin.token", "the-next-administrators-token\n");
    service.signal(rustix::process::Signal::HUP);
    let refused = "not read again: tokens and prices stay as they were";
    wait_until("the refusal", || !service.logged(refused).is_empty());
    let why = &service.logged(refused)[0]["fields"]["why"];
    assert!(why.as_str().unwrap().contains("prices.json"), "{why}");
    let as_before = service
        .command(&["tokens", "show"])
        .env("GMTECH_ADMIN_TOKEN", admin_before.trim())
        .output();
    assert!(as_before.unwrap().status.success());

    change("prices.json", prices);
    change("state/sync.token", "the-next-token-of-the-proxies\n");
    service.signal(rustix::process::Signal::HUP);
    wait_until("the new token", || {
        service.gmtech(&["tokens", "show"]).status.success()
    });
    let restart = "these were changed too, and need a restart";
    wait_until("what needs a restart", || {
        !service.logged(restart).is_empty()
    });
    let waiting = service.logged(restart);
    assert_eq!(waiting[0]["fields"]["options"], "keep-events");
    let old = service
        .command(&["tokens", "show"])
        .env("GMTECH_ADMIN_TOKEN", admin_before.trim())
        .output();
    let old = old.unwrap();
    assert_eq!(old.status.code(), Some(4));
    assert!(
        text(&old.stderr).contains("This token was revoked at"),
        "{}",
        text(&old.stderr)
    );
    // Both tokens of the proxies work, until the old one is revoked.
    let poll = |token: &str| service.as_proxy(token.trim(), "GET", "changes?epoch=0&since=0");
    assert_eq!(
        (poll(&sync_before), poll("the-next-token-of-the-proxies")),
        (200, 200)
    );
    let list = service.json(&["tokens", "list"]);
    let old = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["role"] == "proxy" && t["expires_at"].is_string());
    service.json(&["tokens", "revoke", field(old.unwrap(), "id")]);
    assert_eq!(
        (poll(&sync_before), poll("the-next-token-of-the-proxies")),
        (401, 200)
    );
}

#[test]
fn the_first_log_line_has_the_addresses_and_the_last_one_the_end() {
    let mut service = Service::start_with(
        dir_with("[serve]\nkeep-events = 7\n"),
        &["--sync-token-file", "proxies.token"],
        &[("GMTECH_LOG", "info")],
    );
    let line = &service.logged("the key service has started")[0]["fields"];
    assert!(field(line, "config_file").ends_with("gmtech.toml"));
    assert!(field(line, "database").ends_with("/state/gmtech.db"));
    assert!(field(line, "admin_token").ends_with("/state/admin.token"));
    assert!(field(line, "sync_token").ends_with("/proxies.token"));
    assert_eq!(
        (&line["keep_events_days"], &line["prices"]),
        (&json!(7), &json!("the embedded list"))
    );
    assert_eq!(field(line, "version"), env!("CARGO_PKG_VERSION"));
    let host = format!("http://{}", field(line, "management"));
    assert_eq!(host, service.url);
    service.signal(rustix::process::Signal::TERM);
    assert!(service.process.wait().unwrap().success());
    let log = service.log();
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert!(
        field(&last["fields"], "message").starts_with("the key service has stopped"),
        "{last}"
    );
}

#[test]
fn a_log_for_people_has_levels_and_the_requests_id() {
    let more = ["--log-format", "text", "--log", "info"];
    let service = Service::start_in(tempfile::tempdir().unwrap(), &more);
    service.json(&["teams", "create", "demo"]);
    let log = service.log();
    let line = log
        .lines()
        .find(|line| line.contains("team created"))
        .unwrap();
    assert!(
        line.contains(" INFO ") && line.contains("request_id="),
        "{line}"
    );
    let quiet = Service::start_in(tempfile::tempdir().unwrap(), &["--log", "error"]);
    quiet.json(&["teams", "create", "demo"]);
    assert_eq!(quiet.log(), "");
}

#[test]
fn administrators_and_proxies_do_not_share_a_token() {
    let same = "one-token-for-everybody";
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gmtech"));
    let dir = tempfile::tempdir().unwrap();
    let command = command.arg("serve").env_clear().current_dir(dir.path());
    let output = command
        .envs([("GMTECH_ADMIN_TOKEN", same), ("GMTECH_SYNC_TOKEN", same)])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("GMTECH_ADMIN_TOKEN and GMTECH_SYNC_TOKEN hold the same token"),
        "{said}"
    );
    assert!(!said.contains(same));
}
