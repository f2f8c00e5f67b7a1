//! `entra-consent init`: creates a first `consent.toml` and a key.

mod answers;
mod place;
mod questions;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use self::answers::Answers;
use super::exit::{CommandError, Exit, failed, usage};
use crate::env::{Clock, Rng};
use crate::file::{self, Readers};
use crate::secret::Secret;
use crate::token::KeyDocument;
use crate::token::key_document::KeptKey;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/init.txt"))]
pub(super) struct InitArgs {
    /// Your name, as the customers' administrators know it.
    #[arg(long)]
    name: Option<String>,
    /// The address of this service as browsers see it.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// How an administrator reaches you, in words.
    #[arg(long)]
    support: Option<String>,
    /// The address of your privacy notice.
    #[arg(long, value_name = "URL")]
    privacy_url: Option<String>,
    /// Your own tenant; `entra-consent tenant DOMAIN` shows its id. doctor reads your registrations there.
    #[arg(long, value_name = "GUID")]
    home_tenant: Option<String>,
    /// The app's name on Microsoft's consent screen.
    #[arg(long, value_name = "NAME")]
    app_name: Option<String>,
    /// "Application (client) ID" of the registration.
    #[arg(long, value_name = "GUID")]
    client_id: Option<String>,
    /// The app's id in links and records. Default: made from its name.
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// The cloud: global, us-gov-l4, us-gov-l5 or china-21vianet.
    #[arg(long, default_value = "global")]
    cloud: String,
    /// An application permission of Microsoft Graph that the app cannot work without. Can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    application: Vec<String>,
    /// The same for a delegated permission.
    #[arg(long, value_name = "PERMISSION")]
    delegated: Vec<String>,
    /// Where the app's certificate and its key are kept, in one PEM text: file:PATH, env:VARIABLE or aws:NAME.
    #[arg(long, value_name = "PLACE", conflicts_with = "client_secret")]
    certificate: Option<String>,
    /// Where the app's client secret is kept.
    #[arg(long, value_name = "PLACE")]
    client_secret: Option<String>,
    /// Where the key that signs links is kept. A file is made; everything else must be there.
    #[arg(long, value_name = "PLACE", default_value = "file:keys.json")]
    keys: String,
    /// The file in which `serve` keeps orders and events that wait.
    #[arg(long, value_name = "PATH", conflicts_with = "queue")]
    store: Option<String>,
    /// The queue of orders on AWS, where there is one already: the stack's output OrderQueueUrl.
    #[arg(long, value_name = "URL")]
    queue: Option<String>,
    /// Where Graph is asked: worker or callback. Default: worker, if there is a store or a queue.
    #[arg(long, value_name = "PLACE", value_parser = ["callback", "worker"])]
    verify_in: Option<String>,
    /// The folder to write to.
    #[arg(long, value_name = "FOLDER", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    to: PathBuf,
}

#[expect(clippy::print_stderr, reason = "what to do next is for people")]
pub(super) fn run(args: &InitArgs) -> Result<Exit, CommandError> {
    let folder = if args.to == Path::new(".") { Path::new("") } else { &args.to };
    let path = folder.join("consent.toml");
    // A dangling symbolic link also counts as existing.
    if path.symlink_metadata().is_ok() {
        let what = format!("{} is there already, and init overwrites nothing.", path.display());
        return Err(usage(format!("{what}\nRun `entra-consent doctor` on it, or give another folder with --to.")));
    }
    let answers = questions::collect(args, io::stdin().is_terminal() && io::stderr().is_terminal()).map_err(usage)?;
    answers.check(&path).map_err(|error| usage(format!("Nothing was written, since the answers do not fit:\n{error}")))?;
    let key_file = place::file(&answers.keys).map(|file| folder.join(file));
    let made = key_file.as_deref().map(key).transpose()?;
    if let Err(error) = file::create(&path, &answers.file(), Readers::Usual) {
        let mut what = format!("{} cannot be written: {error}", path.display());
        // A key without a configuration would block the next attempt, or look like a key that has signed tokens.
        if let (Some(key), Some(true)) = (&key_file, made)
            && let Err(error) = std::fs::remove_file(key)
        {
            what.push_str(&format!("\nDelete {}, which was just made and signed nothing: {error}", key.display()));
        }
        return Err(failed(what));
    }
    eprintln!("{}", next_steps(&path, key_file.as_deref(), made == Some(true), &answers));
    Ok(Exit::Done)
}

/// Creates the key file; returns `false` if a usable key file already exists.
fn key(path: &Path) -> Result<bool, CommandError> {
    let document = KeyDocument::of(KeptKey::draw(&Rng::system(), Clock::system().now()));
    match file::create(path, document.text().expose(), Readers::Owner) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => usable(path).map(|()| false),
        Err(error) => Err(failed(format!("{} cannot be written: {error}", path.display()))),
    }
}

/// Whether the keys of an existing file can sign.
fn usable(path: &Path) -> Result<(), CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| failed(format!("{} is there already and cannot be read: {error}", path.display())))?;
    KeyDocument::parse(&Secret::new(text)).and_then(|document| document.check()).map_err(|error| {
        let what = format!("Nothing was written: {} is there already, and no link can be signed with it: {error}.", path.display());
        usage(format!("{what}\nMove it away, and a new key is made; or name another place with --keys."))
    })
}

fn next_steps(path: &Path, key_file: Option<&Path>, made: bool, answers: &Answers) -> String {
    let key = match key_file {
        Some(file) if made => format!("\nWritten: {}, the key that signs links. Keep it secret.", file.display()),
        Some(file) => format!("\nKept: {}, which was there already.", file.display()),
        None => String::new(),
    };
    let config = if path == Path::new("consent.toml") { String::new() } else { format!(" --config {}", path.display()) };
    format!(
        include_str!("init/next_steps.txt"),
        key = key,
        config = config,
        path = path.display(),
        redirect = answers.redirect_address(),
        credential = answers.credential,
        app = answers.text("apps[0].id"),
    )
}
