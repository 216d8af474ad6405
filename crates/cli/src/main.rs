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
mod stack;

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
    /// Run the local stack in the foreground: an upstream, Envoy with the filter, a demo key.
    Up(stack::UpArgs),
    /// Write the files of the local stack for containers.
    StackFiles(stack::FilesArgs),
    /// Become a program that ends with the stack.
    #[command(name = stack::child::TIED, hide = true)]
    TiedChild {
        /// The stack's process id
        parent: u32,
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        program: Vec<std::ffi::OsString>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Keys(command) => keys::run(&command),
        Command::EnvoyConfig(args) => render::run(&args),
        Command::Up(args) => stack::up(&args),
        Command::StackFiles(args) => stack::write_files(&args),
        Command::TiedChild { parent, program } => stack::child::run_tied(parent, &program),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gmtech: {error:#}");
            ExitCode::FAILURE
        }
    }
}
