//! `entra-consent sandbox`: runs the simulated Microsoft, and writes a configuration and customers to practise with.

use std::io;
use std::path::{Path, PathBuf};

use entra_sandbox::{SandboxClock, demo};

use super::exit::{CommandError, Exit, unusable, usage};
use super::{init, practice, serve};
use crate::file::{self, Readers};

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/sandbox.txt"))]
pub(super) struct SandboxArgs {
    /// The folder to write to.
    #[arg(long, value_name = "FOLDER", default_value = "practice", value_hint = clap::ValueHint::DirPath)]
    to: PathBuf,
    /// The port of the simulated Microsoft.
    #[arg(long, default_value_t = 8411, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The port for `entra-consent serve`.
    #[arg(long, value_name = "PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    serve_port: u16,
    /// Show an approval at once. By default, Microsoft shows it after about 20 seconds.
    #[arg(long)]
    fast: bool,
}

const KEYS: &str = "keys.json";

pub(super) async fn run(args: &SandboxArgs) -> Result<Exit, CommandError> {
    let base_url = format!("http://127.0.0.1:{}", args.serve_port);
    let sandbox = format!("http://localhost:{}", args.port);
    let configuration = practice::configuration(&[
        ("command", "sandbox"),
        ("base_url", &base_url),
        ("sandbox", &sandbox),
        ("keys", r#"{ file = "keys.json" }"#),
        ("mail_backup", r#"{ file = "mail-backup-secret.txt" }"#),
        ("reader", r#"{ file = "reader-secret.txt" }"#),
        ("store", "\n# `serve` keeps here the approvals that it checks again.\n[store]\npath = \"entra-consent.redb\"\n"),
    ]);
    let files = [
        ("mail-backup-secret.txt", demo::APP_SECRET, Readers::Owner),
        ("reader-secret.txt", practice::READER_SECRET, Readers::Owner),
        ("customers.csv", include_str!("practice/customers.csv"), Readers::Usual),
        ("consent.toml", configuration.as_str(), Readers::Usual),
    ];
    let is_there = |name: &&str| args.to.join(name).symlink_metadata().is_ok();
    let found = files.iter().map(|(name, ..)| *name).chain([KEYS]).find(is_there);
    if let Some(found) = found
        && std::fs::read_to_string(args.to.join("consent.toml")).ok().as_ref() != Some(&configuration)
    {
        let found = args.to.join(found);
        let what = format!("{} is there already, and this sandbox did not make the folder. sandbox overwrites nothing.", found.display());
        return Err(usage(what, "another folder with --to"));
    }
    // The port is taken first, so that a second sandbox writes nothing.
    let scenario = practice::scenario(&base_url, args.fast)?;
    let running = practice::start(Some(args.port), "--port", SandboxClock::system(), scenario)?;
    let mut signals = serve::StopSignals::listen()?;
    std::fs::create_dir_all(&args.to).map_err(|error| unusable(args.to.display(), &error))?;
    init::key(&args.to.join(KEYS))?;
    for (name, text, readers) in files {
        keep_or_create(&args.to.join(name), text, readers)?;
    }
    let listen = if args.serve_port == 8080 { String::new() } else { format!(" --listen 127.0.0.1:{}", args.serve_port) };
    let folder = std::path::absolute(&args.to).map_err(|error| unusable(args.to.display(), &error))?;
    say!(include_str!("practice/steps.txt"), url = running.url(), folder = in_a_shell(&folder), listen = listen);
    signals.next().await;
    Ok(Exit::Done)
}

/// Leaves an existing file as it is, because people may have edited the customers.
fn keep_or_create(path: &Path, text: &str, readers: Readers) -> Result<(), CommandError> {
    match file::create(path, text, readers) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(unusable(path.display(), &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The path as a word of a shell, in quotes where it needs them.
fn in_a_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|character| character.is_alphanumeric() || "/\\:._-".contains(character));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
