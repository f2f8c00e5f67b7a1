//! `entra-consent renew`: other links for those that end soon, in a copy of the table.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::bulk::table::MARK;
use super::csv_safe::safe_cell;
use super::exit::{CommandError, DOCTOR, Exit, failed, unusable, usage};
use super::link::{EXPIRES, Job, LINK, LINK_ID, MADE, MAIL_SUBJECT, MAIL_TEXT, PROBLEM, STATUS};
use super::printed;
use super::status::board::TrackedLink;
use super::status::sources::{SourceArgs, apps_of, is_genuine, open_table, read_link, span};
use super::terminal::conclude;
use super::timestamp::exact;
use crate::consent::TokenId;
use crate::env::moment;
use crate::file::{self, Readers};
use crate::installation::{Installation, SignedLink};
use crate::token::Invitation;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/renew.txt"))]
pub(super) struct RenewArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Replace links that have ended, or end within this time.
    #[arg(long, value_name = "DAYS", value_parser = span, default_value = "7d")]
    within: Duration,
    /// Replace only the links of customers who asked for another one, also links that have ended.
    #[arg(long, conflicts_with = "within")]
    asked: bool,
    /// How many days the new links can be used. Default: `links.invitation` of the configuration.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=super::link::MOST_DAYS))]
    days: Option<u64>,
    /// Where the first table of --from goes, with the new links.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub(super) async fn run(installation: &Installation, args: &RenewArgs) -> Result<Exit, CommandError> {
    let board = args.sources.read(installation).await?;
    let keys = installation.keys().await.map_err(|error| failed(format!("No link was made: {error}."), DOCTOR))?;
    let life = args.days.map_or(installation.config.links.invitation, |days| Duration::from_secs(days * 86_400));
    let now = installation.clock.now();
    let table = open_table(args.sources.first())?;
    let columns = table.columns().clone();
    let place = |name: &str| columns.position(name);
    if [LINK, LINK_ID, EXPIRES].into_iter().any(|name| place(name).is_none()) {
        return Err(usage(
            format!("{} is no table of links.", args.sources.first().display()),
            "--from with the table that `link --to` wrote",
        ));
    }
    let mut csv = csv::WriterBuilder::new().delimiter(table.delimiter()).from_writer(MARK.to_vec());
    let unwritten = |error: csv::Error| unusable(args.to.display(), &error.into());
    csv.write_record(columns.names().map(|name| safe_cell(name).into_owned())).map_err(unwritten)?;
    // A link of several apps has several rows in a table of `status`.
    let mut renewed: BTreeMap<String, SignedLink<String>> = BTreeMap::new();
    let (mut old, mut problems) = (Vec::<TokenId>::new(), Vec::new());
    for row in table {
        let row = row.map_err(|error| error.into_command().ending(Exit::Failed))?;
        let mut cells: Vec<String> = row.cells.iter().map(|cell| safe_cell(cell).into_owned()).collect();
        let link = place(LINK).and_then(|at| row.cells.get(at)).and_then(|address| read_link(address, installation));
        let is_due = |link: &TrackedLink| args.asked || link.ends() - now < args.within;
        if let Some(link) = link.filter(|link| is_due(link) && !link.is_revoked && board.waits_for(link.signed.id, args.asked)) {
            let app = apps_of(&link.invitation.subject, installation).iter().find_map(|app| installation.config.app(app));
            let Some(app) = app.filter(|app| is_genuine(&link, app, installation, &keys)) else {
                problems.push(format!("row {}: consent.toml has no app of this link, or the link is not genuine.", row.number));
                csv.write_record(&cells).map_err(unwritten)?;
                continue;
            };
            let old_id = link.signed.id;
            let new = match renewed.entry(old_id.to_string()) {
                Entry::Occupied(new) => new.into_mut(),
                Entry::Vacant(place) => {
                    old.extend(Some(old_id).filter(|_| link.is_live(now)));
                    let Invitation { subject, tenant, label, reference, .. } = link.invitation;
                    let job = Job { installation, keys: keys.clone(), app, subject, direct: link.is_direct, life };
                    place.insert(job.sign(tenant, label, reference).map_err(|error| failed(error, DOCTOR))?)
                }
            };
            // The old mail has the old link: `remind` writes the new one.
            for (name, text) in [
                (LINK, new.address.clone()),
                (LINK_ID, new.id.to_string()),
                (EXPIRES, exact(moment(new.expires_at))),
                (STATUS, MADE.to_owned()),
                (PROBLEM, format!("replaces {old_id}")),
                (MAIL_SUBJECT, String::new()),
                (MAIL_TEXT, String::new()),
            ] {
                if let Some(cell) = place(name).and_then(|at| cells.get_mut(at)) {
                    *cell = text;
                }
            }
        }
        csv.write_record(&cells).map_err(unwritten)?;
    }
    let text = csv.into_inner().map_err(|error| unusable(args.to.display(), error.error()))?;
    file::create(&args.to, &String::from_utf8_lossy(&text), Readers::Owner).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => usage(format!("{} exists already.", args.to.display()), "name another file with --to"),
        _ => unusable(args.to.display(), &error),
    })?;
    let exit = if problems.is_empty() { Exit::Done } else { Exit::Attention };
    problems.push(format!("Links replaced: {}, in {}. `remind --from` that table writes the mails.", renewed.len(), args.to.display()));
    let mut lines = String::new();
    if !old.is_empty() {
        let what = "Once the new ones are sent, put this line under [links] in consent.toml:";
        problems.push(format!("Old links that still work: {}. {what}", old.len()));
        let known = installation.config.links.revoked.iter();
        let ids: Vec<String> = known.chain(&old).map(|id| format!("\"{id}\"")).collect();
        lines = format!("revoked = [{}]\n", ids.join(", "));
    }
    conclude(exit, &problems.join("\n"));
    let mut out = std::io::stdout().lock();
    printed(out.write_all(lines.as_bytes()).and_then(|()| out.flush()), exit)
}
