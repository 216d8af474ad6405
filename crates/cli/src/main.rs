//! `gmtech`: keys, the key service, Envoy's configuration and the local stack from one command line.
//!
//! What it is not: part of the gate. Nothing here runs in Envoy; it makes what the gate reads.
//!
//! # Failure policy
//! A mistake ends the program with exit code 1 (2 for a wrong command line) and one message on standard error
//! that names the option, variable or file to change. Secrets are printed only by `keys generate`, `create` and
//! `rotate`, to standard output, once.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

mod admin;
mod keys;
mod render;
mod serve;
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
    /// Make, list, change and end API keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make teams, top them up, list their members.
    #[command(subcommand)]
    Teams(admin::teams::Command),
    /// Show what was used and what it cost; count what a crash left out.
    Usage(admin::usage::Command),
    /// Run the key service in the foreground.
    Serve(serve::Command),
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

/// Keys: made here for a configuration file, or administered in the running service.
#[derive(Subcommand)]
enum KeysCommand {
    #[command(flatten)]
    Here(keys::Command),
    #[command(flatten)]
    Service(admin::keys::Command),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Keys(KeysCommand::Here(command)) => keys::run(&command),
        Command::Keys(KeysCommand::Service(command)) => admin::keys::run(&command),
        Command::Teams(command) => admin::teams::run(&command),
        Command::Usage(command) => admin::usage::run(&command),
        Command::Serve(command) => serve::run(&command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "gmtech", &mut std::io::stdout());
            Ok(())
        }
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
