//! `entra-consent inspect`: shows the content of a link or token, and whether it is genuine.

mod address;
mod pasted_input;
mod report;
mod wrappers;

use std::io::{self, Read};
use std::path::Path;

use self::pasted_input::PastedInput;
use self::report::{Genuine, InspectReport};
use super::exit::{CommandError, Exit, failed, unusable, usage};
use super::output::{self, Format};
use super::printed;
use crate::env::Clock;
use crate::installation::Installation;
use crate::token::unchecked::{Illegible, Unchecked, is_cut};
use crate::token::{Flaw, KeyRing, Signer};

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/inspect.txt"))]
pub(super) struct InspectArgs {
    /// An invitation, a link to Microsoft, the address of a callback, of a result or watch page, an order, or a token; `-` reads it
    /// from standard input.
    #[arg(value_name = "LINK|TOKEN|-")]
    link: String,
    /// Only read it; needs neither key nor configuration.
    #[arg(long)]
    no_keys: bool,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Longest input in bytes. Every genuine link or token is shorter.
const LONGEST: u64 = 64 * 1024;

pub(super) async fn run(config: Option<&Path>, args: &InspectArgs) -> Result<Exit, CommandError> {
    let text = text(&args.link).map_err(|error| unusable("standard input", &error))?;
    let given = PastedInput::find(&text).map_err(|error| usage(error, error.remedy()))?;
    let read = match Unchecked::read(&given.token) {
        Ok(read) => Ok(read),
        Err(Illegible::Damaged(kind)) => Err(kind),
        Err(Illegible::NotOurs) => {
            let what = "This is no token of this program: it does not begin as one.";
            return Err(usage(what, "the whole address, if its beginning was cut off"));
        }
    };
    if args.no_keys {
        return show(&InspectReport::new(&given, read.as_ref(), &Genuine::NotChecked, None, Clock::system().now()), args.output);
    }
    let installation = super::installation(config).await.map_err(|error| CommandError {
        remedy: format!("{}; or add --no-keys, to read it without key and configuration", error.remedy),
        ..error
    })?;
    let genuine = match &read {
        Ok(read) => genuine(&installation, &given.token, read).await?,
        Err(_) => Genuine::No(if is_cut(&given.token) { report::CUT } else { report::CHANGED }.to_owned()),
    };
    show(&InspectReport::new(&given, read.as_ref(), &genuine, Some(&installation), installation.clock.now()), args.output)
}

fn text(argument: &str) -> io::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    io::stdin().lock().take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Verifies the token as its receiver does.
async fn genuine(installation: &Installation, token: &str, read: &Unchecked) -> Result<Genuine, CommandError> {
    let unread = |error| failed(error, "add --no-keys, to read it without the key; or entra-consent doctor");
    let keys = installation.keys().await.map_err(unread)?;
    Ok(match read.check(token, installation.signer(&keys)) {
        Ok(()) => Genuine::Yes,
        Err(flaw) => Genuine::No(reason(flaw, installation, &keys, token, read)),
    })
}

fn reason(flaw: Flaw, installation: &Installation, keys: &KeyRing, token: &str, read: &Unchecked) -> String {
    match flaw {
        Flaw::UnknownKey => format!(
            "the key {:?} that it names is none of this site's: it was made by another site, or with a key that was taken out",
            bounded(&read.kid)
        ),
        Flaw::RevokedKey => format!("the key {:?} that it names was revoked: make a new link", bounded(&read.kid)),
        Flaw::EndedKey => format!(
            "the key {:?} had been exchanged when it was signed: a person who kept that key signed it, or a process that never got the new one",
            bounded(&read.kid)
        ),
        Flaw::Signature | Flaw::NotAToken if is_cut(token) => report::CUT.to_owned(),
        Flaw::Signature => "its signature is wrong: it was changed, or made without the key".to_owned(),
        // The signature is valid, and only the address differs, for example after a move.
        Flaw::Foreign => {
            let of_there = Signer { issuer: &read.issuer, ..installation.signer(keys) };
            let signed = if read.check(token, of_there).is_ok() { "signed with a key of yours, but made for" } else { "made for" };
            format!("it was {signed} {}, and this site is {}", bounded(&read.issuer), installation.issuer())
        }
        Flaw::Header | Flaw::Claims | Flaw::NotAToken => report::CHANGED.to_owned(),
    }
}

/// Makes a stranger's text safe for a terminal.
fn bounded(text: &str) -> String {
    crate::consent::DisplayText::bounded(text, 200).map_or_else(|| "(nothing)".to_owned(), |text| text.to_string())
}

fn show(report: &InspectReport, format: Format) -> Result<Exit, CommandError> {
    let exit = if report.is_usable() { Exit::Done } else { Exit::Attention };
    printed(output::one(format, report, io::stdout().lock()), exit)
}
