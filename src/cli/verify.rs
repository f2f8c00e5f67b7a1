//! `entra-consent verify`: the state of approvals at Microsoft, for one tenant or very many.

mod engine;
mod records;
mod reported;
mod results;
mod row;
mod subject;
mod summary;

use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, LocalBoxStream, Stream, StreamExt as _};

use self::engine::Engine;
use self::reported::reported;
use self::results::{PreviousRows, Results};
use self::row::Brief;
#[cfg(test)]
pub(super) use self::row::Hints;
pub(super) use self::row::ResultRow;
use self::subject::{AppToCheck, Input, InputTenant};
use self::summary::OutcomeSummary;
use super::bulk::runner::{Going, RetryPolicy, Runner, Stopped};
use super::bulk::throttle::Scope;
use super::customers::{ColumnChoice, CustomerRow, CustomersOfFile, Reading, TableError};
use super::exit::{CommandError, Exit, failed, unusable, usage};
use super::output::{self, Format, Printer};
use super::progress::RunProgress;
use super::report::{self, About};
use super::terminal::complain;
use super::token_from::{Holder, TokenFrom};
use super::{is_read_enough, listed, read_ahead, verifiers_of};
use crate::config::ConfiguredApp;
use crate::consent::{DisplayText, ProfileId};
use crate::entra::discovery::TenantName;
use crate::installation::{BulkVerifier, Installation};

#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("where").required(true).args(["tenant", "from", "from_records"])),
    override_usage = "entra-consent verify [OPTIONS] --tenant <DOMAIN|GUID>
       entra-consent verify [OPTIONS] --from <FILE>
       entra-consent verify [OPTIONS] --from-records <FILE>",
    after_help = include_str!("help/verify.txt")
)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    which: AppChoice,
    /// One tenant: one of its domains, or its id.
    #[arg(long, value_name = "DOMAIN|GUID")]
    tenant: Option<TenantName>,
    /// A table of customers with a column `tenant`; - is standard input.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Which column of the table has a field, by its heading or number: tenant=customerId, label=2.
    #[arg(long, value_name = "FIELD=NAME", requires = "from", conflicts_with_all = ["tenant", "from_records"])]
    column: Vec<ColumnChoice>,
    /// Records, one JSON object a line; - is standard input. Asks about claims that never got a conclusion, and about those whose last
    /// outcome is not the last word.
    #[arg(long, value_name = "FILE")]
    from_records: Option<PathBuf>,
    /// Write the results to this file as CSV: row by row, so that a run that was stopped can go on.
    #[arg(long, value_name = "FILE", conflicts_with = "output")]
    to: Option<PathBuf>,
    /// Go on with the file of --to: rows that it has are not checked again.
    #[arg(long, requires = "to")]
    resume: bool,
    /// How to print the results. [default: table]
    #[arg(long, value_enum)]
    output: Option<Format>,
    /// Write a report for people to this file: one HTML page with everything in it.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

/// Which apps to ask about.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").args(["app", "chain", "all_apps"])))]
pub(super) struct AppChoice {
    /// The app profile, by its id in consent.toml. Several times for several apps.
    #[arg(long)]
    app: Vec<ProfileId>,
    /// All apps of a chain.
    #[arg(long)]
    chain: Option<ProfileId>,
    /// Every app and companion of consent.toml.
    #[arg(long)]
    all_apps: bool,
}

/// With which token to ask, and how patiently.
#[derive(Debug, clap::Args)]
pub(super) struct Asking {
    /// Ask with your own Graph token instead of an app's credential: from the Azure CLI, or from ENTRA_CONSENT_GRAPH_TOKEN.
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(super) token_from: Option<TokenFrom>,
    /// How many tenants are asked at a time.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// How often a tenant that does not answer is asked.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=20))]
    attempts: u32,
    /// How many minutes a tenant may want to be left alone in all; beyond that it is given up as `unavailable`.
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u64).range(0..=1440))]
    patience: u64,
}

pub(super) async fn run(installation: &Installation, args: &VerifyArgs) -> Result<Exit, CommandError> {
    let apps = args.which.apps(installation, args.from_records.is_some())?;
    let asked_with = AskedWith::new(installation, &args.asking, &apps).await?;
    let asked_for = Cell::new(0_u64);
    // The amount of input read so far, in the unit of the progress: bytes of a table, lines of records.
    let read = Cell::new(0_u64);
    // This comes before any file is created: after a mistyped name, an empty file would block the corrected command.
    let (inputs, mut progress) = inputs(installation, args, &apps, &read)?;
    let mut results = ResultOutput::open(args)?;
    let done = std::mem::take(&mut results.done);
    let inputs = what_is_left(inputs, &done, &asked_for);
    let resumed = results.summary.rows();
    let on_row = |row: ResultRow, going: Going| {
        results.take(row).map_err(|error| Stopped::unwritten("the results cannot be written", &error))?;
        progress.at(read.get(), || progress_text(results.summary.rows(), going));
        Ok(())
    };
    let ended = asked_with.run(inputs, on_row).await;
    drop(progress);
    let is_stopped = ended.is_err();
    let apps: Vec<&str> = apps.iter().map(|app| &*app.profile.name).collect();
    let about = About { operator: &installation.config.site.operator, apps: &apps, at: installation.clock.now(), is_stopped };
    let summary = results.finish(args, &about)?;
    let rows = summary.rows();
    let way_on = || match &args.to {
        Some(to) => format!("the same command with --resume, which goes on: {rows} rows are in {}", to.display()),
        None => "--to FILE, with which a run that is stopped can go on".to_owned(),
    };
    match ended {
        Ok(()) => {}
        // `Done` would promise that every tenant was checked and has granted.
        Err(Stopped::ReadEnough) => return Ok(Exit::Attention),
        Err(Stopped::Interrupted) => return Err(usage("Stopped.", way_on()).ending(Exit::Interrupted)),
        Err(Stopped::Failed(error)) if error.exit == Exit::Failed => {
            return Err(CommandError { remedy: format!("{}; {}", error.remedy, way_on()), ..error });
        }
        // The message does not suggest `--resume`, because the same command would fail here again.
        Err(Stopped::Failed(error)) => return Err(error),
    }
    let (asked_for, accounted) = (asked_for.get(), rows - resumed);
    if accounted != asked_for {
        let what = format!("{asked_for} rows were read and {accounted} are accounted for: this is a fault of this program");
        return Err(failed(what, "report it, and run the same command with --to a new file"));
    }
    Ok(match rows {
        all if all == summary.granted() => Exit::Done,
        all if all == summary.unasked() => Exit::Failed,
        _ => Exit::Attention,
    })
}

/// The results of a table's customers, in the order of the table. `asking` says how to ask.
///
/// # Errors
/// As [`run`]; nothing is asked or printed then.
pub(super) async fn rows(
    installation: &Installation,
    apps: &[&ConfiguredApp],
    asking: &Asking,
    from: &Path,
    column: &[ColumnChoice],
) -> Result<Vec<ResultRow>, CommandError> {
    let asked_with = AskedWith::new(installation, asking, apps).await?;
    let read = Cell::new(0_u64);
    let (inputs, mut progress) = table(installation, from, column, apps, &read)?;
    let mut rows = Vec::new();
    let on_row = |row: ResultRow, going: Going| {
        rows.push(row);
        progress.at(read.get(), || progress_text(u64::try_from(rows.len()).unwrap_or(u64::MAX), going));
        Ok(())
    };
    asked_with.run(inputs, on_row).await.map_err(|stopped| match stopped {
        Stopped::Failed(error) => error,
        Stopped::Interrupted | Stopped::ReadEnough => usage("Stopped.", "the same command again").ending(Exit::Interrupted),
    })?;
    drop(progress);
    rows.sort_by(|one, other| (one.row, &one.app).cmp(&(other.row, &other.app)));
    Ok(rows)
}

/// The credentials or the token, and the runner that limits the requests.
struct AskedWith<'s> {
    installation: &'s Installation,
    bulk_verifier: BulkVerifier<'s>,
    holder: Option<Holder>,
    runner: Runner,
}

impl<'s> AskedWith<'s> {
    async fn new(installation: &'s Installation, asking: &Asking, apps: &[&ConfiguredApp]) -> Result<Self, CommandError> {
        let holder = asking.token_from.map(Holder::new).transpose()?;
        let concurrency = usize::from(asking.concurrency);
        let bulk_verifier = installation.bulk_verifier(concurrency.saturating_mul(2));
        if holder.is_none() {
            check_credentials(installation, &bulk_verifier, apps).await?;
        }
        let policy = RetryPolicy { attempts: asking.attempts, patience: Duration::from_secs(asking.patience.saturating_mul(60)) };
        Ok(Self { installation, bulk_verifier, holder, runner: Runner::new(Scope::Tenant, concurrency, policy) })
    }

    /// Asks about all inputs.
    async fn run<'i>(
        &'i self,
        inputs: impl Stream<Item = Result<Input<'i>, Stopped>>,
        on_row: impl FnMut(ResultRow, Going) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let Self { installation, bulk_verifier, holder, runner } = self;
        Engine { installation, bulk_verifier, holder: holder.as_ref(), runner, on_row: RefCell::new(on_row) }.run(inputs).await
    }
}

impl AppChoice {
    /// The apps to check. Records name their apps themselves, so they need no choice.
    pub(super) fn apps<'s>(&self, installation: &'s Installation, is_of_records: bool) -> Result<Vec<&'s ConfiguredApp>, CommandError> {
        let config = &installation.config;
        let with_id = |id: &ProfileId| super::app(config, id);
        let apps: Vec<&ConfiguredApp> = if let Some(id) = &self.chain {
            super::chain(config, id)?.steps.iter().map(with_id).collect::<Result<_, _>>()?
        } else if self.all_apps || (is_of_records && self.app.is_empty()) || config.apps.len() == 1 {
            config.apps.iter().collect()
        } else if self.app.is_empty() {
            let all = listed(config.apps.iter().map(|app| &app.profile.id));
            return Err(usage(format!("Which app? consent.toml has: {all}."), "add --app ID, --chain ID or --all-apps"));
        } else {
            let mut ids = self.app.clone();
            ids.sort();
            ids.dedup();
            ids.iter().map(with_id).collect::<Result<_, _>>()?
        };
        let of_one_cloud = apps.windows(2).all(|pair| matches!(pair, [one, other] if one.profile.cloud == other.profile.cloud));
        if !of_one_cloud && !is_of_records {
            return Err(usage(
                "These apps are in more than one cloud, and a tenant is in one.",
                "ask about the apps of each cloud by themselves, with --app",
            ));
        }
        Ok(apps)
    }
}

/// Reports an unreadable credential once, before the first check.
async fn check_credentials(
    installation: &Installation,
    bulk_verifier: &BulkVerifier<'_>,
    apps: &[&ConfiguredApp],
) -> Result<(), CommandError> {
    for verifier in verifiers_of(&installation.config, apps) {
        if bulk_verifier.check_credential(verifier).await.is_err() {
            let place = match verifier.credential.as_ref().map(crate::config::CredentialSource::kept_in) {
                Some(Some(place)) => format!("It is in {place}."),
                Some(None) => "AWS has to vouch for this process.".to_owned(),
                None => "It has none.".to_owned(),
            };
            let what = format!("Microsoft was not asked: the credential of `{}` cannot be read or used. {place}", verifier.profile.id);
            return Err(failed(what, "--verbose, which shows why; with --token-from no credential is needed"));
        }
    }
    Ok(())
}

type Inputs<'s> = LocalBoxStream<'s, Result<Input<'s>, Stopped>>;

/// The tenants to check, read on demand, and the progress of reading them.
fn inputs<'s>(
    installation: &'s Installation,
    args: &'s VerifyArgs,
    apps: &[&'s ConfiguredApp],
    read: &'s Cell<u64>,
) -> Result<(Inputs<'s>, RunProgress), CommandError> {
    if let Some(tenant) = &args.tenant {
        let subject = InputTenant {
            row: 1,
            written: tenant.to_string().into(),
            tenant: Some(tenant.clone()),
            label: None,
            reference: None,
            contact: None,
            language: None,
        };
        Ok((stream::iter([Ok(Input { subject, asked: fresh(apps), problem: None })]).boxed_local(), RunProgress::new(None)))
    } else if let Some(path) = &args.from {
        table(installation, path, &args.column, apps, read)
    } else if let Some(path) = &args.from_records {
        of_records(installation, path, apps, args.which.app.is_empty() && args.which.chain.is_none(), read)
    } else {
        Err(usage("--tenant, --from or --from-records is needed", "entra-consent verify --help"))
    }
}

/// The inputs that an earlier run did not finish. `asked_for` counts the rows that complete results must have.
fn what_is_left<'s>(
    all: Inputs<'s>,
    done: &'s PreviousRows,
    asked_for: &'s Cell<u64>,
) -> impl Stream<Item = Result<Input<'s>, Stopped>> + 's {
    let left = move |mut input: Input<'s>| {
        let tenant = &input.subject.written;
        let mut changed = Ok(());
        input.asked.retain(|one| {
            let app = one.id.as_str();
            // Records grow, so the line of a tenant's last claim changes. Its tenant and app stay the same, so only these are compared.
            if one.claim.is_some() {
                return !done.has_anywhere(app, tenant);
            }
            let is_done = done.has(input.subject.row, app, tenant);
            let is_left = matches!(is_done, Ok(false));
            changed = std::mem::replace(&mut changed, Ok(())).and(is_done.map(drop));
            is_left
        });
        changed?;
        asked_for.set(asked_for.get() + u64::try_from(input.asked.len()).unwrap_or(u64::MAX));
        Ok((!input.asked.is_empty()).then_some(input))
    };
    all.filter_map(move |input| std::future::ready(input.and_then(left).transpose()))
}

fn fresh<'s>(apps: &[&'s ConfiguredApp]) -> Vec<AppToCheck<'s>> {
    apps.iter().map(|app| AppToCheck::of(app)).collect()
}

/// The customers of a table, read on demand.
fn table<'s>(
    installation: &Installation,
    path: &Path,
    column: &[ColumnChoice],
    apps: &[&'s ConfiguredApp],
    read: &'s Cell<u64>,
) -> Result<(Inputs<'s>, RunProgress), CommandError> {
    let reading = Reading { choices: column.to_vec(), home: installation.config.site.home_tenant };
    let customers = CustomersOfFile::open(path, &reading).map_err(|error| match error.into_command() {
        error if error.exit == Exit::Usage => error.ending(Exit::Failed),
        error => error,
    })?;
    Ok((of_table(path, customers, apps.to_vec(), read), RunProgress::of_file(path)))
}

fn of_table<'s>(path: &Path, customers: CustomersOfFile, apps: Vec<&'s ConfiguredApp>, position: &'s Cell<u64>) -> Inputs<'s> {
    let columns = customers.columns().clone();
    let read = move |row: Result<CustomerRow, TableError>| {
        let CustomerRow { number: row, cells, customer, warning, ends_at, .. } =
            row.map_err(|error| error.into_command().ending(Exit::Failed))?;
        position.set(ends_at);
        if let Some(warning) = warning {
            complain(&format!("row {row}: {warning}."));
        }
        let cell = |column| DisplayText::from_untrusted(columns.cell_of(column, &cells)).map(|text| text.as_str().into());
        let (subject, problem) = match customer {
            Ok(customer) => {
                let label = customer.label.map(|label| label.as_str().into());
                let reference = customer.reference.map(|reference| reference.as_str().into());
                let (written, contact) = (customer.tenant.to_string().into(), cell("contact"));
                let language = customer.language;
                (InputTenant { row, written, tenant: Some(customer.tenant), label, reference, contact, language }, None)
            }
            Err(error) => {
                let written = cell("tenant").unwrap_or_default();
                let (label, contact) = (cell("label"), cell("contact"));
                (InputTenant { row, written, tenant: None, label, reference: None, contact, language: None }, Some(error))
            }
        };
        Ok(Input { subject, asked: fresh(&apps), problem })
    };
    read_ahead::read(path, customers).map(read).boxed_local()
}

/// The claims that the records leave open. Reads all records first, because a later line may close an earlier claim.
fn of_records<'s>(
    installation: &'s Installation,
    path: &Path,
    apps: &[&'s ConfiguredApp],
    is_all: bool,
    position: &'s Cell<u64>,
) -> Result<(Inputs<'s>, RunProgress), CommandError> {
    let unread = |error: io::Error| unusable(path.display(), &error);
    let opened = if path.as_os_str() == "-" {
        records::read(io::stdin().lock(), installation.clock.now())
    } else {
        std::fs::File::open(path).and_then(|file| records::read(BufReader::new(file), installation.clock.now()))
    };
    let opened = opened.map_err(unread)?;
    let records::OpenClaims { open, closed, without_tenant, counts } = opened;
    let claims: u64 = open.values().map(|open| open.claims).sum();
    say!(
        "{} lines: {} of claims and outcomes, {} other records, {} that are not records of this program.",
        counts.lines,
        counts.of_tickets,
        counts.other,
        counts.foreign
    );
    say!("{claims} claims need a check, in {} tenants and apps. {closed} are final.", open.len());
    if without_tenant > 0 {
        say!("{without_tenant} came from links for any tenant, so no tenant can be asked about them.");
    }
    let apps = apps.to_vec();
    let length = u64::try_from(open.len()).ok();
    let inputs = open.into_iter().filter_map(move |((tenant, id), open)| {
        position.set(position.get() + 1);
        let subject = InputTenant {
            row: open.line,
            written: tenant.to_string().into(),
            tenant: Some(TenantName::Id(tenant)),
            label: open.label,
            reference: open.reference,
            contact: None,
            language: None,
        };
        let app = apps.iter().copied().find(|app| app.profile.id == id);
        let problem = app.is_none().then(|| format!("consent.toml has no app `{id}` any more"));
        let asked = match app {
            Some(app) => AppToCheck { id, app: Some(app), claim: Some(open.remembered) },
            None if is_all => AppToCheck { id, app: None, claim: Some(open.remembered) },
            None => return None,
        };
        Some(Ok(Input { subject, asked: vec![asked], problem }))
    });
    Ok((stream::iter(inputs).boxed_local(), RunProgress::new(length)))
}

/// The destinations of rows.
struct ResultOutput {
    output: Output,
    done: PreviousRows,
    /// The rows of the report.
    report: Option<Vec<ResultRow>>,
    summary: OutcomeSummary,
}

enum Output {
    /// The rows to print at the end, in the order of the input.
    Table(Vec<ResultRow>),
    Stream(Printer<BufWriter<io::Stdout>>),
    File(Results),
}

impl ResultOutput {
    fn open(args: &VerifyArgs) -> Result<Self, CommandError> {
        let mut report = args.report.as_ref().map(|_| Vec::new());
        if let Some(path) = &args.report {
            // A report that cannot be written must not cost a run.
            crate::file::nameless(path).map_err(|error| unusable(path.display(), &error))?;
        }
        let mut summary = OutcomeSummary::default();
        let mut done = PreviousRows::default();
        let output = match (&args.to, args.output.unwrap_or(Format::Table)) {
            (Some(path), _) if args.resume => {
                let (results, previous) = Results::resume(path, |row| {
                    summary.add(&row);
                    report.iter_mut().for_each(|rows| rows.push(row.clone()));
                })?;
                done = previous;
                Output::File(results)
            }
            (Some(path), _) => Output::File(Results::create(path)?),
            (None, Format::Table) => Output::Table(Vec::new()),
            (None, format) => Output::Stream(
                Printer::new::<ResultRow>(format, BufWriter::new(io::stdout())).map_err(|error| unusable("standard output", &error))?,
            ),
        };
        Ok(Self { output, done, report, summary })
    }

    fn take(&mut self, row: ResultRow) -> io::Result<()> {
        self.summary.add(&row);
        self.report.iter_mut().for_each(|rows| rows.push(row.clone()));
        match &mut self.output {
            Output::Table(rows) => rows.push(row),
            Output::Stream(printer) => printer.row(&row)?,
            Output::File(results) => results.write(&row)?,
        }
        Ok(())
    }

    /// Finishes all outputs, and prints the counts on standard error.
    fn finish(self, args: &VerifyArgs, about: &About<'_>) -> Result<OutcomeSummary, CommandError> {
        let Self { output, report, summary, .. } = self;
        let printed = match output {
            Output::File(_) => Ok(()),
            Output::Stream(printer) => printer.finish(),
            Output::Table(rows) => print_table(rows, args.tenant.is_some()),
        };
        match printed {
            Err(error) if !is_read_enough(&error) => return Err(unusable("the results cannot be written", &error)),
            Ok(()) | Err(_) => {}
        }
        if let (Some(rows), Some(path)) = (report, &args.report) {
            report::write(path, about, &reported(rows)).map_err(|error| unusable(path.display(), &error))?;
            say!("The report is in {}.", path.display());
        }
        if args.tenant.is_none() {
            say!("{}", summary.text(about.is_stopped));
        }
        Ok(summary)
    }
}

/// A single row in full, or a table in the order of the input.
fn print_table(mut rows: Vec<ResultRow>, in_full: bool) -> io::Result<()> {
    rows.sort_by(|one, other| (one.row, &one.app).cmp(&(other.row, &other.app)));
    let mut out = BufWriter::new(io::stdout());
    match rows.as_slice() {
        [] => Ok(()),
        [row] if in_full => {
            let (line, ..) = summary::meaning(&row.outcome);
            row::write_in_full(&mut out, row, line)?;
            out.flush()
        }
        _ => output::all(Format::Table, &rows.into_iter().map(Brief).collect::<Vec<_>>(), out),
    }
}

fn progress_text(rows: u64, going: Going) -> String {
    let waiting = if going.waiting > 0 { format!(", {} wait to be asked again", going.waiting) } else { String::new() };
    let held = going.pause.map(|held| format!("; Microsoft throttles: all wait for {} s", held.as_secs())).unwrap_or_default();
    format!("{rows} done{waiting}{held}")
}
