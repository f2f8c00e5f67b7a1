//! `entra-consent status`: how far each customer is, joined from tables and records.

pub(super) mod board;
mod row;
pub(super) mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::time::Duration;

use time::OffsetDateTime;

use self::board::{Board, Step, TrackedApproval, TrackedCustomer};
use self::row::{StatusRow, write_table};
use self::sources::{SourceArgs, span};
use super::exit::{CommandError, Exit, unusable};
use super::output::{self, Format};
use super::printed;
use super::report::{self, About, GROUPS, ReportedApproval, ReportedCustomer, group_of};
use crate::installation::Installation;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/status.txt"))]
pub(super) struct StatusArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Only customers whose move it is and whose last step is at least this long ago, such as 7d.
    #[arg(long, value_name = "DAYS", value_parser = span)]
    stale: Option<Duration>,
    /// How to print the rows.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Write the rows to this file as CSV, which `status`, `remind`, `renew`, `link` and `verify` read.
    #[arg(long, value_name = "FILE", conflicts_with = "output")]
    to: Option<PathBuf>,
    /// Write a report for people to this file: one HTML page with everything in it.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) async fn run(installation: &Installation, args: &StatusArgs) -> Result<Exit, CommandError> {
    let board = args.sources.read(installation).await?;
    let now = installation.clock.now();
    let is_listed = |customer: &&TrackedCustomer| {
        args.stale.is_none_or(|stale| customer.approvals.iter().any(|approval| approval.is_stale(stale, now)))
    };
    let listed: Vec<&TrackedCustomer> = board.customers.iter().filter(is_listed).collect();
    let rows: Vec<StatusRow> = listed.iter().flat_map(|customer| StatusRow::of(customer, now)).collect();
    let exit = if listed.iter().all(|customer| customer.is_complete()) { Exit::Done } else { Exit::Attention };
    if let Some(path) = &args.report {
        let apps: BTreeSet<&str> = listed.iter().flat_map(|customer| &customer.approvals).map(|approval| approval.app.as_str()).collect();
        let apps: Vec<&str> = apps.into_iter().collect();
        let about = About { operator: &installation.config.site.operator, apps: &apps, at: now, is_stopped: false };
        let customers: Vec<_> = listed.iter().map(|customer| reported(customer, now)).collect();
        report::write(path, &about, &customers).map_err(|error| unusable(path.display(), &error))?;
        say!("The report is in {}.", path.display());
    }
    say!("{}", summary(&board, args.stale.map(|_| listed.len()), now));
    if let Some(path) = &args.to {
        output::write_csv(path, &rows)?;
        return Ok(exit);
    }
    let out = BufWriter::new(io::stdout().lock());
    let result = match args.output {
        Format::Table => write_table(&rows, now, out),
        format => output::all(format, &rows, out),
    };
    printed(result, exit)
}

/// The customers by whose move it is, and the approvals by the steps that they have reached.
fn summary(board: &Board, stale: Option<usize>, now: OffsetDateTime) -> String {
    let mut groups: BTreeMap<usize, usize> = BTreeMap::new();
    for customer in &board.customers {
        let owners = customer.approvals.iter().map(|approval| approval.turn(now).0.for_operator());
        *groups.entry(group_of(owners)).or_default() += 1;
    }
    let counts = groups.iter().filter_map(|(at, count)| Some(format!("{count} {}", GROUPS.get(*at)?.1.to_lowercase())));
    let mut lines = vec![format!("Customers: {} ({}).", board.customers.len(), counts.collect::<Vec<_>>().join(", "))];
    let approvals = || board.customers.iter().flat_map(|customer| &customer.approvals);
    let reached = |step: &Step| format!("{} {}", approvals().filter(|approval| approval.step() >= *step).count(), step.name());
    let steps: Vec<_> = Step::ALL.iter().skip(1).map(reached).collect();
    lines.push(format!("Approvals: {} ({}).", approvals().count(), steps.join(" → ")));
    lines.extend(stale.map(|stale| format!("Customers to chase: {stale}.")));
    lines.join("\n")
}

fn reported(customer: &TrackedCustomer, now: OffsetDateTime) -> ReportedCustomer {
    let approval = |approval: &TrackedApproval| {
        let (owner, next, tone) = approval.turn(now);
        ReportedApproval {
            app: approval.app.as_str().into(),
            state: approval.state().into(),
            tone,
            who: owner.for_operator(),
            next: next.into(),
            details: approval.problem.iter().cloned().collect(),
            at: approval.last_step.max(approval.outcome.map(|(_, at)| at)),
        }
    };
    let id = customer.tenant_id.map(|id| id.to_string().into());
    ReportedCustomer {
        name: customer.called().into(),
        lines: [customer.reference.clone(), Some(customer.tenant.clone()), id].into_iter().flatten().collect(),
        contact: customer.contact.clone(),
        approvals: customer.approvals.iter().map(approval).collect(),
    }
}
