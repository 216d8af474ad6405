//! `mock-llm`: the mock upstream as a program.

use std::io::{Write, stdout};

use anyhow::{Context, Result};
use clap::Parser;
use mock_llm::directive::Directives;
use mock_llm::{Config, DEFAULT_MODELS, app, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// An OpenAI-shaped upstream that misbehaves on request.
#[derive(Debug, Parser)]
#[command(name = "mock-llm", version)]
struct Args {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port to listen on; 0 takes a free one. The first line on stdout names it
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The models to list, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = DEFAULT_MODELS.map(str::to_owned))]
    models: Vec<String>,
    /// A name to send back in x-mock-name
    #[arg(long)]
    name: Option<String>,
    /// The key that every request must carry as `authorization: Bearer KEY`
    #[arg(long)]
    require_key: Option<String>,
    /// Directives for every request, as in the x-mock header
    #[arg(long, env = "MOCK_LLM_DIRECTIVES", default_value = "", value_parser = directives)]
    directives: Directives,
}

fn directives(text: &str) -> Result<Directives, mock_llm::directive::BadDirective> {
    let mut directives = Directives::default();
    directives.apply(text)?;
    Ok(directives)
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let listener = TcpListener::bind((args.host.as_str(), args.port))
        .await
        .with_context(|| format!("cannot listen on {}:{}", args.host, args.port))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let address = listener.local_addr()?;
    writeln!(stdout(), "listening on {address}")?;
    stdout().flush()?;
    let config = Config {
        models: args.models,
        name: args.name,
        require_key: args.require_key,
        directives: args.directives,
    };
    tokio::select! {
        ended = serve(listener, app(config)) => ended.context("cannot accept connections"),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
