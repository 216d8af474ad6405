//! Rules for every command, and the table of options in docs/operators/service-configuration.md.

use std::fmt::Write as _;

use clap::builder::ArgAction;
use clap::{Arg, Command as Clap};

use super::*;

/// Every command that can be run, by its full name.
fn leaves(command: &Clap, path: &str, found: &mut Vec<(String, Clap)>) {
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        let path = format!("{path} {}", sub.get_name());
        if !sub.is_subcommand_required_set() {
            found.push((path.clone(), sub.clone()));
        }
        leaves(sub, &path, found);
    }
}

fn all() -> Vec<(String, Clap)> {
    let mut program = Cli::command();
    program.build();
    let mut found = Vec::new();
    leaves(&program, "gmtech", &mut found);
    found.retain(|(path, _)| !path.contains(" help"));
    assert!(found.len() > 30, "{}", found.len());
    found
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_an_example() {
    for (path, command) in all() {
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        assert!(help.contains("Example"), "{path} has none");
        let shown = help.contains(&format!("{path} ")) || help.contains(&path);
        assert!(shown, "{path}: an example must run it: {help}");
    }
}

#[test]
fn every_command_with_output_can_print_json() {
    // These run until they are stopped, always print JSON, or print no data.
    let others = ["serve", "up", "stack-files", "completions", "envoy-config"];
    for (path, command) in all() {
        let name = path.rsplit(' ').next().unwrap_or_default();
        if others.contains(&name) || path == "gmtech tokens generate" {
            continue;
        }
        let json = command
            .get_arguments()
            .any(|a| a.get_long() == Some("json"));
        assert!(json, "{path} has no --json");
    }
}

#[test]
fn an_option_has_the_same_name_as_its_variable() {
    let program = Cli::command();
    let serve = program.find_subcommand("serve").unwrap();
    for arg in serve.get_arguments().filter(|a| a.get_long().is_some()) {
        let Some(variable) = arg.get_env() else {
            continue;
        };
        let name = arg.get_long().unwrap().to_uppercase().replace('-', "_");
        assert_eq!(variable.to_str().unwrap(), format!("GMTECH_{name}"));
    }
}

/// The table of a section as Markdown, from the definition of the command line.
fn table(command: &Clap) -> String {
    let names = config_file::in_a_file(Some(command));
    let mut rows = String::from(
        "| option | variable | in the file | default | meaning |\n|---|---|---|---|---|\n",
    );
    let listed = |arg: &&Arg| {
        let long = arg.get_long().unwrap_or_default();
        names.iter().any(|n| n == long)
            || (command.get_name() == config_file::SERVE
                && !arg.is_hide_set()
                && matches!(arg.get_action(), ArgAction::SetTrue))
    };
    for arg in command.get_arguments().filter(listed) {
        let long = arg.get_long().unwrap();
        let of_token = match (command.get_name(), long) {
            (_, "admin-token-file") | ("proxies", "token-file") => {
                "`GMTECH_ADMIN_TOKEN` (the token itself)"
            }
            (_, "sync-token-file") => "`GMTECH_SYNC_TOKEN` (the token itself)",
            (_, "oidc-client-secret-file") => "`GMTECH_OIDC_CLIENT_SECRET` (the secret itself)",
            (_, "identity-secret-file") => "`GMTECH_IDENTITY_SECRET` (the secret itself)",
            _ => "",
        };
        let variable = arg.get_env().map(|v| format!("`{}`", v.to_str().unwrap()));
        let in_file = if names.iter().any(|n| n == long) {
            format!("`{long}`")
        } else {
            String::new()
        };
        let defaults: Vec<_> = arg
            .get_default_values()
            .iter()
            .map(|v| v.to_str().unwrap())
            .collect();
        let default = match arg.get_action() {
            ArgAction::SetTrue => String::new(),
            _ if defaults.is_empty() => String::new(),
            _ => format!("`{}`", defaults.join(",")),
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(
            rows,
            "| `--{long}` | {} | {in_file} | {default} | {} |",
            variable.unwrap_or_else(|| of_token.into()),
            help.replace('|', "\\|")
        )
        .unwrap();
    }
    rows
}

/// `text` with the part between two comments replaced.
fn with_table(text: &str, section: &str, table: &str) -> String {
    let (open, close) = (
        format!("<!-- [{section}] -->\n"),
        format!("<!-- /[{section}] -->"),
    );
    let (before, rest) = text
        .split_once(&open)
        .unwrap_or_else(|| panic!("no {open}"));
    let (_, after) = rest
        .split_once(&close)
        .unwrap_or_else(|| panic!("no {close}"));
    format!("{before}{open}{table}{close}{after}")
}

/// `GMTECH_WRITE_DOCS=1 cargo test -p gmtech-cli documented` writes the tables anew.
#[test]
fn the_documented_options_match_the_command_line() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/operators/service-configuration.md"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let program = Cli::command();
    let mut expected = text.clone();
    for (section, command) in [
        (
            config_file::SERVE,
            program.find_subcommand("serve").unwrap(),
        ),
        (config_file::CLIENT, config_file::client(&program).unwrap()),
    ] {
        expected = with_table(&expected, section, &table(command));
    }
    if std::env::var_os("GMTECH_WRITE_DOCS").is_some() {
        std::fs::write(path, expected).unwrap();
    } else {
        assert_eq!(
            text, expected,
            "docs/operators/service-configuration.md does not match the command line: see this test"
        );
    }
}
