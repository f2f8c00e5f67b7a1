//! `entra-consent keys`: manages the keys that sign tokens.

mod open_links;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use super::exit::{CommandError, DOCTOR, Exit, failed, unusable, usage};
use super::output::{self, Column, Format, PrintedRow};
use super::terminal::complain;
use super::timestamp;
use crate::config::SecretSource;
use crate::env::{Clock, Rng};
use crate::file::{self, Readers};
use crate::installation::Installation;
use crate::secret::Secret;
use crate::token::KeyDocument;
use crate::token::key_document::{KeptKey, KeyUse, NEEDED_AFTERWARDS, RevokedKey};

/// The remedy for keys that cannot sign.
const UNFIT: &str = "put the text of the key secret right, or start again with entra-consent keys new";

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/keys.txt"))]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key.
    New(NewArgs),
    /// Let a new key sign; the old ones go on verifying.
    Rotate(RotateArgs),
    /// Remove a key that may be in other hands: nothing that it signed opens any more.
    Revoke(RevokeArgs),
    /// Show which keys there are, without the keys themselves.
    List(ListArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/keys_new.txt"))]
struct NewArgs {
    /// Write it to this file, which must not be there yet. Default: standard output.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    to: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/keys_rotate.txt"))]
struct RotateArgs {
    /// The key file. Default: where `keys.secret` of the configuration says.
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "aws")]
    file: Option<PathBuf>,
    /// Write a new version of the secret in AWS Secrets Manager.
    #[arg(long)]
    aws: bool,
    /// Only add the new key for verifying; the next rotation lets it sign.
    #[arg(long)]
    prepare: bool,
    /// The key secret may be in other hands: remove all its keys. Nothing that they signed opens any more.
    #[arg(long, conflicts_with = "prepare")]
    compromised: bool,
    /// A table of links: count those that the removed keys signed, and write their rows for `link --from`.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "compromised")]
    links: Option<PathBuf>,
    /// How to show the keys afterwards.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/keys_revoke.txt"))]
struct RevokeArgs {
    /// The key's name, as `keys list` shows it.
    #[arg(value_name = "KID")]
    kid: Box<str>,
    /// The key file. Default: where `keys.secret` of the configuration says.
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "aws")]
    file: Option<PathBuf>,
    /// Write a new version of the secret in AWS Secrets Manager.
    #[arg(long)]
    aws: bool,
    /// A table of links: count those that the key signed, and write their rows for `link --from`.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    links: Option<PathBuf>,
    /// How to show the keys afterwards.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/keys_list.txt"))]
struct ListArgs {
    /// The key file. Default: where `keys.secret` of the configuration says.
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// How to show them.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

pub(super) async fn run(config: Option<&Path>, args: &KeysArgs) -> Result<Exit, CommandError> {
    let now = Clock::system().now();
    match &args.action {
        Action::New(args) => new(args, now),
        Action::Rotate(args) if args.compromised => {
            let (document, place) = kept(config, args.file.as_deref()).await?;
            check_place(&place, args.aws)?;
            revoke(document, &place, None, args.links.as_deref(), args.output, now).await
        }
        Action::Rotate(args) => rotate(config, args, now).await,
        Action::Revoke(args) => {
            let (document, place) = kept(config, args.file.as_deref()).await?;
            check_place(&place, args.aws)?;
            revoke(document, &place, Some(&args.kid), args.links.as_deref(), args.output, now).await
        }
        Action::List(args) => list(&kept(config, args.file.as_deref()).await?.0, args.output, now),
    }
}

fn new(args: &NewArgs, now: OffsetDateTime) -> Result<Exit, CommandError> {
    let document = KeyDocument::of(KeptKey::draw(&Rng::system(), now));
    let Some(path) = &args.to else {
        let mut out = io::stdout().lock();
        return super::printed(out.write_all(document.text().expose().as_bytes()).and_then(|()| out.flush()), Exit::Done);
    };
    match file::create(path, document.text().expose(), Readers::Owner) {
        Ok(()) => {
            say!("{} holds the new key {}. Keep it secret, and out of version control.", path.display(), document.signing.kid);
            say!("In consent.toml, under [keys]: secret = {{ file = \"{}\" }}", path.display());
            Ok(Exit::Done)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let what = format!("{} is there already, and the links that it signed need it.", path.display());
            Err(usage(what, format!("entra-consent keys rotate {}, which adds a new key to it", path.display())))
        }
        Err(error) => Err(unusable(path.display(), &error)),
    }
}

/// Where the keys are stored.
enum Place {
    /// A file, with its text at the time of reading.
    File(PathBuf, Secret),
    /// Any other source that a configuration can name.
    Configured(Box<Installation>),
}

/// Reads the keys from a file, or from the source in the configuration.
async fn kept(config: Option<&Path>, file: Option<&Path>) -> Result<(KeyDocument, Place), CommandError> {
    let installation = match file {
        Some(_) => None,
        None => Some(super::installation(config).await?),
    };
    let configured = match installation.as_ref().map(|installation| &installation.config.keys) {
        Some(SecretSource::File(path)) => Some(path.as_path()),
        _ => None,
    };
    if let Some(path) = file.or(configured) {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                failed(format!("{name} is not there: it holds the keys that sign links."), format!("entra-consent keys new --to {name}"))
            }
            _ => unusable(name, &error),
        })?;
        let text = Secret::new(text);
        let document = KeyDocument::parse(&text).map_err(|error| failed(format!("{}: {error}", path.display()), UNFIT))?;
        return Ok((document, Place::File(path.to_owned(), text)));
    }
    let Some(installation) = installation else {
        return Err(usage("no file and no configuration names the keys", "name the file of the keys"));
    };
    let secret = installation.secrets().get(&installation.config.keys).await.map_err(|error| failed(error, DOCTOR))?;
    let document = KeyDocument::parse(&secret).map_err(|error| failed(format!("{}: {error}", installation.config.keys), UNFIT))?;
    Ok((document, Place::Configured(Box::new(installation))))
}

async fn rotate(config: Option<&Path>, args: &RotateArgs, now: OffsetDateTime) -> Result<Exit, CommandError> {
    let (document, place) = kept(config, args.file.as_deref()).await?;
    check_place(&place, args.aws)?;
    let unfit =
        |error| failed(format!("Nothing was rotated: {error}.\nRotation keeps the present keys, so they have to be fit first."), UNFIT);
    document.check().map_err(unfit)?;
    let before: Vec<Box<str>> = document.keys(now).map(|(key, _)| key.kid.clone()).collect();
    let new = drawn(&document, now)?;
    let rotated = if args.prepare { document.prepare(new) } else { document.rotate(new, now) };
    write(&place, &rotated).await?;
    let dropped: Vec<&str> = before.iter().filter(|kid| rotated.keys(now).all(|(key, _)| key.kid != **kid)).map(AsRef::as_ref).collect();
    if !dropped.is_empty() {
        say!("Dropped, since nothing they signed is open any more: {}.", dropped.join(", "));
    }
    if args.prepare {
        say!("The new key verifies. Rotate again after a minute without --prepare, and it signs.");
    } else {
        say!(
            "{} signs from now on. A running process signs with it within 10 minutes, when it reads the secret again.",
            rotated.signing.kid
        );
        say!("One that has the key from an environment variable never does: restart it within an hour.");
    }
    list(&rotated, args.output, now)
}

/// A new key whose name no other key has.
fn drawn(document: &KeyDocument, now: OffsetDateTime) -> Result<KeptKey, CommandError> {
    let is_taken = |new: &KeptKey| {
        let is_revoked = document.revoked.iter().any(|revoked| revoked.kid == new.kid);
        is_revoked || document.keys(now).any(|(key, _)| key.kid == new.kid)
    };
    let new = std::iter::repeat_with(|| KeptKey::draw(&Rng::system(), now)).find(|new| !is_taken(new));
    new.ok_or_else(|| failed("no new name for a key was found", "the same command again"))
}

/// Removes the key of this name, or all keys. A second run for a removed key changes no key, and only counts the links of another table.
async fn revoke(
    document: KeyDocument,
    place: &Place,
    kid: Option<&str>,
    links: Option<&Path>,
    format: Format,
    now: OffsetDateTime,
) -> Result<Exit, CommandError> {
    let is_stolen = |key: &KeptKey| kid.is_none_or(|kid| *key.kid == *kid);
    let stolen: Vec<(Box<str>, OffsetDateTime)> = document
        .keys(now)
        .filter(|(key, _)| is_stolen(key))
        .map(|(key, _)| (key.kid.clone(), key.needed_until().unwrap_or(now + NEEDED_AFTERWARDS)))
        .collect();
    let was_revoked = |kid: &str| document.revoked.iter().any(|key| *key.kid == *kid);
    let (document, kids) = match kid.filter(|_| stolen.is_empty()) {
        Some(kid) if was_revoked(kid) => {
            say!("{kid} was revoked before.");
            (document, vec![kid.into()])
        }
        Some(_) => {
            let known: Vec<&str> = document.keys(now).map(|(key, _)| &*key.kid).collect();
            return Err(usage(
                format!("no key of this name is there. The keys are {}.", known.join(", ")),
                "entra-consent keys revoke with one of these names",
            ));
        }
        None => {
            let new = drawn(&document, now)?;
            let revoked = document.revoke(is_stolen, new, now);
            let unfit = |error| {
                let what = format!("Nothing was revoked: {error}.\nThe keys that stay have to be fit.");
                failed(what, "entra-consent keys rotate --compromised, which removes all")
            };
            revoked.check().map_err(unfit)?;
            write(place, &revoked).await?;
            for (kid, until) in &stolen {
                let until = until.date();
                say!("{kid} is revoked. Nothing that it signed opens any more; without this, its links would have lived until {until}.");
            }
            say!("{} signs from now on.", revoked.signing.kid);
            say!("Every running process follows within 10 minutes, when it reads the secret again; `serve` follows at once on SIGHUP.");
            say!("One that has the key from an environment variable never does: restart it now. Until then it opens what a thief signs.");
            if !revoked.older.is_empty() {
                say!("If the whole secret was read, its other keys are stolen as well: `keys rotate --compromised` revokes them all.");
            }
            (revoked, stolen.into_iter().map(|(kid, _)| kid).collect())
        }
    };
    if let Some(table) = links {
        let open = open_links::find(table, &kids, now)?;
        say!("Of the links in {}, {} are open that {} signed.", table.display(), open.count, kids.join(", "));
        if let Some(again) = open.written {
            let again = again.display();
            say!("{again} has their rows. New links: entra-consent link --app APP --from {again} --to {again}.links.csv");
        }
    }
    list(&document, format, now)
}

/// Whether the command line allows writing keys to this place.
fn check_place(place: &Place, aws: bool) -> Result<(), CommandError> {
    let refuse = |what: String, remedy: &str| Err(usage(what, remedy));
    match place {
        Place::File(path, _) if aws => refuse(
            format!("--aws goes with keys in AWS Secrets Manager; this configuration's are in {}.", path.display()),
            "leave --aws out",
        ),
        Place::File(..) => Ok(()),
        Place::Configured(installation) => match (&installation.config.keys, aws) {
            (SecretSource::SecretsManager(_), true) => Ok(()),
            (SecretSource::SecretsManager(name), false) => {
                refuse(format!("The keys are in AWS Secrets Manager as {name}."), "add --aws to write a new version there")
            }
            (source, _) => {
                let what = format!("The keys are kept in {source}, which this program cannot write.");
                refuse(what, "write them to a file, then entra-consent keys rotate FILE, and set the variable from it")
            }
        },
    }
}

async fn write(place: &Place, rotated: &KeyDocument) -> Result<(), CommandError> {
    let text = rotated.text();
    match place {
        Place::File(path, before) => file::replace(path, before.expose(), text.expose())
            .map_err(|error| unusable(format!("{} was not changed", path.display()), &error)),
        Place::Configured(installation) => {
            let SecretSource::SecretsManager(name) = &installation.config.keys else { return Ok(()) };
            installation
                .secrets()
                .put(name, &text)
                .await
                .map_err(|error| failed(format!("Nothing was written: {error}"), "check the AWS credentials: docs/aws-credentials.md"))
        }
    }
}

/// The printed form of a key, without the key itself.
#[derive(Serialize)]
struct ShownKey {
    kid: Box<str>,
    r#use: &'static str,
    strength: String,
    made: Option<String>,
    signed_until: Option<String>,
    needed_until: Option<String>,
    #[serde(skip)]
    age: String,
}

impl ShownKey {
    fn new(at: usize, key: &KeptKey, used: KeyUse, now: OffsetDateTime) -> Self {
        let strength = match key.check(at) {
            Ok(()) if key.is_guessable() => "guessable".to_owned(),
            Ok(()) => format!("{} bytes", key.key.expose().len()),
            Err(_) => "too weak".to_owned(),
        };
        let text = |at: Option<OffsetDateTime>| at.map(timestamp::exact);
        Self {
            kid: key.kid.clone(),
            r#use: used.name(),
            strength,
            made: text(key.made),
            signed_until: text(key.signed_until),
            needed_until: text(key.needed_until()),
            age: key.made.map_or_else(|| "unknown".to_owned(), |made| timestamp::distance(made, now)),
        }
    }

    /// The row of a revoked key. The document has only its name and the end of its signing.
    fn revoked(RevokedKey { kid, at }: &RevokedKey) -> Self {
        let (r#use, signed_until) = (KeyUse::Revoked.name(), at.map(timestamp::exact));
        Self { kid: kid.clone(), r#use, strength: String::new(), made: None, signed_until, needed_until: None, age: String::new() }
    }
}

impl PrintedRow for ShownKey {
    const COLUMNS: &'static [Column<Self>] = &[
        ("kid", |key| key.kid.to_string()),
        ("use", |key| key.r#use.to_owned()),
        ("strength", |key| key.strength.clone()),
        ("made", |key| key.age.clone()),
        ("needed_until", |key| key.needed_until.as_deref().and_then(|at| at.split('T').next()).unwrap_or_default().to_owned()),
    ];
}

fn list(document: &KeyDocument, format: Format, now: OffsetDateTime) -> Result<Exit, CommandError> {
    let keys = document.keys(now).enumerate().map(|(at, (key, used))| ShownKey::new(at, key, used, now));
    let keys: Vec<_> = keys.chain(document.revoked.iter().map(ShownKey::revoked)).collect();
    for (key, _) in document.keys(now).filter(|(key, _)| key.is_guessable()) {
        complain(&format!(
            "Warning: the key {} is a public sample, or consists of words and patterns. A program that tries those finds it.",
            key.kid
        ));
    }
    super::printed(output::all(format, &keys, io::stdout().lock()), Exit::Done)?;
    let exit = Exit::Attention;
    document.check().map(|()| Exit::Done).map_err(|error| failed(error, UNFIT).ending(exit))
}
