//! One row of the results.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::subject::{AppToCheck, InputTenant};
use crate::cli::csv_safe;
use crate::cli::output::{Column, LINE, PrintedRow, wrapped, write_labelled};
use crate::cli::timestamp::exact;
use crate::consent::finding::Visible;
use crate::consent::permissions::{Difference, NamedPermission};
use crate::consent::{Outcome, Owner, ResourceId, TenantId, TenantStatus};
use crate::installation::TimedCheck;

/// The column `outcome` of a row that was not checked.
pub(in crate::cli) const NOT_ASKED: &str = "not_asked";
pub(super) const UNAVAILABLE: TenantStatus = TenantStatus::Outcome(Outcome::Unavailable);
/// The separator between the entries of a list in one cell.
const BETWEEN: &str = "; ";

/// The result for one app in one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct ResultRow {
    /// The row of the tenant in the input.
    pub(in crate::cli) row: u64,
    /// The tenant as written in the input.
    pub(in crate::cli) tenant: Box<str>,
    /// `None` if it is unknown.
    pub(in crate::cli) tenant_id: Option<TenantId>,
    /// The tenant's name from Graph.
    pub(in crate::cli) name: Option<Box<str>>,
    pub(in crate::cli) label: Option<Box<str>>,
    pub(in crate::cli) reference: Option<Box<str>>,
    /// The app's id in consent.toml.
    pub(in crate::cli) app: Box<str>,
    /// The stable name of the outcome.
    pub(in crate::cli) outcome: Box<str>,
    /// The last outcome in the records.
    pub(in crate::cli) before: Option<Box<str>>,
    /// The party that can change the outcome.
    pub(in crate::cli) who: Box<str>,
    pub(in crate::cli) missing: Vec<Box<str>>,
    pub(in crate::cli) unseen: Vec<Box<str>>,
    pub(in crate::cli) unexpected: Vec<Box<str>>,
    pub(in crate::cli) forbidden: Vec<Box<str>>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(in crate::cli) checked_at: Option<OffsetDateTime>,
    /// What prevented a check.
    pub(in crate::cli) problem: Option<Box<str>>,
    /// The person to write to.
    pub(in crate::cli) contact: Option<Box<str>>,
    /// What only `plan` uses. No output has it.
    #[serde(skip)]
    pub(in crate::cli) hints: Hints,
}

/// Details of a check that are no part of its outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Hints {
    /// The language of the mail.
    pub(in crate::cli) language: Option<Box<str>>,
    /// The domain's tenant is in another cloud.
    pub(in crate::cli) is_elsewhere: bool,
    /// [`crate::consent::Finding::users_may_consent`]
    pub(in crate::cli) users_may_consent: bool,
    /// Resources of the profile whose service principals the tenant lacks.
    pub(in crate::cli) absent_resources: BTreeSet<ResourceId>,
}

impl ResultRow {
    /// A row that was not checked.
    pub(super) fn not_asked(subject: &InputTenant, target: &AppToCheck<'_>) -> Self {
        Self {
            row: subject.row,
            tenant: subject.written.clone(),
            label: subject.label.clone(),
            reference: subject.reference.clone(),
            contact: subject.contact.clone(),
            app: target.id.as_str().into(),
            outcome: NOT_ASKED.into(),
            before: target.claim.as_ref().and_then(|claim| claim.before).map(|before| before.name().into()),
            who: Owner::Operator.for_operator().into(),
            hints: Hints { language: subject.language.clone(), ..Hints::default() },
            ..Self::default()
        }
    }

    pub(super) fn with_status(self, status: TenantStatus) -> Self {
        Self { outcome: status.name().into(), who: status.turn().for_operator().into(), ..self }
    }

    pub(super) fn with_problem(self, problem: &str) -> Self {
        Self { problem: Some(problem.into()), ..self }
    }

    pub(super) fn elsewhere(self, is_elsewhere: bool) -> Self {
        Self { hints: Hints { is_elsewhere, ..self.hints }, ..self }
    }

    /// No check was possible now.
    pub(super) fn unavailable(self, problem: &str) -> Self {
        self.with_status(UNAVAILABLE).with_problem(problem)
    }

    /// Adds the result of a check.
    pub(super) fn checked(self, check: &TimedCheck, difference: &Difference) -> Self {
        Self {
            name: check.finding.tenant_name.as_ref().map(|name| name.as_str().into()),
            missing: named(&difference.missing),
            unseen: named(&difference.unseen),
            unexpected: named(&difference.unexpected),
            forbidden: named(&difference.forbidden),
            checked_at: Some(check.at.replace_nanosecond(0).unwrap_or(check.at)),
            hints: Hints {
                users_may_consent: check.finding.users_may_consent == Visible::Seen(true),
                absent_resources: check.finding.absent_resources.clone(),
                ..self.hints
            },
            ..self
        }
    }

    /// The name of the tenant for people.
    pub(in crate::cli) fn called(&self) -> &str {
        self.name.as_deref().or(self.label.as_deref()).unwrap_or(&self.tenant)
    }

    /// Reads a line of a table that [`PrintedRow::cells`] made. `None` for any other line.
    pub(super) fn read(cells: &csv::StringRecord) -> Option<Self> {
        // An older file lacks the last column, `contact`.
        Self::COLUMNS.len().checked_sub(cells.len()).filter(|lacking| *lacking <= 1)?;
        let cell = |name| Self::names().zip(cells).find(|(column, _)| *column == name).map_or("", |(_, cell)| cell);
        let text = |name| Some(csv_safe::bare(cell(name))).filter(|text| !text.is_empty()).map(Box::from);
        let list = |name| cell(name).split(BETWEEN).filter(|entry| !entry.is_empty()).map(Box::from).collect();
        Some(Self {
            row: cell("row").parse().ok()?,
            tenant: csv_safe::bare(cell("tenant")).into(),
            tenant_id: TenantId::parse(cell("tenant_id")).ok(),
            name: text("name"),
            label: text("label"),
            reference: text("reference"),
            app: text("app")?,
            outcome: text("outcome")?,
            before: text("before"),
            who: text("who")?,
            missing: list("missing"),
            unseen: list("unseen"),
            unexpected: list("unexpected"),
            forbidden: list("forbidden"),
            checked_at: OffsetDateTime::parse(cell("checked_at"), &time::format_description::well_known::Rfc3339).ok(),
            problem: text("problem"),
            contact: text("contact"),
            hints: Hints::default(),
        })
    }
}

fn named(permissions: &[NamedPermission]) -> Vec<Box<str>> {
    permissions.iter().map(|permission| permission.to_string().into()).collect()
}

/// The cell of a text that may be absent.
fn text(text: &Option<Box<str>>) -> String {
    text.as_deref().unwrap_or_default().to_owned()
}

impl PrintedRow for ResultRow {
    const COLUMNS: &'static [Column<Self>] = &[
        ("row", |row| row.row.to_string()),
        ("tenant", |row| row.tenant.to_string()),
        ("tenant_id", |row| row.tenant_id.map(|id| id.to_string()).unwrap_or_default()),
        ("name", |row| text(&row.name)),
        ("label", |row| text(&row.label)),
        ("reference", |row| text(&row.reference)),
        ("app", |row| row.app.to_string()),
        ("outcome", |row| row.outcome.to_string()),
        ("before", |row| text(&row.before)),
        ("who", |row| row.who.to_string()),
        ("missing", |row| row.missing.join(BETWEEN)),
        ("unseen", |row| row.unseen.join(BETWEEN)),
        ("unexpected", |row| row.unexpected.join(BETWEEN)),
        ("forbidden", |row| row.forbidden.join(BETWEEN)),
        ("checked_at", |row| row.checked_at.map(exact).unwrap_or_default()),
        ("problem", |row| text(&row.problem)),
        ("contact", |row| text(&row.contact)),
    ];
}

/// A row for people: the columns that fit into a terminal.
#[derive(Debug, Serialize)]
pub(super) struct Brief(pub(super) ResultRow);

/// Longest name in a terminal's table, in characters.
const LONGEST_NAME: usize = 32;

impl PrintedRow for Brief {
    const COLUMNS: &'static [Column<Self>] = &[
        ("tenant", |Self(row)| {
            let mut name: String = row.called().chars().take(LONGEST_NAME).collect();
            if row.called().chars().nth(LONGEST_NAME).is_some() {
                name.pop();
                name.push('…');
            }
            name
        }),
        ("app", |Self(row)| row.app.to_string()),
        ("outcome", |Self(row)| row.outcome.to_string()),
        ("what", |Self(row)| what(row)),
    ];
}

/// The lists behind the outcome, on one line.
fn what(row: &ResultRow) -> String {
    let lists = [("missing", &row.missing), ("unseen", &row.unseen), ("forbidden", &row.forbidden), ("unexpected", &row.unexpected)];
    let lists = lists.iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| format!("{name}: {}", list.join(", ")));
    // The row names the tenant already, and an id would make the other columns narrow.
    let problem = row.problem.as_deref().and_then(|problem| problem.split(" --tenant ").next());
    lists.chain(problem.map(str::to_owned)).collect::<Vec<_>>().join("; ")
}

/// Writes all fields of one row, for people.
///
/// # Errors
/// Those of the output.
pub(super) fn write_in_full(out: &mut impl Write, row: &ResultRow, line: &str) -> io::Result<()> {
    const WIDTH: usize = 12;
    let texts = |text: &str| wrapped(text, LINE - WIDTH);
    let entries = |list: &[Box<str>]| list.iter().map(ToString::to_string).collect();
    let fields: [(&str, Vec<String>); 12] = [
        ("Tenant", texts(row.called())),
        ("Tenant id", row.tenant_id.iter().map(ToString::to_string).collect()),
        ("App", texts(&row.app)),
        ("Outcome", [texts(&row.outcome), texts(line)].concat()),
        ("Before", row.before.as_deref().map(texts).unwrap_or_default()),
        ("Missing", entries(&row.missing)),
        ("Unseen", entries(&row.unseen)),
        ("Forbidden", entries(&row.forbidden)),
        ("Unexpected", entries(&row.unexpected)),
        ("Problem", row.problem.as_deref().filter(|problem| *problem != line).map(texts).unwrap_or_default()),
        ("Who moves", texts(&row.who)),
        ("Checked at", row.checked_at.map(exact).into_iter().collect()),
    ];
    fields.into_iter().try_for_each(|(label, lines)| write_labelled(out, label, WIDTH, lines))
}
