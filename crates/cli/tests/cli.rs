//! `gmtech` as its users run it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::Value;

fn gmtech(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gmtech"));
    for variable in [
        "API_PORT",
        "ENVOY_ADMIN_PORT",
        "UPSTREAM_PORT",
        "UPSTREAM",
        "UPSTREAM_KEY",
        "LOCAL_DIR",
    ] {
        command.env_remove(variable);
    }
    command
        .args(args)
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_new_key_comes_as_one_json_object() {
    let output = gmtech(
        &[
            "keys", "generate", "--json", "--team", "acme", "--tier", "pro",
        ],
        &[],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let new: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(new["key"].as_str().unwrap().starts_with("gmtech_"));
    let record = &new["entry"][new["digest"].as_str().unwrap()];
    assert_eq!(record["id"], new["id"]);
    assert_eq!(
        (record["team"].as_str(), record["tier"].as_str()),
        (Some("acme"), Some("pro"))
    );
}

#[test]
fn the_default_bootstrap_is_json() {
    let output = gmtech(
        &["envoy-config", "--api-port", "0", "--allow-missing-module"],
        &[],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let config: Value = serde_json::from_slice(&output.stdout).unwrap();
    let listener = &config["static_resources"]["listeners"][0];
    assert_eq!(listener["address"]["socket_address"]["port_value"], 0);
}

#[test]
fn mistakes_name_what_to_change() {
    for (args, mention) in [
        (vec!["keys", "generate", "--team", "two words"], "--team"),
        (
            vec!["keys", "generate", "--expires-at", "tomorrow"],
            "--expires-at",
        ),
        (vec!["keys", "generate", "--model", ""], "--model"),
        (
            vec!["envoy-config", "--upstream", "api.openai.com"],
            "https://",
        ),
        (
            vec!["envoy-config", "--template", "/nonexistent.yaml"],
            "/nonexistent.yaml",
        ),
        (
            vec!["envoy-config", "--filter-config", "/dev/null"],
            "not JSON",
        ),
        (
            vec!["envoy-config", "--no-filter", "--filter-wasm", "x.wasm"],
            "--no-filter",
        ),
    ] {
        let output = gmtech(&args, &[]);
        assert!(!output.status.success(), "{args:?} succeeded");
        assert!(output.stdout.is_empty(), "{args:?} printed something");
        assert!(
            stderr(&output).contains(mention),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_stack_that_cannot_start_names_the_variable_and_leaves_no_file() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    let dir = std::env::temp_dir().join(format!("gmtech-cli-{}", std::process::id()));
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    for (env, mention) in [
        (
            [("API_PORT", port.as_str()), ("FILTER_WASM", "none")],
            "API_PORT",
        ),
        ([("API_PORT", "0"), ("FILTER_WASM", "none")], "API_PORT"),
        ([("UPSTREAM", "ftp://h"), ("API_PORT", &free)], "UPSTREAM"),
    ] {
        let output = gmtech(&["up", "--local-dir", dir.to_str().unwrap()], &env);
        assert_eq!(output.status.code(), Some(1), "{env:?}");
        assert!(
            stderr(&output).contains(mention),
            "{env:?}: {}",
            stderr(&output)
        );
        assert_eq!(
            std::fs::read_dir(&dir).unwrap().count(),
            0,
            "{env:?} left files"
        );
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
