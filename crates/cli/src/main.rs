//! `gmtech`: keys, the key service, Envoy's configuration and the local stack from one command line.
//!
//! It is not part of the gate: nothing here runs in Envoy. It makes the files that the gate reads.
//!
//! # Failure policy
//! A mistake ends the program with one message on standard error that names the option, variable or file to change, and with
//! an exit status for its kind ([`exit`]). Secrets are printed only by `keys generate`, `create` and `rotate`,
//! by `tokens generate` and `create`, and by `alerts add` and `rotate-secret`, to standard output, once.
#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where the reader has gone: module `out` writes"
)]

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

mod admin;
mod config_file;
mod db;
mod doctor;
mod exit;
mod keys;
mod out;
mod render;
mod serve;
mod stack;

use config_file::ConfigFile;
use exit::Exit;

/// Keys, Envoy configuration and a local stack for the GMTech key gate.
#[derive(Parser)]
#[command(
    name = "gmtech",
    version,
    about,
    after_help = exit::AFTER_HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The configuration file; by default ./gmtech.toml, else ~/.config/gmtech/gmtech.toml, if it is there
    #[arg(long, env = config_file::VARIABLE, value_name = "FILE", global = true, help_heading = "Configuration")]
    config: Option<OsString>,
}

#[derive(Subcommand)]
enum Command {
    /// Make, list, change and end API keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make teams, top them up, manage their members.
    #[command(subcommand)]
    Teams(admin::teams::Command),
    /// Make, list and end tokens of administrators and proxies.
    #[command(subcommand)]
    Tokens(admin::tokens::Command),
    /// Show usage and cost; import usage that was not counted.
    Usage(admin::usage::Command),
    /// Show the audit log.
    Audit(admin::audit::Audit),
    /// Show the prices in force, and which models were charged without one.
    Prices(admin::prices::Prices),
    /// List the proxies: the version that each has applied, its filter, its keys, and tiers that differ.
    Proxies(admin::proxies::Proxies),
    /// Manage the people who sign in to the pages.
    #[command(subcommand)]
    People(admin::people::Command),
    /// Manage tiers: the limits and models that many keys share.
    #[command(subcommand)]
    Tiers(admin::tiers::Command),
    /// Manage the addresses that alerts are posted to; show alerts and deliveries.
    #[command(subcommand)]
    Alerts(admin::alerts::Command),
    /// Show the records of single requests.
    #[command(subcommand)]
    Requests(admin::requests::Command),
    /// Check a service and its Envoys; show what is wrong and how to fix it.
    Doctor(doctor::Command),
    /// Run the key service in the foreground.
    Serve(serve::Command),
    /// Back up, restore, check or copy a database.
    #[command(subcommand)]
    Db(db::Command),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  gmtech completions bash > ~/.local/share/bash-completion/completions/gmtech"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print an Envoy bootstrap (JSON), rendered from a template for given ports, upstream and filter.
    EnvoyConfig(render::Args),
    /// Run the local stack in the foreground: the key service, an upstream, Envoy with the filter, a demo key.
    Up(stack::UpArgs),
    /// Prepare the local stack in containers: demo keys and files.
    StackFiles(stack::FilesArgs),
    /// Run a program that ends with the stack.
    #[command(name = stack::child::TIED, hide = true)]
    TiedChild {
        /// The stack's process id
        parent: u32,
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        program: Vec<OsString>,
    },
}

/// Keys: made here for a configuration file, or administered in the running service.
#[derive(Subcommand)]
enum KeysCommand {
    #[command(flatten)]
    Here(keys::Command),
    #[command(flatten)]
    Service(admin::keys::Command),
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let json = args
        .iter()
        .take_while(|a| *a != "--")
        .any(|a| a == "--json");
    let exit = match parse(&args) {
        Err(Wrong::Line(error)) if !error.use_stderr() || !json => {
            // Neither help and version nor a closed pipe is an error.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
        Err(Wrong::Line(error)) => {
            let text = error.render().to_string();
            let failure = exit::Failure::new(Exit::WrongCommand, "usage", text.trim_end());
            exit::report(&failure.into(), json)
        }
        Err(Wrong::File(error)) => {
            exit::report(&error, json);
            Exit::WrongCommand
        }
        Ok(cli) => match run(cli.command) {
            Ok(()) => Exit::Done,
            Err(error) => exit::report(&error, json),
        },
    };
    exit.into()
}

/// The error for a command line without a command to run.
enum Wrong {
    Line(clap::Error),
    File(anyhow::Error),
}

/// The command `serve` of this command line, with the configuration file as it is now.
fn serve_again() -> Result<serve::Command> {
    let args: Vec<OsString> = std::env::args_os().collect();
    match parse(&args) {
        Ok(Cli {
            command: Command::Serve(command),
            ..
        }) => Ok(command),
        Ok(_) => anyhow::bail!("this is not `gmtech serve`"),
        Err(Wrong::Line(error)) => Err(error.into()),
        Err(Wrong::File(error)) => Err(error),
    }
}

/// The command line, with the values of variables and the configuration file.
fn parse(args: &[OsString]) -> Result<Cli, Wrong> {
    let mut program = config_file::without_empty_variables(Cli::command());
    // The wrapper of a child takes the child's options after its own.
    if args
        .get(1)
        .is_none_or(|command| command != stack::child::TIED)
        && let Some(file) = ConfigFile::find(args).map_err(Wrong::File)?
    {
        program = file.apply(program).map_err(Wrong::File)?;
    }
    let matches = program.try_get_matches_from(args).map_err(Wrong::Line)?;
    Cli::from_arg_matches(&matches).map_err(Wrong::Line)
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Keys(KeysCommand::Here(command)) => keys::run(&command),
        Command::Keys(KeysCommand::Service(command)) => admin::keys::run(&command),
        Command::Teams(command) => admin::teams::run(&command),
        Command::Tokens(command) => admin::tokens::run(&command),
        Command::Usage(command) => admin::usage::run(&command),
        Command::Audit(command) => admin::audit::run(&command),
        Command::Prices(command) => admin::prices::run(&command),
        Command::Proxies(command) => admin::proxies::run(&command),
        Command::People(command) => admin::people::run(&command),
        Command::Tiers(command) => admin::tiers::run(&command),
        Command::Alerts(command) => admin::alerts::run(&command),
        Command::Requests(command) => admin::requests::run(&command),
        Command::Doctor(command) => doctor::run(&command),
        Command::Serve(command) => serve::run(&command),
        Command::Db(command) => db::run(&command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "gmtech", &mut script);
            out::print(&String::from_utf8_lossy(&script))
        }
        Command::EnvoyConfig(args) => render::run(&args),
        Command::Up(args) => stack::up(&args),
        Command::StackFiles(args) => stack::write_files(&args),
        Command::TiedChild { parent, program } => stack::child::run_tied(parent, &program),
    }
}

#[cfg(test)]
mod tests;
