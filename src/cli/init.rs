//! `entra-consent init`: creates a first `consent.toml` and a key.

mod answers;
mod apps;
mod place;
mod questions;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use self::answers::Answers;
use super::exit::{CommandError, Exit, failed, unusable, usage};
use super::tenant;
use crate::consent::Cloud;
use crate::entra::discovery::TenantName;
use crate::env::{Clock, Rng};
use crate::file::{self, Readers};
use crate::secret::Secret;
use crate::token::KeyDocument;
use crate::token::key_document::KeptKey;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/init.txt"))]
pub(super) struct InitArgs {
    /// Your name: as the customers' administrators know it.
    #[arg(long)]
    name: Option<String>,
    /// The service's address: as browsers see it.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// How administrators reach you: in words.
    #[arg(long)]
    support: Option<String>,
    /// The address of your privacy notice.
    #[arg(long, value_name = "URL")]
    privacy_url: Option<String>,
    /// Your own tenant: its id, or one of its domains. doctor reads your registrations there.
    #[arg(long, value_name = "DOMAIN|GUID")]
    home_tenant: Option<String>,
    /// Where the service will run: writes what it needs there, and says the next steps.
    #[arg(long = "for", value_enum, value_name = "PLACE")]
    platform: Option<RunsOn>,
    /// The app's name: as on Microsoft's consent screen.
    #[arg(long, value_name = "NAME")]
    app_name: Option<String>,
    /// The app's "Application (client) ID".
    #[arg(long, value_name = "GUID")]
    client_id: Option<String>,
    /// The app's id in links and records. Default: made from its name.
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// The cloud: global, us-gov-l4, us-gov-l5 or china-21vianet.
    #[arg(long, default_value = "global")]
    cloud: String,
    /// A permission of the app: an application permission of Microsoft Graph without which it cannot work. Can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    application: Vec<String>,
    /// The same: for a delegated permission.
    #[arg(long, value_name = "PERMISSION")]
    delegated: Vec<String>,
    /// Where the app's certificate is kept: one PEM text with its key, at file:PATH, env:VARIABLE or aws:NAME.
    #[arg(long, value_name = "PLACE", conflicts_with = "client_secret")]
    certificate: Option<String>,
    /// Where the app's client secret is kept.
    #[arg(long, value_name = "PLACE")]
    client_secret: Option<String>,
    /// A read-only app of yours that checks the other apps: its "Application (client) ID".
    #[arg(long, value_name = "GUID")]
    reader: Option<String>,
    /// Where the reader's certificate is kept.
    #[arg(long, value_name = "PLACE", requires = "reader", default_value = "file:reader.pem")]
    reader_certificate: String,
    /// Another app of yours: name=NAME,client-id=GUID,application=Mail.Read+User.Read.All, and if needed id=ID, delegated=…,
    /// certificate=PLACE, client-secret=PLACE. Can be repeated.
    #[arg(long, value_name = "APP")]
    more_app: Vec<String>,
    /// An app of another company, such as apple-internet-accounts (docs/companions.md). Can be repeated.
    #[arg(long, value_name = "KEY")]
    companion: Vec<String>,
    /// The name of a chain: one link for all of the apps.
    #[arg(long, value_name = "NAME")]
    chain: Option<String>,
    /// Where the key that signs links is kept. A file is made; everything else must be there. Default: file:keys.json, and with --for aws
    /// aws:entra-consent/keys.
    #[arg(long, value_name = "PLACE")]
    keys: Option<String>,
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

/// Where the service will run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RunsOn {
    /// AWS Lambda, with the stack of template.yaml. Secrets are in Secrets Manager.
    Aws,
    /// A machine of yours that runs `serve`. It keeps what waits in consent.redb.
    Serve,
}

impl InitArgs {
    /// The answers that follow from the place.
    fn with_defaults(mut self) -> Self {
        let (keys, store) = match self.platform {
            Some(RunsOn::Aws) => ("aws:entra-consent/keys", None),
            Some(RunsOn::Serve) => ("file:keys.json", Some("consent.redb".to_owned())),
            None => ("file:keys.json", None),
        };
        self.keys.get_or_insert_with(|| keys.to_owned());
        if self.queue.is_none() {
            self.store = self.store.or(store);
        }
        self
    }

    /// Replaces a domain of the home tenant by the tenant's id.
    async fn find_home_tenant(&mut self) -> Result<(), CommandError> {
        let Some(domain) = self.home_tenant.as_deref().filter(|text| text.contains('.')) else { return Ok(()) };
        let name: TenantName = domain
            .parse()
            .map_err(|error| usage(format!("--home-tenant {domain}: {error}"), "--home-tenant with a domain such as northwind.example"))?;
        let cloud = Cloud::built_in(&self.cloud).unwrap_or(Cloud::Global);
        let found = tenant::find(&cloud, &name).await.map_err(|error| failed(format!("{domain}: {error}."), error.remedy()))?;
        self.home_tenant = Some(found.id.to_string());
        Ok(())
    }
}

pub(super) async fn run(args: InitArgs) -> Result<Exit, CommandError> {
    let mut args = args.with_defaults();
    let folder = if args.to == Path::new(".") { PathBuf::new() } else { args.to.clone() };
    let path = folder.join("consent.toml");
    // A dangling symbolic link also counts as existing.
    if path.symlink_metadata().is_ok() {
        let what = format!("{} is there already, and init overwrites nothing.", path.display());
        return Err(usage(what, "entra-consent doctor, or another folder with --to"));
    }
    let at_a_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if at_a_terminal && args.home_tenant.is_none() {
        // First, because an answer that Microsoft does not know is asked for again.
        args.home_tenant = Some(questions::home_tenant()?);
        while let Err(error) = args.find_home_tenant().await {
            super::terminal::report(&error.message, &error.remedy);
            args.home_tenant = Some(questions::home_tenant()?);
        }
    }
    args.find_home_tenant().await?;
    let answers = questions::collect(&args, at_a_terminal)?;
    answers.check(&path).map_err(|error| {
        usage(format!("Nothing was written, since the answers do not fit:\n{error}"), "the same command with other answers")
    })?;
    let key_file = place::file(&answers.keys).map(|file| folder.join(file));
    let made = key_file.as_deref().map(key).transpose()?;
    if let Err(error) = file::create(&path, &answers.file(), Readers::Usual) {
        let mut unwritten = unusable(path.display(), &error);
        // A key without a configuration would block the next attempt, or look like a key that has signed tokens.
        if let (Some(key), Some(true)) = (&key_file, made)
            && let Err(error) = std::fs::remove_file(key)
        {
            unwritten.message.push_str(&format!("\nDelete {}, which was just made and signed nothing: {error}", key.display()));
        }
        return Err(unwritten);
    }
    say!("{}", next_steps(&args, &path, key_file.as_deref(), made == Some(true), &answers));
    Ok(Exit::Done)
}

/// Creates the key file; returns `false` if a usable key file already exists.
pub(super) fn key(path: &Path) -> Result<bool, CommandError> {
    let document = KeyDocument::of(KeptKey::draw(&Rng::system(), Clock::system().now()));
    match file::create(path, document.text().expose(), Readers::Owner) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => usable(path).map(|()| false),
        Err(error) => Err(unusable(path.display(), &error)),
    }
}

/// Whether the keys of an existing file can sign.
fn usable(path: &Path) -> Result<(), CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| unusable(format!("{} is there already and cannot be read", path.display()), &error))?;
    KeyDocument::parse(&Secret::new(text)).and_then(|document| document.check()).map_err(|error| {
        let what = format!("Nothing was written: {} is there already, and no link can be signed with it: {error}.", path.display());
        usage(what, "move it away, and a new key is made; or name another place with --keys")
    })
}

fn next_steps(args: &InitArgs, path: &Path, key_file: Option<&Path>, made: bool, answers: &Answers) -> String {
    let key = match key_file {
        Some(file) if made => format!("\nWritten: {}, the key that signs links. Keep it secret.", file.display()),
        Some(file) => format!("\nKept: {}, which was there already.", file.display()),
        None => String::new(),
    };
    let config = if path == Path::new("consent.toml") { String::new() } else { format!(" --config {}", path.display()) };
    let start = match args.platform {
        Some(RunsOn::Aws) => include_str!("init/next_steps_aws.txt").to_owned(),
        Some(RunsOn::Serve) => format!(include_str!("init/next_steps_serve.txt"), config = config),
        None => String::new(),
    };
    let verifier = answers.more.verifier(answers.text("apps[0].id"), &answers.permissions);
    let unchecked = match verifier {
        None if !answers.more.companions.is_empty() => include_str!("init/no_verifier.txt"),
        _ => "",
    };
    let subject = match &answers.more.chain {
        Some(_) => "--chain onboarding".to_owned(),
        None => format!("--app {}", answers.text("apps[0].id")),
    };
    format!(
        include_str!("init/next_steps.txt"),
        key = key,
        config = config,
        path = path.display(),
        redirect = answers.redirect_address(),
        credential = answers.credential,
        subject = subject,
        start = start,
        unchecked = unchecked,
    )
}
