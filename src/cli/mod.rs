//! What a terminal sees: one file a subcommand.

#[allow(dead_code, reason = "read by bulk commands, which are on their way")]
mod customers;
mod demo;
mod exit;
mod formula;
mod link;
mod output;
mod serve;
pub mod server;
mod tenant;
mod tenants;
mod token_from;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::exit::Exit;
use crate::config::{Config, ConfiguredApp};
use crate::consent::ProfileId;
use crate::site::{Site, Surroundings};
use crate::telemetry;
use crate::world::Roots;

/// The redirect target for Microsoft Entra admin consent that never believes the redirect.
#[derive(Debug, Parser)]
#[command(name = "entra-consent", version, about, max_term_width = 100)]
pub struct Cli {
    /// The configuration. Default: `consent.toml` in the working directory, or what `ENTRA_CONSENT_CONFIG` names.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try everything on this machine: the function and a simulated Microsoft, no account, no configuration.
    Demo(demo::Args),
    /// Make a link for a tenant's administrator.
    Link(link::Args),
    /// Run the function here, against real Microsoft.
    Serve(serve::Args),
    /// Show which tenant a domain or an id is, and in which cloud.
    Tenant(tenant::Args),
    /// List your customers, as a table that `link` and `verify` take.
    Tenants(tenants::Args),
    /// Ask Microsoft how approvals stand, in one tenant or very many.
    Verify(verify::Args),
}

/// Runs the command line.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // Logs are for a service. What a command has to say to a person it says itself, unless logs are asked for.
    let level = crate::config::log_level();
    if (level.is_some() || matches!(cli.command, Command::Serve(_)))
        && let Err(error) = telemetry::init(level.as_deref())
    {
        return complain(&error.to_string(), Exit::Failed);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("no worker threads: {error}"), Exit::Failed),
    };
    runtime.block_on(async {
        match cli.command {
            Command::Demo(args) => demo::run(args).await,
            Command::Link(args) => match site(cli.config.as_deref()) {
                Ok(site) => link::run(&site, &args).await,
                Err(exit) => exit,
            },
            Command::Serve(args) => match site(cli.config.as_deref()) {
                Ok(site) => serve::run(site, &args).await,
                Err(exit) => exit,
            },
            Command::Tenant(args) => tenant::run(cli.config.as_deref(), &args).await,
            Command::Tenants(args) => match site(cli.config.as_deref()) {
                Ok(site) => tenants::run(&site, &args).await,
                Err(exit) => exit,
            },
            Command::Verify(args) => match site(cli.config.as_deref()) {
                Ok(site) => verify::run(&site, &args).await,
                Err(exit) => exit,
            },
        }
    })
}

fn site(path: Option<&std::path::Path>) -> Result<Site, ExitCode> {
    let config = match path {
        Some(path) => Config::load(path, &crate::config::environment),
        None => Config::from_env(&crate::config::environment),
    };
    match config {
        Ok(config) => Ok(Site::new(config, Surroundings::real(Roots::Platform))),
        Err(error) => Err(complain(&error.to_string(), Exit::Usage)),
    }
}

/// The app that the command line names.
fn app<'s>(site: &'s Site, id: &ProfileId) -> Result<&'s ConfiguredApp, ExitCode> {
    site.config.app(id).ok_or_else(|| {
        let known = site.config.apps.iter().map(|app| app.profile.id.as_str()).collect::<Vec<_>>().join(", ");
        complain(&format!("consent.toml has no app `{id}`. It has: {known}."), Exit::Usage)
    })
}

/// Says what is wrong on standard error; standard output holds results and records only.
#[expect(clippy::print_stderr, reason = "the terminal is what this module is for")]
fn complain(what: &str, exit: Exit) -> ExitCode {
    eprintln!("{what}");
    exit.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
