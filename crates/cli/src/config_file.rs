//! `gmtech.toml`: values for options that are set neither on the command line nor by a variable.
//!
//! One file is read, the first of `--config FILE`, `GMTECH_CONFIG`, `./gmtech.toml`,
//! `$XDG_CONFIG_HOME/gmtech/gmtech.toml` (`~/.config/gmtech/gmtech.toml`). An empty `GMTECH_CONFIG` reads none.
//! Options have the same names everywhere: `--keep-events` is `GMTECH_KEEP_EVENTS` and, under `[serve]`, `keep-events`.
//! Values become the options' defaults, so that clap checks them as it checks options.
//!
//! # Failure policy
//! A named file that is missing, an invalid file, and an unknown section or option are errors that name the place. An empty
//! variable counts as unset, since environment files often set variables to nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Arg, Command};
use toml::{Table, Value};

/// The variable that names the file.
pub(crate) const VARIABLE: &str = "GMTECH_CONFIG";
const NAME: &str = "gmtech.toml";

/// The sections of the file.
pub(crate) const SERVE: &str = "serve";
pub(crate) const CLIENT: &str = "client";

/// Options with a value that the file cannot set.
const NOT_IN_A_FILE: [&str; 1] = ["config"];

/// The suffix of hidden options that hold the file's value for a token file. The variable overrides them, since it
/// holds the token itself.
const ASKED_LAST: &str = "-of-config";

/// A configuration file that was read.
pub(crate) struct ConfigFile {
    path: PathBuf,
    table: Table,
}

impl ConfigFile {
    /// Finds and reads the configuration file for this command line, if there is one.
    ///
    /// # Errors
    /// If it cannot be read, or is not TOML.
    pub(crate) fn find(args: &[OsString]) -> Result<Option<Self>> {
        let path = match named(args).or_else(|| std::env::var_os(VARIABLE)) {
            Some(path) if path.is_empty() => return Ok(None),
            Some(path) => PathBuf::from(path),
            None => match usual_places().into_iter().find(|path| path.is_file()) {
                Some(path) => path,
                None => return Ok(None),
            },
        };
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
        let table = text
            .parse()
            .with_context(|| format!("the configuration file {} is not TOML", path.display()))?;
        Ok(Some(Self { path, table }))
    }

    /// The command line's definition with the file's values as defaults.
    ///
    /// # Errors
    /// If the file has an unknown section or option.
    pub(crate) fn apply(&self, mut program: Command) -> Result<Command> {
        for (section, values) in &self.table {
            let Value::Table(values) = values else {
                bail!(
                    "{}: {section} must be a section, [serve] or [client]",
                    self.path.display()
                );
            };
            let known = match section.as_str() {
                SERVE => in_a_file(program.find_subcommand(SERVE)),
                CLIENT => in_a_file(client(&program)),
                _ => bail!(
                    "{}: there is no section [{section}]: the sections are [serve] and [client]",
                    self.path.display()
                ),
            };
            if let Some(unknown) = values.keys().find(|name| !known.contains(name)) {
                bail!(
                    "{}: [{section}] has no {unknown}: it has {}",
                    self.path.display(),
                    known.join(", ")
                );
            }
            program = match section.as_str() {
                SERVE => program.mut_subcommand(SERVE, |serve| with_defaults(serve, values)),
                _ => with_client_defaults(program, values),
            };
        }
        Ok(program)
    }
}

/// The path of the configuration file that was read.
pub(crate) fn in_use() -> Option<PathBuf> {
    let args: Vec<OsString> = std::env::args_os().collect();
    let file = ConfigFile::find(&args).ok().flatten();
    file.map(|file| file.path)
}

/// The command line's definition without the variables that are set to the empty string.
pub(crate) fn without_empty_variables(program: Command) -> Command {
    let is_empty = |arg: &Arg| {
        let variable = arg.get_env().and_then(std::env::var_os);
        variable.is_some_and(|value| value.is_empty())
    };
    program
        .mut_args(|arg| {
            if is_empty(&arg) {
                arg.env(None::<&str>)
            } else {
                arg
            }
        })
        .mut_subcommands(without_empty_variables)
}

/// The names of the options that a section of this command may hold.
pub(crate) fn in_a_file(command: Option<&Command>) -> Vec<String> {
    let Some(command) = command else {
        return Vec::new();
    };
    let is_serve = command.get_name() == SERVE;
    command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && arg.get_action().takes_values())
        .filter(|arg| is_serve || arg.get_help_heading() == Some(crate::admin::HEADING))
        .filter_map(Arg::get_long)
        .filter(|long| !NOT_IN_A_FILE.contains(long))
        .map(str::to_owned)
        .collect()
}

/// A command that uses a service. All of them have the same options for it.
pub(crate) fn client(program: &Command) -> Option<&Command> {
    program.find_subcommand("proxies")
}

fn named(args: &[OsString]) -> Option<OsString> {
    let mut args = args.iter().take_while(|arg| *arg != "--");
    while let Some(arg) = args.next() {
        if arg == "--config" {
            return args.next().cloned();
        }
        if let Some(path) = arg.to_str().and_then(|a| a.strip_prefix("--config=")) {
            return Some(path.into());
        }
    }
    None
}

fn usual_places() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty());
    let config = config.map(PathBuf::from).or(home);
    let users = config.map(|dir| dir.join("gmtech").join(NAME));
    [Some(PathBuf::from(NAME)), users]
        .into_iter()
        .flatten()
        .collect()
}

fn with_client_defaults(program: Command, values: &Table) -> Command {
    program.mut_subcommands(|command| {
        let command = if command.get_name() == SERVE {
            command
        } else {
            with_defaults(command, values)
        };
        with_client_defaults(command, values)
    })
}

fn with_defaults(command: Command, values: &Table) -> Command {
    let is_serve = command.get_name() == SERVE;
    let last: Vec<String> = command
        .get_arguments()
        .filter_map(|arg| arg.get_long()?.strip_suffix(ASKED_LAST))
        .map(str::to_owned)
        .collect();
    command.mut_args(|arg| {
        if !is_serve && arg.get_help_heading() != Some(crate::admin::HEADING) {
            return arg;
        }
        let long = arg.get_long().unwrap_or_default();
        let name = long.strip_suffix(ASKED_LAST).unwrap_or(long);
        let has_another = name == long && last.iter().any(|option| option == name);
        match values.get(name).filter(|_| !has_another) {
            Some(value) => {
                let texts = texts(value);
                arg.default_values(texts)
            }
            None => arg,
        }
    })
}

/// A value in the form that it has on a command line.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_name_the_file() {
        for (line, path) in [
            ("gmtech serve --config a.toml", Some("a.toml")),
            ("gmtech serve --config=b.toml", Some("b.toml")),
            ("gmtech serve --config-path x", None),
            ("gmtech tied-child 1 -- envoy --config x", None),
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(named(&args), path.map(OsString::from), "{line}");
        }
    }
}
