//! Links for every row of a table: read, asked about, signed and written as a stream, in the order of the table.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::process::ExitCode;

use futures_util::future::{Either, Ready, ready};
use futures_util::stream::StreamExt as _;

use super::Args;
use super::earlier::{Discord, Earlier, Was};
use super::job::{Dead, Job};
use super::sheet::{Layout, Opening, Sheet};
use super::tally::Tally;
use crate::cli::customers::{Customer, CustomersOfFile, Row, RowError, TableError};
use crate::cli::exit::Exit;
use crate::cli::pace::{Asked, Pace};
use crate::cli::progress::Progress;
use crate::cli::{ahead, complain, file, is_read_enough, serve};
use crate::consent::TenantId;
use crate::entra::discovery::{DiscoveredTenant, TenantName, Undiscovered};
use crate::site::SignedLink;

/// Rows that may be ahead of the one that is written next, for each question that may be open: one slow answer holds up no other.
const AHEAD: usize = 8;

/// Why a run stops before its end.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("{0}")]
    Misused(String),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Discord(#[from] Discord),
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

impl Stop {
    fn exit(&self) -> Exit {
        match self {
            Self::Misused(_) => Exit::Usage,
            Self::Table(error) if !error.is_failure() => Exit::Usage,
            Self::Discord(discord) if !discord.is_failure() => Exit::Usage,
            Self::Io(..) | Self::Table(_) | Self::Discord(_) => Exit::Failed,
        }
    }
}

/// Makes the links.
pub(super) async fn run(job: &Job<'_>, from: &Path, args: &Args) -> ExitCode {
    let destination = args.to.as_deref().map(Destination::new);
    let begun = destination.as_ref().is_some_and(|to| to.part.exists());
    match tables(job, from, destination.as_ref(), args).await {
        Ok(tally) => tally.conclude(from, destination.as_ref().map(|to| (&*to.whole, &*to.part))),
        // Whoever read standard output has read enough (`| head`). Not `Done`: that would promise that all links were made.
        Err(Stop::Io(_, error)) if destination.is_none() && is_read_enough(&error) => Exit::Attention.into(),
        Err(stop) => {
            let mut told = format!("{stop}.");
            // Rows of a run that should not have begun are in the way of the right one.
            if let (Stop::Discord(_), Some(to), false) = (&stop, &destination, begun)
                && let Err(error) = to.forget_part()
            {
                told.push_str(&format!("\nDelete {} before you try again: {error}.", to.part.display()));
            }
            complain(&told, stop.exit())
        }
    }
}

/// Where the table goes.
struct Destination {
    whole: PathBuf,
    /// Where the rows are until all are there: whoever finds the other file finds it whole.
    part: PathBuf,
}

impl Destination {
    fn new(whole: &Path) -> Self {
        Self { whole: whole.to_owned(), part: file::with_ending(whole, ".part") }
    }

    /// Nothing is overwritten that somebody may have mailed.
    fn refuse_existing(&self) -> Result<(), Stop> {
        for path in [&self.whole, &self.part] {
            if path.exists() {
                let path = path.display();
                let remedy = "add --resume to go on with it (links that were made are kept), or choose another --to";
                return Err(Stop::Misused(format!("{path} is there already: {remedy}")));
            }
        }
        Ok(())
    }

    fn open(&self, part_ends: Option<u64>) -> Result<File, Stop> {
        let open = || {
            let mut file = file::open_or_make(&self.part)?;
            // What follows the last whole row was torn when the run stopped.
            file.set_len(part_ends.unwrap_or(0))?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        open().map_err(|error| Stop::Io(self.part.display().to_string(), error))
    }

    fn forget_part(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn finish(&self) -> Result<(), Stop> {
        file::put_in_place(&self.part, &self.whole).map_err(|error| Stop::Io(self.whole.display().to_string(), error))
    }
}

/// A row, ready to be entered.
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) cells: csv::StringRecord,
    ends_at: u64,
    pub(super) fate: Fate,
}

/// What is to become of a row.
pub(super) enum Fate {
    /// Its tenant is known.
    Known(Customer, TenantId),
    /// It keeps the link of an earlier run.
    Kept(Customer, TenantId, SignedLink<String>),
    /// It keeps the link of an earlier run, which nobody can use any more.
    Dead(TenantId, SignedLink<String>, Dead),
    /// It is written already, with a link to that tenant or without. `stale`: not as it would be written now.
    Written { tenant: Option<TenantId>, stale: bool },
    /// No tenant was found.
    Undiscovered(Undiscovered),
    /// A domain, and nobody may be asked.
    Unasked,
    /// It is wrong.
    Wrong(RowError),
}

type OnItsWay<'f> = Either<Ready<Result<Line, Stop>>, Pin<Box<dyn Future<Output = Result<Line, Stop>> + 'f>>>;

/// Rows of an interrupted run are not written twice, so that little is lost whenever this one is interrupted too. Those that have no link,
/// or have changed, are done in a second walk once the table is whole. Both keep one pace: a wish of Microsoft's to be left alone outlasts a walk.
async fn tables(job: &Job<'_>, from: &Path, destination: Option<&Destination>, args: &Args) -> Result<Tally, Stop> {
    let pace = Pace::new(usize::from(args.concurrency));
    let first = table(job, from, destination, args, &pace).await?;
    // What came through a pipe is gone.
    if first.interrupted || !first.is_stale() || !from.is_file() {
        return Ok(first);
    }
    Ok(table(job, from, destination, args, &pace).await?.after(&first))
}

async fn table(job: &Job<'_>, from: &Path, destination: Option<&Destination>, args: &Args, pace: &Pace) -> Result<Tally, Stop> {
    let same = |to: &Path| matches!((from.canonicalize(), to.canonicalize()), (Ok(from), Ok(to)) if from == to);
    if destination.is_some_and(|to| same(&to.whole) || same(&to.part)) {
        return Err(Stop::Misused("--from and --to are the same file".to_owned()));
    }
    let customers = CustomersOfFile::open(from)?;
    let layout = Layout::new(customers.columns(), args.mail.then_some(args.language));
    let layout = layout.map_err(|taken| Stop::Misused(format!("{}: {taken}", from.display())))?;
    let mut earlier = match destination {
        Some(to) if args.resume => Earlier::open(&to.whole, &to.part, &layout, &customers)?,
        Some(to) => {
            to.refuse_existing()?;
            Earlier::none()
        }
        None => Earlier::none(),
    };
    let (columns, delimiter, marked) = (customers.columns().clone(), customers.delimiter(), customers.marked());
    let mut progress = Progress::new(std::fs::metadata(from).ok().filter(std::fs::Metadata::is_file).map(|file| file.len()));
    let mut tally = Tally::default();
    let mut sheet = None;
    let at_once = usize::from(args.concurrency);
    let mut stop = pin!(serve::stop_signal());
    let part_ends = std::cell::Cell::new(earlier.part_ends);
    let sheet_of = || -> Result<Sheet<'_>, Stop> {
        let (out, opening): (Box<dyn Write>, _) = match destination {
            Some(to) => {
                let new = part_ends.get().is_none();
                (Box::new(to.open(part_ends.get())?), Opening { marked: marked && new, header: new })
            }
            None => (Box::new(io::stdout()), Opening { marked, header: true }),
        };
        Sheet::new(out, delimiter, &opening, job, &layout).map_err(|error| written(destination, error))
    };
    {
        let prepare = |row: Result<Row, TableError>| -> OnItsWay<'_> {
            let prepared = row.map_err(Stop::from).and_then(|row| {
                let was = earlier.of(&row, &columns, &layout, job)?;
                part_ends.set(earlier.part_ends);
                Ok((row, was))
            });
            match prepared {
                Ok((row, was)) => on_its_way(row, was, job, pace, args.offline),
                Err(stop) => Either::Left(ready(Err(stop))),
            }
        };
        let mut lines = pin!(ahead::read(customers).map(prepare).buffered(at_once.saturating_mul(AHEAD)));
        loop {
            let line = tokio::select! {
                biased;
                () = &mut stop => {
                    tally.interrupted = true;
                    break;
                }
                line = lines.next() => line,
            };
            let Some(line) = line else { break };
            let line = line?;
            if !matches!(line.fate, Fate::Written { .. }) && sheet.is_none() {
                sheet = Some(sheet_of()?);
            }
            let ends_at = line.ends_at;
            tally.enter(job, line, sheet.as_mut()).map_err(|error| written(destination, error))?;
            progress.at(ends_at, || tally.told());
        }
    }
    if let Some(sheet) = &mut sheet {
        sheet.flush().map_err(|error| written(destination, error))?;
    }
    if !tally.interrupted {
        earlier.is_met()?;
        // A table without customers is a table all the same, and rows that were torn away are gone.
        if sheet.is_none() {
            sheet_of()?.flush().map_err(|error| written(destination, error))?;
        }
        drop(sheet);
        if let Some(to) = destination {
            to.finish()?;
        }
    }
    Ok(tally)
}

fn written(destination: Option<&Destination>, error: io::Error) -> Stop {
    Stop::Io(destination.map_or_else(|| "standard output".to_owned(), |to| to.part.display().to_string()), error)
}

fn on_its_way<'f>(row: Row, was: Was, job: &'f Job<'_>, pace: &'f Pace, offline: bool) -> OnItsWay<'f> {
    let Row { number, cells, customer, ends_at, flawed: _, found: _, torn: _ } = row;
    let line = move |fate| Ok(Line { number, cells, ends_at, fate });
    let fate = match (was, customer) {
        (Was::Written { tenant, stale }, _) => Fate::Written { tenant, stale },
        (_, Err(error)) => Fate::Wrong(error),
        (Was::Made(tenant, link, None), Ok(customer)) => Fate::Kept(customer, tenant, link),
        (Was::Made(tenant, link, Some(dead)), Ok(_)) => Fate::Dead(tenant, link, dead),
        (Was::Open, Ok(customer)) => match (&customer.tenant, offline) {
            (&TenantName::Id(id), true) => Fate::Known(customer, id),
            (TenantName::Domain(_), true) => Fate::Unasked,
            (_, false) => {
                return Either::Right(Box::pin(async move {
                    line(match discover(job, &customer.tenant, pace).await {
                        Ok(found) => Fate::Known(customer, found.id),
                        Err(error) => Fate::Undiscovered(error),
                    })
                }));
            }
        },
    };
    Either::Left(ready(line(fate)))
}

async fn discover(job: &Job<'_>, tenant: &TenantName, pace: &Pace) -> Result<DiscoveredTenant, Undiscovered> {
    let ask = async || match job.site.discover(job.app, tenant).await {
        Err(Undiscovered::Unreachable { silence, retry_after }) => {
            Asked::NotNow { answer: Err(Undiscovered::Unreachable { silence, retry_after }), retry_after }
        }
        answer => Asked::Answered(answer),
    };
    pace.ask(ask, |wait| Err(Undiscovered::Unreachable { silence: None, retry_after: Some(wait) })).await
}
