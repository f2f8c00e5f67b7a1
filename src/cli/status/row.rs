//! One row of `status`: a customer and an app.

use std::io::{self, Write};

use dialoguer::console::{measure_text_width, truncate_str};
use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use super::board::{Step, TrackedApproval, TrackedCustomer};
use crate::cli::link::{EXPIRED, MADE, REVOKED};
use crate::cli::output::{Column, LINE, PrintedRow};
use crate::cli::terminal;
use crate::cli::timestamp::{distance, exact};

#[derive(Debug)]
pub(super) struct StatusRow {
    /// The customer, without its approvals.
    customer: TrackedCustomer,
    approval: TrackedApproval,
    who: &'static str,
    next: &'static str,
    /// As in the table of `link`.
    status: &'static str,
}

/// A member for each column, and `null` for an empty cell.
impl Serialize for StatusRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Self::names().zip(self.cells().map(|cell| Some(cell).filter(|cell| !cell.is_empty()))))
    }
}

impl TrackedApproval {
    /// The request for another link, the last outcome, or the last step without one, for people.
    pub(super) fn state(&self) -> &'static str {
        match self.status() {
            _ if self.has_asked() => "asked",
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
            let status = match approval.link.as_deref() {
                None => "",
                Some(link) if link.is_revoked => REVOKED,
                Some(link) if link.is_live(now) => MADE,
                Some(_) => EXPIRED,
            };
            let customer = TrackedCustomer { approvals: Vec::new(), ..customer.clone() };
            Self { customer, approval: approval.clone(), who: owner.for_operator(), next, status }
        };
        customer.approvals.iter().map(row).collect()
    }

    fn step(&self, step: Step) -> String {
        time(self.approval.taken(step))
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
        ("tenant", |row| row.customer.tenant.to_string()),
        ("label", |row| text(&row.customer.label)),
        ("reference", |row| text(&row.customer.reference)),
        ("contact", |row| text(&row.customer.contact)),
        ("language", |row| text(&row.customer.language)),
        ("app", |row| row.approval.app.to_string()),
        ("step", |row| row.approval.step().name().to_owned()),
        ("outcome", |row| row.approval.status().map(|status| status.name().to_owned()).unwrap_or_default()),
        ("who", |row| row.who.to_owned()),
        ("next", |row| row.next.to_owned()),
        ("last_step_at", |row| time(row.approval.last_step)),
        ("invited", |row| row.step(Step::Invited)),
        ("seen", |row| row.step(Step::Seen)),
        ("started", |row| row.step(Step::Started)),
        ("returned", |row| row.step(Step::Returned)),
        ("checked_at", |row| time(row.approval.outcome.map(|(_, at)| at))),
        ("tenant_id", |row| row.customer.tenant_id.map(|id| id.to_string()).unwrap_or_default()),
        ("link", |row| row.approval.link.as_ref().map(|link| link.signed.address.clone()).unwrap_or_default()),
        ("link_id", |row| row.approval.link.as_ref().map(|link| link.signed.id.to_string()).unwrap_or_default()),
        ("expires", |row| time(row.approval.link.as_ref().map(|link| link.ends()))),
        ("status", |row| row.status.to_owned()),
        ("problem", |row| text(&row.approval.problem)),
        ("asked", |row| time(row.approval.asked)),
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
    let width = terminal::width().map_or(LINE, usize::from).clamp(LINE, 160);
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
    let key =
        |row: &StatusRow| (row.customer.tenant.clone(), row.customer.tenant_id, row.approval.state(), row.who, row.approval.last_step);
    for rows in rows.chunk_by(|one, other| key(one) == key(other)) {
        let [StatusRow { customer, approval, who, .. }, more @ ..] = rows else { continue };
        let is_next = before.replace((&customer.tenant, customer.tenant_id)) == Some((&customer.tenant, customer.tenant_id));
        let [called, contact] =
            [customer.called(), customer.contact.as_deref().unwrap_or_default()].map(|text| if is_next { "" } else { text });
        let app = approval.app.as_str();
        let app = if more.is_empty() { app.to_owned() } else { format!("{} +{}", truncate_str(app, APP - 5, "…"), more.len()) };
        let last = approval.last_step.map(|at| distance(at, now).replace("minute", "min").replace("second", "sec")).unwrap_or_default();
        let who = match *who {
            "operator" => "you",
            "nobody_yet" => "wait",
            "nobody" => "",
            who => who,
        };
        line([called, &app, approval.state(), &last, who, contact])?;
    }
    out.flush()
}
