//! What a terminal sees: one file for each subcommand.

#[macro_use]
mod terminal;

mod bulk;
mod completions;
mod csv_safe;
mod customers;
mod demo;
mod doctor;
mod document;
mod exit;
mod init;
mod inspect;
mod keys;
mod link;
mod mail;
mod output;
mod partner;
mod plan;
mod practice;
mod progress;
mod read_ahead;
mod record_lines;
mod rehearse;
mod remind;
mod renew;
mod report;
mod sandbox;
mod serve;
mod status;
mod tenant;
mod tenants;
mod timestamp;
mod token_from;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::exit::{CommandError, Exit, failed, unusable, usage};
use self::terminal::Verbosity;
use crate::config::{Chain, Config, ConfigSource, ConfiguredApp};
use crate::consent::ProfileId;
use crate::env::Roots;
use crate::installation::{Dependencies, Installation};
use crate::telemetry;

static VERSION: LazyLock<String> = LazyLock::new(|| version(option_env!("ENTRA_CONSENT_COMMIT")));

/// The version, with the commit if the build names one (docs/install.md). Without one, a build needs no git, and is the same everywhere.
fn version(commit: Option<&str>) -> String {
    let number = env!("CARGO_PKG_VERSION");
    commit.filter(|commit| !commit.is_empty()).map_or(number.to_owned(), |commit| format!("{number} ({commit})"))
}

/// The redirect target for Microsoft Entra admin consent that never believes the redirect.
#[derive(Debug, Parser)]
#[command(name = "entra-consent", version = VERSION.as_str(), about, max_term_width = 80, after_help = first_steps())]
pub struct Cli {
    /// The configuration. Default: `consent.toml` in the working directory, or what `ENTRA_CONSENT_CONFIG` names.
    #[arg(long, global = true, display_order = 900, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Print only results and errors.
    #[arg(long, short, global = true, display_order = 901)]
    quiet: bool,
    /// Print more: what is in order too, and the log.
    #[arg(long, short, global = true, display_order = 902)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

// The order is the one in which people need the commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// See the whole story on this machine: no account, no settings.
    Demo(demo::DemoArgs),
    /// Practise with a simulated Microsoft and its customers.
    Sandbox(sandbox::SandboxArgs),
    /// Play your own table against a simulated Microsoft first.
    Rehearse(rehearse::RehearseArgs),
    /// Write consent.toml and a key to begin with.
    Init(Box<init::InitArgs>),
    /// Find what is wrong or missing before a customer does.
    Doctor(doctor::DoctorArgs),
    /// Find the shortest way to each approval, before any mail.
    Plan(plan::PlanArgs),
    /// Make a link for a tenant's administrator.
    Link(link::LinkArgs),
    /// Show what is in a link or token, and whether it is genuine.
    Inspect(inspect::InspectArgs),
    /// Show which tenant a domain or an id is, and in which cloud.
    Tenant(tenant::TenantArgs),
    /// List your customers as a table that the other commands read.
    Tenants(tenants::TenantsArgs),
    /// Ask Microsoft which approvals are there, in one tenant or many.
    Verify(verify::VerifyArgs),
    /// Show how far each customer is, from invited to confirmed.
    Status(status::StatusArgs),
    /// Write the mails again for customers who still have to approve.
    Remind(remind::RemindArgs),
    /// Replace links that end soon.
    Renew(renew::RenewArgs),
    /// Run the service on a machine of yours, without AWS.
    Serve(serve::ServeArgs),
    /// Make, rotate and list the keys that sign links.
    Keys(keys::KeysArgs),
    /// Print a script that completes commands in a shell.
    Completions(completions::CompletionsArgs),
}

/// The end of the help text: first steps, and the exit codes for scripts.
fn first_steps() -> String {
    let statuses: String = Exit::ALL.iter().map(|exit| format!("\n  {:<5}{}", exit.status(), exit.meaning())).collect();
    format!(include_str!("help/first_steps.txt"), statuses = statuses)
}

/// The commands by what a person wants to do, in the order of a day.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Practise, without an account", &["demo", "sandbox", "rehearse"]),
    ("Set up", &["init", "doctor", "keys", "serve", "completions"]),
    ("Invite customers", &["tenants", "plan", "link"]),
    ("Follow up", &["status", "remind", "renew", "verify"]),
    ("Look at one thing", &["inspect", "tenant"]),
];

/// Options that the short help leaves out.
const RARE: &str = "event sandbox_port scenario speed any_tenant app_id attempts client_secret cloud column companion concurrency days delegated keys language listen log_group \
    more_app no_keys offline patience privacy_url qr queue reader reader_certificate resume since store token_from verify_in";

/// The short help (`-h`): the usual options, one line each.
fn briefly(command: clap::Command, path: &str) -> clap::Command {
    let path = format!("{path} {}", command.get_name());
    let more = format!("{path} --help shows examples and all options.");
    command.mut_args(brief_option).after_help(more).mut_subcommands(|sub| briefly(sub, &path))
}

fn brief_option(option: clap::Arg) -> clap::Arg {
    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
    let ends = [". ", "; ", ": "].iter().filter_map(|end| help.find(end));
    let first = ends.min().and_then(|end| help.get(..end)).unwrap_or(&help).to_owned();
    let is_rare = RARE.split(' ').any(|rare| rare == option.get_id().as_str());
    let takes_values = option.get_action().takes_values();
    option.help(first).hide(is_rare).hide_possible_values(takes_values)
}

/// The whole help (`--help`): examples, options, and the rest.
fn wholly(command: clap::Command) -> clap::Command {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (examples, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let template = format!("{{about-with-newline}}\n{examples}\n\n{{usage-heading}} {{usage}}\n\n{{all-args}}{{after-help}}");
    command.help_template(template).after_help(rest.to_owned()).mut_subcommands(wholly)
}

/// The command line, whose help groups the commands.
fn command(is_brief: bool) -> clap::Command {
    let command = Cli::command();
    let width = command.get_subcommands().map(|sub| sub.get_name().len()).max().unwrap_or_default();
    let mut groups = String::new();
    for (heading, names) in GROUPS {
        groups.push_str(&format!("\n{heading}:\n"));
        for sub in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            groups.push_str(&format!("  {:<width$}  {about}\n", sub.get_name()));
        }
    }
    let command = match is_brief {
        true => command.mut_args(brief_option).mut_subcommands(|sub| briefly(sub, "entra-consent")),
        false => command.mut_subcommands(wholly),
    };
    command.help_template(format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\nOptions:\n{{options}}{{after-help}}"))
}

/// Runs the command line.
#[must_use]
pub fn run() -> ExitCode {
    let is_brief = std::env::args_os().any(|argument| argument == "-h");
    let parsed = command(is_brief).try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = parsed.and_then(|cli| {
        let told = "the argument '--quiet' cannot be used with '--verbose'";
        if cli.quiet && cli.verbose { Err(command(is_brief).error(ErrorKind::ArgumentConflict, told)) } else { Ok(cli) }
    });
    let cli = match cli {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let verbosity = match (cli.quiet, cli.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Usual,
    };
    terminal::set_verbosity(verbosity);
    // Logs are for a service. A command prints its own messages, so it logs only if the operator asks for logs.
    let level = crate::config::log_level();
    if (level.is_some() || verbosity == Verbosity::Verbose || matches!(cli.command, Command::Serve(_)))
        && let Err(error) = telemetry::init(level.as_deref())
    {
        terminal::report(&error.to_string(), exit::VERBOSE);
        return Exit::Failed.into();
    }
    let ended = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(execute(cli.command, cli.config.as_deref())),
        Err(error) => Err(failed(format!("no worker threads: {error}"), "end other programs of this machine")),
    };
    let exit = ended.unwrap_or_else(|error| {
        terminal::report(&error.message, &error.remedy);
        error.exit
    });
    exit.into()
}

/// Prints a wrong command line in the form of every error, or the help that was asked for.
fn misused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit()
    }
    let text = error.render().to_string();
    let told = text.trim_start_matches("error: ").split("\n\nFor more information").next().unwrap_or_default();
    let told: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
    let usage = told.iter().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or("entra-consent");
    let command: Vec<&str> = usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
    let meant = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let meant = meant.into_iter().find_map(|kind| error.get(kind)).map(|meant| format!("{meant}; or ")).unwrap_or_default();
    terminal::report(&told.join("\n"), &format!("{meant}{} --help", command.join(" ")));
    Exit::Usage.into()
}

async fn execute(command: Command, config: Option<&Path>) -> Result<Exit, CommandError> {
    match command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Sandbox(args) => sandbox::run(&args).await,
        Command::Rehearse(args) => rehearse::run(installation(config).await?.config, &args).await,
        Command::Init(args) => init::run(*args).await,
        Command::Doctor(args) => doctor::run(config, &args).await,
        Command::Link(args) => link::run(&installation(config).await?, &args).await,
        Command::Inspect(args) => inspect::run(config, &args).await,
        Command::Tenant(args) => tenant::run(config, &args).await,
        Command::Serve(args) => serve::run(installation(config).await?.config, &args).await,
        Command::Tenants(args) => tenants::run(&installation(config).await?, &args).await,
        Command::Plan(args) => plan::run(&installation(config).await?, &args).await,
        Command::Status(args) => status::run(&installation(config).await?, &args).await,
        Command::Remind(args) => remind::run(&installation(config).await?, &args).await,
        Command::Renew(args) => renew::run(&installation(config).await?, &args).await,
        Command::Keys(args) => keys::run(config, &args).await,
        Command::Completions(args) => completions::run(&args),
        Command::Verify(args) => verify::run(&installation(config).await?, &args).await,
    }
}

/// What `--config` names, or the environment.
fn config_source(path: Option<&Path>) -> Result<ConfigSource, CommandError> {
    path.map_or_else(|| Ok(ConfigSource::from_env(&crate::config::environment)?), |path| Ok(ConfigSource::File(path.to_owned())))
}

/// The installation for a command. No browser waits for a command, so AWS calls may take longer.
async fn installation(path: Option<&Path>) -> Result<Installation, CommandError> {
    Ok(Installation::load(&config_source(path)?, Dependencies::at_a_terminal(Roots::Platform)).await?)
}

/// The app that the command line names.
fn app<'c>(config: &'c Config, id: &ProfileId) -> Result<&'c ConfiguredApp, CommandError> {
    config.app(id).ok_or_else(|| unknown("app", id, config.apps.iter().map(|app| &app.profile.id)))
}

/// The chain that the command line names.
fn chain<'c>(config: &'c Config, id: &ProfileId) -> Result<&'c Chain, CommandError> {
    config.chain(id).ok_or_else(|| unknown("chain", id, config.chains.iter().map(|chain| &chain.id)))
}

fn unknown<'i>(what: &str, id: &ProfileId, known: impl Iterator<Item = &'i ProfileId>) -> CommandError {
    let known: Vec<&str> = known.map(ProfileId::as_str).collect();
    let told = format!("consent.toml has no {what} `{id}`.\nIt has: {}.", known.join(", "));
    usage(told, crate::config::closest_or(id.as_str(), &known, || format!("one of these with --{what}")))
}

fn listed<'i>(ids: impl Iterator<Item = &'i ProfileId>) -> String {
    ids.map(ProfileId::as_str).collect::<Vec<_>>().join(", ")
}

/// The apps whose credentials check these apps, each verifier once.
fn verifiers_of<'c>(config: &'c Config, apps: &[&'c ConfiguredApp]) -> Vec<&'c ConfiguredApp> {
    let mut verifiers: Vec<&ConfiguredApp> = Vec::new();
    for verifier in apps.iter().filter_map(|app| config.verifier_of(app)) {
        if verifiers.iter().all(|known| known.profile.id != verifier.profile.id) {
            verifiers.push(verifier);
        }
    }
    verifiers
}

/// The exit code of a command that printed its results, or could not print them.
fn printed(result: std::io::Result<()>, exit: Exit) -> Result<Exit, CommandError> {
    match result {
        // The reader of the results may have closed the pipe (`| head`).
        Err(error) if !is_read_enough(&error) => Err(unusable("standard output", &error)),
        Ok(()) | Err(_) => Ok(exit),
    }
}

/// Whether an output error means that the reader closed the pipe. The CSV writer wraps such an error.
fn is_read_enough(error: &std::io::Error) -> bool {
    let of_csv = || match error.get_ref()?.downcast_ref::<csv::Error>()?.kind() {
        csv::ErrorKind::Io(error) => Some(error.kind()),
        _ => None,
    };
    [Some(error.kind()), of_csv()].contains(&Some(std::io::ErrorKind::BrokenPipe))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command(true).debug_assert();
        super::command(false).debug_assert();
    }

    #[test]
    fn each_command_is_in_one_group_and_on_one_line() {
        let command = super::command(false);
        let mut grouped: Vec<_> = super::GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let mut all: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
        for sub in command.get_subcommands() {
            assert!(sub.get_about().unwrap().to_string().len() <= 64, "{}: too long for one line of 80 columns", sub.get_name());
        }
    }

    #[test]
    fn the_version_names_the_commit_of_the_build() {
        let number = env!("CARGO_PKG_VERSION");
        assert_eq!(super::version(Some("0123456789ab")), format!("{number} (0123456789ab)"));
        assert_eq!([super::version(None), super::version(Some(""))], [number, number]);
    }

    #[test]
    fn a_reader_who_has_read_enough_is_known_within_the_error_of_the_csv_writer() {
        let broken = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(super::is_read_enough(&broken()));
        assert!(super::is_read_enough(&std::io::Error::from(csv::Error::from(broken()))));
        let full = std::io::Error::from(csv::Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull)));
        assert!(!super::is_read_enough(&full));
    }
}
