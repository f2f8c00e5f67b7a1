//! One row of the results.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::engine::{Ended, Finished};
use crate::cli::output::{LINE, Row, wrapped};
use crate::consent::permissions::NamedPermission;
use crate::consent::{Owner, TenantId};

/// The column `outcome` of a row that was not checked.
pub(super) const NOT_ASKED: &str = "not_asked";
/// The separator between the entries of a list in one cell.
const BETWEEN: &str = "; ";

/// The result for one app in one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Verified {
    /// Its row in the input.
    pub(super) row: u64,
    /// As written in the input.
    pub(super) tenant: Box<str>,
    /// `None` if it is unknown.
    pub(super) tenant_id: Option<TenantId>,
    /// From Graph.
    pub(super) name: Option<Box<str>>,
    pub(super) label: Option<Box<str>>,
    pub(super) reference: Option<Box<str>>,
    /// By its id in consent.toml.
    pub(super) app: Box<str>,
    /// The stable name of the outcome.
    pub(super) outcome: Box<str>,
    /// The last outcome in the records.
    pub(super) before: Option<Box<str>>,
    /// The party that can change the outcome.
    pub(super) who: Box<str>,
    pub(super) missing: Vec<Box<str>>,
    pub(super) unseen: Vec<Box<str>>,
    pub(super) unexpected: Vec<Box<str>>,
    pub(super) forbidden: Vec<Box<str>>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) checked_at: Option<OffsetDateTime>,
    /// What prevented a check.
    pub(super) problem: Option<Box<str>>,
}

impl Verified {
    pub(super) fn of(finished: &Finished<'_>) -> Self {
        let &Finished { subject, asked, tenant, ended } = finished;
        let bare = Self {
            row: subject.row,
            tenant: subject.written.clone(),
            tenant_id: tenant,
            label: subject.label.clone(),
            reference: subject.reference.clone(),
            app: asked.id.as_str().into(),
            outcome: NOT_ASKED.into(),
            before: asked.claim.as_ref().and_then(|claim| claim.before).map(|before| before.name().into()),
            who: Owner::Operator.for_operator().into(),
            ..Self::default()
        };
        match ended {
            Ended::NotAsked { problem } => Self { problem: Some(problem.as_str().into()), ..bare },
            Ended::Unseen { standing, problem } => {
                let problem = Some(problem.as_str().into());
                Self { outcome: standing.name().into(), who: standing.turn().for_operator().into(), problem, ..bare }
            }
            Ended::Looked { check, assessment, standing, problem } => {
                let difference = &assessment.difference;
                Self {
                    name: check.finding.tenant_name.as_ref().map(|name| name.as_str().into()),
                    outcome: standing.name().into(),
                    who: standing.turn().for_operator().into(),
                    missing: named(&difference.missing),
                    unseen: named(&difference.unseen),
                    unexpected: named(&difference.unexpected),
                    forbidden: named(&difference.forbidden),
                    checked_at: Some(check.at.replace_nanosecond(0).unwrap_or(check.at)),
                    problem: problem.as_deref().map(Box::from),
                    ..bare
                }
            }
        }
    }

    /// The name of the tenant for people.
    pub(super) fn called(&self) -> &str {
        self.name.as_deref().or(self.label.as_deref()).unwrap_or(&self.tenant)
    }

    /// Reads a line of a table that [`Row::cells`] made. `None` for a line that is not one.
    pub(super) fn read(cells: &csv::StringRecord) -> Option<Self> {
        if cells.len() != Self::COLUMNS.len() {
            return None;
        }
        let cell = |name: &str| Self::COLUMNS.iter().position(|column| *column == name).and_then(|at| cells.get(at)).unwrap_or_default();
        let text = |name| Some(cell(name)).filter(|text| !text.is_empty()).map(Box::from);
        let list = |name| cell(name).split(BETWEEN).filter(|entry| !entry.is_empty()).map(Box::from).collect();
        Some(Self {
            row: cell("row").parse().ok()?,
            tenant: cell("tenant").into(),
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
        })
    }
}

fn named(permissions: &[NamedPermission]) -> Vec<Box<str>> {
    permissions.iter().map(|permission| permission.to_string().into()).collect()
}

fn shown(at: Option<OffsetDateTime>) -> String {
    at.and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok()).unwrap_or_default()
}

impl Row for Verified {
    const COLUMNS: &'static [&'static str] = &[
        "row",
        "tenant",
        "tenant_id",
        "name",
        "label",
        "reference",
        "app",
        "outcome",
        "before",
        "who",
        "missing",
        "unseen",
        "unexpected",
        "forbidden",
        "checked_at",
        "problem",
    ];

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
        vec![
            self.row.to_string(),
            self.tenant.to_string(),
            self.tenant_id.map(|id| id.to_string()).unwrap_or_default(),
            text(&self.name),
            text(&self.label),
            text(&self.reference),
            self.app.to_string(),
            self.outcome.to_string(),
            text(&self.before),
            self.who.to_string(),
            self.missing.join(BETWEEN),
            self.unseen.join(BETWEEN),
            self.unexpected.join(BETWEEN),
            self.forbidden.join(BETWEEN),
            shown(self.checked_at),
            text(&self.problem),
        ]
    }
}

/// The same for people: the columns that fit into a terminal.
#[derive(Debug, Serialize)]
pub(super) struct Brief<'v>(pub(super) &'v Verified);

/// Longest name in a terminal's table, in characters.
const LONGEST_NAME: usize = 32;

impl Row for Brief<'_> {
    const COLUMNS: &'static [&'static str] = &["tenant", "app", "outcome", "what"];

    fn cells(&self) -> Vec<String> {
        let Self(row) = self;
        let mut name: String = row.called().chars().take(LONGEST_NAME).collect();
        if row.called().chars().nth(LONGEST_NAME).is_some() {
            name.pop();
            name.push('…');
        }
        vec![name, row.app.to_string(), row.outcome.to_string(), what(row)]
    }
}

/// The lists behind the outcome, on one line.
fn what(row: &Verified) -> String {
    let lists = [("missing", &row.missing), ("unseen", &row.unseen), ("forbidden", &row.forbidden), ("unexpected", &row.unexpected)];
    let lists = lists.iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| format!("{name}: {}", list.join(", ")));
    lists.chain(row.problem.as_deref().map(str::to_owned)).collect::<Vec<_>>().join("; ")
}

/// All fields of one row, for people.
pub(super) fn detailed(row: &Verified, line: &str) -> String {
    let one =
        |name: &'static str, text: Option<&str>| text.map(|text| format!("{name:<12}{}", wrapped(text, LINE - 12).join("\n            ")));
    let list = |name: &'static str, list: &[Box<str>]| {
        let entries = list.iter().enumerate().map(|(at, entry)| format!("{:<12}{entry}", if at == 0 { name } else { "" }));
        entries.collect::<Vec<_>>()
    };
    let id = row.tenant_id.map(|id| id.to_string());
    let checked = row.checked_at.map(|at| shown(Some(at)));
    let mut lines: Vec<String> = Vec::new();
    lines.extend(one("Tenant", Some(row.called())));
    lines.extend(one("Tenant id", id.as_deref()));
    lines.extend(one("App", Some(&row.app)));
    lines.extend(one("Outcome", Some(&row.outcome)));
    lines.extend(one("", Some(line)));
    lines.extend(one("Before", row.before.as_deref()));
    lines.extend(list("Missing", &row.missing));
    lines.extend(list("Unseen", &row.unseen));
    lines.extend(list("Forbidden", &row.forbidden));
    lines.extend(list("Unexpected", &row.unexpected));
    lines.extend(one("Problem", row.problem.as_deref().filter(|problem| *problem != line)));
    lines.extend(one("Who moves", Some(&row.who)));
    lines.extend(one("Checked at", checked.as_deref()));
    lines.join("\n")
}
