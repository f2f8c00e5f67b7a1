//! One row of `status`: a customer and an app.

use std::io::{self, Write};

use dialoguer::console::{Term, measure_text_width, truncate_str};
use serde::Serialize;
use time::OffsetDateTime;

use super::board::{Step, TrackedApproval, TrackedCustomer};
use crate::cli::output::{Column, LINE, PrintedRow};
use crate::cli::timestamp::{distance, exact};
use crate::consent::{ProfileId, TenantId, TokenId};

#[derive(Debug, Serialize)]
pub(super) struct StatusRow {
    tenant: Box<str>,
    tenant_id: Option<TenantId>,
    label: Option<Box<str>>,
    reference: Option<Box<str>>,
    contact: Option<Box<str>>,
    language: Option<Box<str>>,
    app: ProfileId,
    /// [`Step::name`]
    step: &'static str,
    outcome: Option<&'static str>,
    who: &'static str,
    next: &'static str,
    #[serde(with = "time::serde::rfc3339::option")]
    last_step_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    invited: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    seen: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    started: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    returned: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    checked_at: Option<OffsetDateTime>,
    link: Option<Box<str>>,
    link_id: Option<TokenId>,
    #[serde(with = "time::serde::rfc3339::option")]
    expires: Option<OffsetDateTime>,
    /// As in the table of `link`.
    status: &'static str,
    problem: Option<Box<str>>,
    /// The state for the terminal.
    #[serde(skip)]
    state: &'static str,
}

impl TrackedApproval {
    /// The last outcome, or the last step without one, for people.
    pub(super) fn state(&self) -> &'static str {
        match self.status() {
            Some(status) if self.step() <= Step::Invited || status.name() != "absent" => status.name(),
            _ => self.step().name(),
        }
    }
}

impl StatusRow {
    /// The rows of a customer.
    pub(super) fn of(customer: &TrackedCustomer, now: OffsetDateTime) -> Vec<Self> {
        let row = |approval: &TrackedApproval| {
            let (owner, next, _) = approval.turn(now);
            let link = approval.link.as_deref();
            Self {
                tenant: customer.tenant.clone(),
                tenant_id: customer.tenant_id,
                label: customer.label.clone(),
                reference: customer.reference.clone(),
                contact: customer.contact.clone(),
                language: customer.language.clone(),
                app: approval.app.clone(),
                step: approval.step().name(),
                outcome: approval.status().map(|status| status.name()),
                who: owner.for_operator(),
                next,
                last_step_at: approval.last_step,
                invited: approval.invited,
                seen: approval.seen,
                started: approval.started,
                returned: approval.returned,
                checked_at: approval.outcome.map(|(_, at)| at),
                link: link.map(|link| link.address.clone()),
                link_id: link.map(|link| link.id),
                expires: link.map(|link| link.expires_at),
                status: match link {
                    None => "",
                    Some(link) if link.is_revoked => "revoked",
                    Some(link) if link.expires_at <= now => "expired",
                    Some(_) => "made",
                },
                problem: approval.problem.clone(),
                state: approval.state(),
            }
        };
        customer.approvals.iter().map(row).collect()
    }
}

fn text(text: &Option<Box<str>>) -> String {
    text.as_deref().unwrap_or_default().to_owned()
}

fn time(at: Option<OffsetDateTime>) -> String {
    at.map(exact).unwrap_or_default()
}

impl PrintedRow for StatusRow {
    const COLUMNS: &'static [Column<Self>] = &[
        ("tenant", |row| row.tenant.to_string()),
        ("label", |row| text(&row.label)),
        ("reference", |row| text(&row.reference)),
        ("contact", |row| text(&row.contact)),
        ("language", |row| text(&row.language)),
        ("app", |row| row.app.to_string()),
        ("step", |row| row.step.to_owned()),
        ("outcome", |row| row.outcome.unwrap_or_default().to_owned()),
        ("who", |row| row.who.to_owned()),
        ("next", |row| row.next.to_owned()),
        ("last_step_at", |row| time(row.last_step_at)),
        ("invited", |row| time(row.invited)),
        ("seen", |row| time(row.seen)),
        ("started", |row| time(row.started)),
        ("returned", |row| time(row.returned)),
        ("checked_at", |row| time(row.checked_at)),
        ("tenant_id", |row| row.tenant_id.map(|id| id.to_string()).unwrap_or_default()),
        ("link", |row| text(&row.link)),
        ("link_id", |row| row.link_id.map(|id| id.to_string()).unwrap_or_default()),
        ("expires", |row| time(row.expires)),
        ("status", |row| row.status.to_owned()),
        ("problem", |row| text(&row.problem)),
    ];
}

/// The widths of the columns after the customer's name, with the space before each. `CONTACT` is for wide terminals.
const APP: usize = 15;
const STATE: usize = 21;
const LAST: usize = 14;
const WHO: usize = 10;
const CONTACT: usize = 30;
/// The width from which the table has the column `CONTACT`.
const WIDE: usize = 110;

/// Prints one line for each row, with the name of a customer before the first of its rows. No line is wider than the terminal.
pub(super) fn write_table(rows: &[StatusRow], now: OffsetDateTime, mut out: impl Write) -> io::Result<()> {
    let given = crate::config::environment("COLUMNS").and_then(|columns| columns.parse().ok());
    let width: usize = given.or_else(|| Term::stdout().size_checked().map(|(_, columns)| columns.into())).unwrap_or(LINE).clamp(LINE, 160);
    let contact = if width >= WIDE { CONTACT } else { 0 };
    let name = width - APP - STATE - LAST - WHO - contact;
    let widths = [name, APP, STATE, LAST, WHO, contact];
    let mut line = |cells: [&str; 6]| {
        let cells = cells.iter().zip(widths).filter(|(_, width)| *width > 0).map(|(cell, width)| {
            let cell = truncate_str(cell, width - 2, "…");
            format!("{cell}{}", " ".repeat(width.saturating_sub(measure_text_width(&cell))))
        });
        writeln!(out, "{}", cells.collect::<String>().trim_end())
    };
    line(["CUSTOMER", "APP", "STATE", "LAST STEP", "WHO", "CONTACT"])?;
    let mut before = None;
    // The apps of a chain often share their state.
    let alike = |one: &StatusRow, other: &StatusRow| {
        let key = |row: &StatusRow| (row.tenant_id, row.state, row.who, row.last_step_at);
        one.tenant == other.tenant && key(one) == key(other)
    };
    for rows in rows.chunk_by(alike) {
        let Some(row) = rows.first() else { continue };
        let customer = (&row.tenant, row.tenant_id);
        let is_next = before == Some(customer);
        before = Some(customer);
        let [called, contact] = [row.label.as_deref().unwrap_or(&row.tenant), row.contact.as_deref().unwrap_or_default()];
        let [called, contact] = [called, contact].map(|text| if is_next { "" } else { text });
        let more = rows.len() - 1;
        let app = if more > 0 { format!("{} +{more}", truncate_str(row.app.as_str(), APP - 5, "…")) } else { row.app.to_string() };
        let last = row.last_step_at.map(|at| distance(at, now).replace("minute", "min").replace("second", "sec")).unwrap_or_default();
        let who = match row.who {
            "operator" => "you",
            "nobody_yet" => "wait",
            "nobody" => "",
            who => who,
        };
        line([called, &app, row.state, &last, who, contact])?;
    }
    out.flush()
}
