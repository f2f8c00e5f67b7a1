//! Where `status`, `remind` and `renew` learn the state of approvals: tables of this program, records, and the store of `serve`.

use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::board::{Board, Step, TrackedCustomer, TrackedLink};
use crate::aws::{AwsClients, logs};
use crate::cli::customers::{CustomerRow, CustomersOfFile, Reading};
use crate::cli::exit::{CommandError, Exit, failed, unusable, usage};
use crate::cli::link::{LINK, PROBLEM, TENANT_ID};
use crate::cli::record_lines::{ReadRecord, for_each_line};
use crate::config::{ConfiguredApp, parse_duration};
use crate::consent::{DisplayText, Expectation, ExpectedTenant, Label, ProfileId, Reference, TenantId, TenantStatus};
use crate::env::Roots;
use crate::installation::{Installation, SignedLink};
use crate::record::SCHEMA;
use crate::serve::store::last_statements;
use crate::token::unchecked::{Said, Unchecked};
use crate::token::{Invitation, KeyRing, Subject, Ticket};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SourceArgs {
    /// A table that `link`, `verify`, `status` or `renew` wrote. Several times for several tables.
    #[arg(long, value_name = "FILE", required = true)]
    from: Vec<PathBuf>,
    /// Records, one JSON object a line; - is standard input. Several times for several files.
    #[arg(long, value_name = "FILE")]
    records: Vec<PathBuf>,
    /// Read the records from this log group of CloudWatch Logs. Several times for several groups.
    #[arg(long, value_name = "NAME")]
    log_group: Vec<String>,
    /// How far back to read a log group.
    #[arg(long, value_name = "DAYS", default_value = "90d", value_parser = span)]
    since: Duration,
    /// Read the last outcomes from the store of `serve`.
    #[arg(long)]
    store: bool,
}

/// The number of lines of each kind.
#[derive(Debug, Default)]
struct LineCounts {
    lines: u64,
    known: u64,
    foreign: u64,
}

/// Reads a span such as `7d` or `12h`.
///
/// # Errors
/// The text for the command line.
pub(in crate::cli) fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a number and a unit: 7d, 12h or 90m".to_owned())
}

impl SourceArgs {
    /// The first table.
    pub(in crate::cli) fn first(&self) -> &Path {
        self.from.first().map_or(Path::new(""), |path| path)
    }

    /// Reads all sources.
    ///
    /// # Errors
    /// [`CommandError`] of the first source that cannot be read.
    pub(in crate::cli) async fn read(&self, installation: &Installation) -> Result<Board, CommandError> {
        let mut board = Board::default();
        for path in &self.from {
            read_table(&mut board, path, installation)?;
        }
        let mut counts = LineCounts::default();
        for path in &self.records {
            let read = if path.as_os_str() == "-" {
                read_records(&mut board, io::stdin().lock(), &mut counts)
            } else {
                std::fs::File::open(path).and_then(|file| read_records(&mut board, BufReader::new(file), &mut counts))
            };
            read.map_err(|error| unusable(path.display(), &error))?;
        }
        if self.store {
            let what = "consent.toml has no [store], so there is no store to read.";
            let path = installation.config.store.as_ref().ok_or_else(|| usage(what, "--records, with the records of the service"))?;
            for (subject, last) in last_statements(path).map_err(|error| failed(error, "check the file of store.path"))? {
                let of_app = |client: &str| installation.config.apps.iter().find(|app| app.profile.client_id.to_string() == client);
                let Some((tenant, client)) = subject.split_once('/') else { continue };
                if let (Ok(tenant), Some(app)) = (TenantId::parse(tenant), of_app(client)) {
                    board.conclude(tenant, &app.profile.id, TenantStatus::Outcome(last.outcome), last.as_of);
                }
            }
        }
        let clients = AwsClients::at_a_terminal(Roots::Platform);
        for group in &self.log_group {
            let since = (installation.clock.now() - self.since).unix_timestamp().saturating_mul(1_000);
            let read =
                logs::read(&clients, group, SCHEMA, since, |line| take_line(&mut board, &mut counts, ReadRecord::parse(line.as_bytes())));
            read.await.map_err(|error| {
                failed(format!("the log group {group} cannot be read: {error}"), "check the name, the region and the AWS credentials")
            })?;
        }
        if counts.lines > 0 {
            let LineCounts { lines, known, foreign } = counts;
            let other = lines - known - foreign;
            say!("{lines} lines: {known} records of these customers, {other} other records, {foreign} that are no records of ours.");
        }
        Ok(board)
    }
}

fn read_records(board: &mut Board, source: impl io::BufRead, counts: &mut LineCounts) -> io::Result<()> {
    for_each_line(source, |_, record| take_line(board, counts, record))
}

fn take_line(board: &mut Board, counts: &mut LineCounts, record: Option<ReadRecord>) {
    counts.lines += 1;
    match record {
        None => counts.foreign += 1,
        Some(record) => counts.known += u64::from(board.take(&record)),
    }
}

/// Reads a link of a table, without a check of its signature.
pub(in crate::cli) fn read_link(address: &str, installation: &Installation) -> Option<TrackedLink> {
    let token = token_of(address)?;
    let Unchecked { id, issued_at, expires_at, said, .. } = Unchecked::read(&token).ok()?;
    let (invitation, is_direct) = match said {
        Said::Invitation(invitation) => (invitation, false),
        Said::Ticket(Ticket { expectation: Expectation { app, tenant, label, reference, .. }, .. }) => {
            (Invitation { id, issued_at, expires_at, subject: Subject::App(app), tenant, label, reference }, true)
        }
        Said::Receipt(_) | Said::Order(_) => return None,
    };
    let is_revoked = installation.is_taken_back(&[id], issued_at);
    Some(TrackedLink { signed: SignedLink { id, expires_at, address: address.to_owned() }, invitation, is_direct, is_revoked })
}

fn token_of(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let state = url.query_pairs().find(|(name, _)| name == "state").map(|(_, state)| state.into_owned());
    state.or_else(|| Some(url.path_segments()?.next_back()?.to_owned()))
}

/// Whether this installation made a link, address included. A person may have changed the table.
pub(in crate::cli) fn is_genuine(link: &TrackedLink, app: &ConfiguredApp, installation: &Installation, keys: &KeyRing) -> bool {
    token_of(&link.signed.address).is_some_and(|token| {
        let address = match link.is_direct {
            true => installation.consent_address(app, link.invitation.tenant, &token).into(),
            false => format!("{}/i/{token}", installation.issuer()),
        };
        let is_signed = |read: Unchecked| read.check(&token, installation.signer(keys)).is_ok();
        address == link.signed.address && Unchecked::read(&token).is_ok_and(is_signed)
    })
}

/// The apps of a link, in the order of their chain.
pub(in crate::cli) fn apps_of(subject: &Subject, installation: &Installation) -> Vec<ProfileId> {
    match subject {
        Subject::App(app) => vec![app.clone()],
        Subject::Chain(id) => installation.config.chain(id).map_or_else(|| vec![id.clone()], |chain| chain.steps.to_vec()),
    }
}

/// Opens a table of this program.
///
/// # Errors
/// [`CommandError`].
pub(in crate::cli) fn open_table(path: &Path) -> Result<CustomersOfFile, CommandError> {
    // The customers' own headings may be unclear. Then the columns of `link` count.
    let choices = ["tenant=tenant_id", "label=tenant_id"].iter().filter_map(|choice| choice.parse().ok()).collect();
    let by_ours = || CustomersOfFile::open_written(path, &Reading { choices, home: None });
    CustomersOfFile::open_written(path, &Reading::default())
        .or_else(|error| by_ours().map_err(|_| error))
        .map_err(|error| error.into_command().ending(Exit::Usage))
}

fn read_table(board: &mut Board, path: &Path, installation: &Installation) -> Result<(), CommandError> {
    let table = open_table(path)?;
    let columns = table.columns().clone();
    let cell = |name: &str, cells: &csv::StringRecord| {
        let place = columns.place_of(name).or_else(|| columns.position(name));
        let cell = place.and_then(|at| cells.get(at)).unwrap_or_default();
        DisplayText::from_untrusted(cell.trim()).map(|text| Box::<str>::from(text.as_str()))
    };
    // Rows without a link are for the apps of the table's other rows.
    let (mut without, mut apps_of_table) = (Vec::new(), Vec::<ProfileId>::new());
    for row in table {
        let CustomerRow { number, cells, .. } = row.map_err(|error| error.into_command().ending(Exit::Failed))?;
        let text = |name: &str| cell(name, &cells);
        let link = columns.position(LINK).and_then(|at| cells.get(at)).and_then(|address| read_link(address, installation));
        let tenant_id = link.as_ref().and_then(|link| match link.invitation.tenant {
            ExpectedTenant::Tenant(tenant) => Some(tenant),
            ExpectedTenant::Any => None,
        });
        let tenant_id = tenant_id.or_else(|| [TENANT_ID, "tenant"].into_iter().find_map(|name| TenantId::parse(&text(name)?).ok()));
        // A spreadsheet may have changed the cells, but not the link.
        let signed = |text: fn(&Invitation) -> Option<&str>| link.as_ref().and_then(|link| text(&link.invitation)).map(Box::<str>::from);
        let customer = board.customer(TrackedCustomer {
            tenant: text("tenant").unwrap_or_else(|| format!("row {number} of {}", path.display()).into()),
            tenant_id,
            label: signed(|invitation| invitation.label.as_ref().map(Label::as_str)).or_else(|| text("label")).or_else(|| text("name")),
            reference: signed(|invitation| invitation.reference.as_ref().map(Reference::as_str)).or_else(|| text("reference")),
            contact: text("contact"),
            language: text("language"),
            approvals: Vec::new(),
        });
        let app = text("app").and_then(|app| ProfileId::parse(&app).ok());
        match link {
            Some(link) => {
                let apps = app.clone().map_or_else(|| apps_of(&link.invitation.subject, installation), |app| vec![app]);
                apps_of_table.extend(apps.iter().filter(|app| !apps_of_table.contains(app)).cloned().collect::<Vec<_>>());
                board.link(customer, link, apps);
            }
            None if app.is_none() => without.push((customer, text(PROBLEM))),
            None => {}
        }
        if let Some(approval) = app.and_then(|app| board.approval(customer, &app)) {
            let at = |name| OffsetDateTime::parse(&text(name)?, &Rfc3339).ok();
            let status = text("outcome").and_then(|outcome| TenantStatus::named(&outcome));
            if let (Some(status), Some(at)) = (status, at("checked_at")) {
                approval.conclude(status, at);
            }
            for step in [Step::Seen, Step::Started, Step::Returned] {
                at(step.name()).into_iter().for_each(|at| approval.note(step, at));
            }
            at("asked").into_iter().for_each(|at| approval.ask(at));
            approval.last_step = approval.last_step.max(at("last_step_at"));
        }
    }
    if apps_of_table.is_empty() && !without.is_empty() {
        let remedy = "the table that `link --to` or `verify --to` wrote";
        return Err(usage(format!("{} has neither links nor outcomes.", path.display()), remedy));
    }
    for (customer, problem) in without {
        for app in &apps_of_table {
            if let Some(approval) = board.approval(customer, app) {
                approval.problem = problem.clone();
            }
        }
    }
    Ok(())
}
