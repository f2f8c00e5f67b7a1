//! `entra-consent remind`: the mail of each link again, for customers who still have to approve.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::exit::{CommandError, DOCTOR, Exit, failed, unusable};
use super::link::Job;
use super::mail::{Locale, MailFolder};
use super::printed;
use super::status::board::{TrackedApproval, TrackedCustomer, TrackedLink};
use super::status::sources::{SourceArgs, is_genuine, span};
use super::terminal::conclude;
use crate::installation::Installation;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/remind.txt"))]
pub(super) struct RemindArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Only approvals whose last step is at least this long ago, such as 7d.
    #[arg(long, value_name = "DAYS", value_parser = span, default_value = "0d", hide_default_value = true)]
    stale: Duration,
    /// The language of the mails: de, en, es, fr, it, nl or pt. A row's column language wins over it.
    #[arg(long, value_name = "TAG", default_value = "en", hide_default_value = true)]
    language: Locale,
    /// Write each mail to a file in this new folder, instead of printing it.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

pub(super) async fn run(installation: &Installation, args: &RemindArgs) -> Result<Exit, CommandError> {
    let board = args.sources.read(installation).await?;
    let keys = installation.keys().await.map_err(|error| failed(format!("No mail was written: {error}."), DOCTOR))?;
    let now = installation.clock.now();
    let folder = args.to.as_ref().map(|path| MailFolder::create(path).map_err(|error| unusable(path.display(), &error)));
    let folder = folder.transpose()?;
    let (mut text, mut mails, mut problems) = (String::new(), 0_u64, Vec::new());
    for customer in &board.customers {
        let due = customer.approvals.iter().filter(|approval| approval.is_stale(args.stale, now));
        let links: BTreeMap<String, &TrackedLink> =
            due.filter_map(|due| due.link.as_deref()).map(|link| (link.signed.id.to_string(), link)).collect();
        for (id, link) in links {
            let is_of_link = |approval: &&TrackedApproval| approval.link.as_ref().is_some_and(|known| known.signed.id == link.signed.id);
            let missing = customer.approvals.iter().filter(is_of_link).filter(|approval| approval.is_stale(Duration::ZERO, now));
            let apps: Vec<_> = missing.filter_map(|approval| installation.config.app(&approval.app)).collect();
            let Some(app) = apps.first().filter(|app| is_genuine(link, app, installation, &keys)) else {
                problems.push(format!("{}: consent.toml has no app of this link, or the link is not genuine.", customer.called()));
                continue;
            };
            let (locale, remark) = locale(customer, args.language);
            problems.extend(remark);
            let TrackedLink { signed, invitation, is_direct: direct, .. } = link;
            let (keys, subject) = (keys.clone(), invitation.subject.clone());
            let job = Job { installation, keys, app, subject, direct: *direct, life: Duration::ZERO };
            let apps: Vec<&str> = apps.iter().map(|app| &*app.profile.name).collect();
            let mail = job.mail(&apps, signed, invitation.label.as_ref(), invitation.reference.as_ref());
            let mail = mail.file(locale, customer.contact.as_deref());
            if mail.to.is_empty() {
                problems.push(format!("{}: the column contact has no mail address.", customer.called()));
            }
            mails += 1;
            match &folder {
                Some(folder) => {
                    let tenant = customer.tenant_id.map(|id| id.to_string()).unwrap_or_default();
                    folder.write(mails, [&tenant, &id], &mail).map_err(|error| unusable("a mail", &error))?;
                }
                None => text.push_str(&format!("To: {}\nSubject: {}\n\n{}\n", mail.to.join(", "), mail.subject, mail.text)),
            }
        }
    }
    let is_dead = |approval: &TrackedApproval| approval.is_missing() && approval.link.as_ref().is_none_or(|link| !link.is_live(now));
    let dead = board.customers.iter().filter(|customer| customer.approvals.iter().any(is_dead)).count();
    if dead > 0 {
        problems.push(format!("Customers without a link that works: {dead}. See `status` and `renew`."));
    }
    let exit = if problems.is_empty() { Exit::Done } else { Exit::Attention };
    problems.push(match &args.to {
        Some(path) => format!("Mails: {mails}, in {}.", path.display()),
        None => format!("Mails: {mails}."),
    });
    conclude(exit, &problems.join("\n"));
    let mut out = std::io::stdout().lock();
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()), exit)
}

/// The language of a customer's mail, and a remark if there are no sentences in the language of the row.
fn locale(customer: &TrackedCustomer, default: Locale) -> (Locale, Option<String>) {
    match customer.language.as_deref().map(str::parse) {
        None => (default, None),
        Some(Ok(locale)) => (locale, None),
        Some(Err(error)) => (default, Some(format!("{}: {error}. The mail is in the language of --language.", customer.called()))),
    }
}
