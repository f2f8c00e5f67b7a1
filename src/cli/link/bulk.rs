//! Links for every row of a table. Rows keep the table's order. Each row passes these steps: look up the previous run, find the tenant,
//! sign the link, compose the mail, add a remark, write, count.

use std::io;
use std::path::Path;
use std::pin::Pin;

use futures_util::future::{Either, Ready, ready};
use futures_util::stream::StreamExt as _;

use super::LinkArgs;
use super::csv_output::Layout;
use super::job::Job;
use super::previous_run::PreviousRun;
use super::row::{LinkRow, RowState};
use super::summary::{RecentTenants, Summary};
use crate::cli::bulk::runner::{Attempt, RetryPolicy, Runner, Stopped, for_each};
use crate::cli::bulk::table::{Flush, Shape, Table, Unfinished};
use crate::cli::bulk::throttle::Scope;
use crate::cli::customers::{Customer, CustomerRow, CustomersOfFile, Reading, TableError};
use crate::cli::exit::{CommandError, Exit, usage};
use crate::cli::mail::MailFolder;
use crate::cli::progress::RunProgress;
use crate::cli::read_ahead;
use crate::consent::{ExpectedTenant, TenantId};
use crate::entra::discovery::{DiscoveredTenant, TenantName, Undiscovered};

/// Rows in progress for each concurrent request. Rows are written in order, so one slow answer would block the others without this buffer.
const AHEAD: usize = 8;

pub(super) async fn run(job: &Job<'_>, from: &Path, args: &LinkArgs) -> Result<Exit, CommandError> {
    let destination = args.to.as_deref().map(Unfinished::new);
    let begun = destination.as_ref().is_some_and(|to| to.part.exists());
    let runner = Runner::new(Scope::Service, usize::from(args.concurrency), RetryPolicy::default());
    let apps = job.app_names();
    let reading = Reading { choices: args.column.clone(), home: job.installation.config.site.home_tenant };
    let run = BulkRun { job, apps, runner: &runner, from, to: destination.as_ref(), args, reading };
    match run.tables().await {
        Ok(summary) => Ok(summary.conclude(from, destination.as_ref().map(|to| (&*to.whole, &*to.part)))),
        // `Done` would promise that all links were made.
        Err(Stopped::ReadEnough | Stopped::Interrupted) => Ok(Exit::Attention),
        Err(Stopped::Failed(mut error)) => {
            // Removes the partial table after a usage error, because the corrected command would refuse to overwrite it.
            if let (Exit::Usage, Some(to), false) = (error.exit, &destination, begun)
                && let Err(kept) = to.discard()
            {
                error.message.push_str(&format!("\nDelete {} before you try again: {kept}.", to.part.display()));
            }
            Err(error)
        }
    }
}

type OnItsWay<'f> = Either<Ready<Result<LinkRow, Stopped>>, Pin<Box<dyn Future<Output = Result<LinkRow, Stopped>> + 'f>>>;

/// Writes the mail of a row, or removes the one of an earlier run.
fn keep_mail(mails: &MailFolder, row: u64, state: &RowState) -> io::Result<()> {
    match state {
        RowState::Linked { tenant, link, mail: Some(mail), .. } => {
            mails.write(row, [&tenant.to_string(), &link.id.to_string()], &mail.file)
        }
        // The interrupted run wrote the mail.
        RowState::Written { .. } => Ok(()),
        RowState::Linked { .. } | RowState::Dead { .. } | RowState::Failed { .. } => mails.remove(row),
    }
}

/// What all rows of a run have in common.
struct BulkRun<'r> {
    job: &'r Job<'r>,
    apps: Vec<&'r str>,
    runner: &'r Runner,
    from: &'r Path,
    to: Option<&'r Unfinished>,
    args: &'r LinkArgs,
    reading: Reading,
}

impl BulkRun<'_> {
    /// The first pass copies the rows of an interrupted run unchanged, so that another interruption loses little work. If some of these
    /// rows have no link or have changed, a second pass over the complete table handles them. Both passes share the throttle.
    async fn tables(&self) -> Result<Summary, Stopped> {
        let first = self.table().await?;
        // A second pass is impossible for input from a pipe, which cannot be read again.
        if first.interrupted || !first.is_stale() || !self.from.is_file() {
            return Ok(first);
        }
        Ok(self.table().await?.after(&first))
    }

    async fn table(&self) -> Result<Summary, Stopped> {
        let Self { job, from, to, args, .. } = self;
        let same = |to: &Path| matches!((from.canonicalize(), to.canonicalize()), (Ok(from), Ok(to)) if from == to);
        if to.is_some_and(|to| same(&to.whole) || same(&to.part)) {
            return Err(usage("--from and --to are the same file", "another file with --to").into());
        }
        let customers = CustomersOfFile::open(from, &self.reading).map_err(TableError::into_command)?;
        let layout = Layout::new(&from.display().to_string(), customers.columns(), args.mail)?;
        let (mut previous, mut table) = self.open(&layout, &customers)?;
        let columns = customers.columns().clone();
        let mails = to.filter(|_| args.mail).map(|to| MailFolder::next_to(&to.whole));
        let mut progress = RunProgress::of_file(from);
        let (mut summary, mut met) = (Summary::default(), RecentTenants::default());
        let line = |row: Result<CustomerRow, TableError>| {
            let known = row.map_err(TableError::into_command).and_then(|row| {
                let state = previous.state_of(&row, &columns, &layout, job)?;
                Ok((row, state))
            });
            match known {
                Ok((row, state)) => self.line(row, state),
                Err(error) => Either::Left(ready(Err(error.into()))),
            }
        };
        let lines = read_ahead::read(from, customers).map(line).buffered(usize::from(args.concurrency).saturating_mul(AHEAD));
        let ended = for_each(lines, |mut line| {
            let number = line.number;
            if let Some(first) = line.state.tenant().and_then(|tenant| met.before(tenant, number)) {
                line.state.add_remark(&format!("row {first} has the same tenant"));
            }
            if let Some(mails) = &mails {
                // The row in the table of links, which has a header and no blank rows.
                keep_mail(mails, summary.rows() + 2, &line.state)
                    .map_err(|error| Stopped::unwritten(&mails.path().display().to_string(), &error))?;
            }
            if let Some(cells) = layout.cells(&line.cells, &line.state) {
                table.row(cells).map_err(|error| self.unwritten(error))?;
            }
            summary.count(number, &line.state);
            progress.at(line.ends_at, || summary.progress_text());
            Ok(())
        })
        .await;
        summary.interrupted = matches!(ended, Err(Stopped::Interrupted));
        if !summary.interrupted {
            ended?;
        }
        table.flush().map_err(|error| self.unwritten(error))?;
        drop(table);
        if !summary.interrupted {
            previous.is_met()?;
            if let Some(to) = to {
                to.put_in_place().map_err(|error| Stopped::unwritten(&to.whole.display().to_string(), &error))?;
            }
        }
        Ok(summary)
    }

    /// Opens the rows of an earlier run, and the table to write to.
    fn open(&self, layout: &Layout, customers: &CustomersOfFile) -> Result<(PreviousRun, Table), Stopped> {
        let shape = Shape { header: layout.names().to_vec(), delimiter: customers.delimiter(), marked: self.to.is_some() };
        let (previous, table) = match self.to {
            None => (PreviousRun::default(), Table::start(Box::new(io::stdout()), &shape, Flush::Often)),
            Some(to) if self.args.resume => {
                let previous = PreviousRun::open(to, layout, customers, &self.reading)?;
                let table = Table::resume(&to.part, previous.written(), &shape, Flush::Often);
                (previous, table)
            }
            Some(to) => {
                // The links of an existing table may have been mailed already, so it is not overwritten.
                if let Some(existing) = to.existing() {
                    let remedy = "add --resume to go on with it (links that were made are kept), or choose another --to";
                    return Err(usage(format!("{} is there already.", existing.display()), remedy).into());
                }
                let mails = MailFolder::next_to(&to.whole);
                if self.args.mail && mails.path().exists() {
                    return Err(usage(format!("{} is there already.", mails.path().display()), "move it, or choose another --to").into());
                }
                (PreviousRun::default(), Table::create(&to.part, &shape, Flush::Often))
            }
        };
        Ok((previous, table.map_err(|error| self.unwritten(error))?))
    }

    fn unwritten(&self, error: io::Error) -> Stopped {
        Stopped::unwritten(&self.to.map_or_else(|| "standard output".to_owned(), |to| to.part.display().to_string()), &error)
    }

    /// Takes a row through its steps: tenant, link, mail. `state` comes from an earlier run.
    fn line(&self, row: CustomerRow, state: Option<RowState>) -> OnItsWay<'_> {
        let CustomerRow { number, cells, customer, warning, ends_at, .. } = row;
        let line = move |mut state: RowState| {
            if let Some(warning) = warning {
                state.add_remark(&warning);
            }
            Ok(LinkRow { number, cells, ends_at, state })
        };
        let state = match (state, customer) {
            (Some(state), Err(_)) => state,
            (Some(state), Ok(customer)) => self.with_mail(&customer, state),
            (None, Err(error)) => RowState::Failed { status: "wrong_row", problem: error },
            (None, Ok(customer)) => match (&customer.tenant, self.args.offline) {
                (&TenantName::Id(id), true) => self.sign(&customer, id),
                (TenantName::Domain(_), true) => {
                    let what = "column tenant: --offline goes with ids only: which tenant a domain is, Microsoft has to be asked";
                    RowState::Failed { status: "unasked", problem: what.to_owned() }
                }
                (_, false) => {
                    return Either::Right(Box::pin(async move {
                        line(match self.discover(&customer.tenant).await {
                            Ok(found) => self.sign(&customer, found.id),
                            Err(error) => {
                                let problem = format!("column tenant: {error}. {}", error.remedy());
                                RowState::Failed { status: error.name(), problem }
                            }
                        })
                    }));
                }
            },
        };
        Either::Left(ready(line(state)))
    }

    async fn discover(&self, tenant: &TenantName) -> Result<DiscoveredTenant, Undiscovered> {
        let unreachable = |silence, retry_after| Err(Undiscovered::Unreachable { silence, retry_after });
        let ask = async || match self.job.installation.discover(self.job.app, tenant).await {
            Err(Undiscovered::Unreachable { silence, retry_after }) => Attempt::unanswered(unreachable(silence, retry_after), retry_after),
            answer => Attempt::answered(answer),
        };
        self.runner.send(ask).await.unwrap_or_else(|pause| unreachable(None, Some(pause)))
    }

    fn sign(&self, customer: &Customer, tenant: TenantId) -> RowState {
        match self.job.sign(ExpectedTenant::Tenant(tenant), customer.label.clone(), customer.reference.clone()) {
            Ok(link) => self.with_mail(customer, RowState::linked(tenant, link, false)),
            Err(error) => RowState::Failed { status: "too_long", problem: error.to_string() },
        }
    }

    /// Composes the mail of a link.
    fn with_mail(&self, customer: &Customer, mut state: RowState) -> RowState {
        if self.args.mail
            && let RowState::Linked { link, mail, remark, .. } = &mut state
        {
            let (composed, unknown_language) = self.job.mail_of_row(&self.apps, self.args.language, customer, link);
            *mail = Some(Box::new(composed));
            remark.push_str(&unknown_language.unwrap_or_default());
        }
        state
    }
}
