//! `gmtech`: keys, Envoy's configuration and the local stack from one command line.
//!
//! What it is not: part of the gate. Nothing here runs in Envoy; it makes what the gate reads.
//!
//! # Failure policy
//! A mistake ends the program with exit code 1 (2 for a wrong command line) and one message on standard error
//! that names the option, variable or file to change. Secrets are printed only by `keys generate`, to
//! standard output, once.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod keys;
mod render;

/// Keys, Envoy configuration and a local stack for the GMTech key gate.
#[derive(Parser)]
#[command(
    name = "gmtech",
    version,
    about,
    after_help = "Each command has its own --help with examples."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make API keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Print an Envoy bootstrap (JSON), rendered from a template for given ports, upstream and filter.
    EnvoyConfig(render::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Keys(command) => keys::run(&command),
        Command::EnvoyConfig(args) => render::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gmtech: {error:#}");
            ExitCode::FAILURE
        }
    }
}
