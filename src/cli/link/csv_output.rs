//! The table with the links: the customers' own columns, safe to open in a spreadsheet, then our columns.

use std::borrow::Cow;

use super::job::ends;
use super::row::{EXPIRED, MADE, REVOKED, RowState};
use crate::cli::csv_safe::{safe_at_start, safe_cell};
use crate::cli::customers::{Columns, IN_LINKS};
use crate::cli::exit::{CommandError, usage};
use crate::cli::timestamp::exact;

/// Our columns.
pub(in crate::cli) const TENANT_ID: &str = "tenant_id";
pub(in crate::cli) const LINK: &str = "link";
pub(in crate::cli) const LINK_ID: &str = "link_id";
pub(in crate::cli) const EXPIRES: &str = "expires";
pub(in crate::cli) const STATUS: &str = "status";
pub(in crate::cli) const PROBLEM: &str = "problem";
pub(in crate::cli) const MAIL_SUBJECT: &str = "mail_subject";
pub(in crate::cli) const MAIL_TEXT: &str = "mail_text";
const OURS: [&str; 6] = [TENANT_ID, LINK, LINK_ID, EXPIRES, STATUS, PROBLEM];
/// The columns of a table of results that are about the customer.
const OF_CUSTOMER: [&str; 6] = ["tenant", "name", "label", "reference", "contact", "language"];
const MAIL: [&str; 2] = [MAIL_SUBJECT, MAIL_TEXT];

/// Whether this command writes a column of this name.
pub(in crate::cli) fn is_ours(name: &str) -> bool {
    OURS.iter().chain(&MAIL).any(|our| Columns::is(name, our))
}

/// Whether a row of this status has a link, working or not.
pub(super) fn has_link(status: &str) -> bool {
    [MADE, EXPIRED, REVOKED].contains(&status)
}

/// The columns of the table.
pub(super) struct Layout {
    /// The positions of the customers' own columns in their table, except columns with one of our names.
    kept: Vec<usize>,
    names: Vec<String>,
    /// The positions of the columns that go into links, in the table with the links.
    in_links: [Option<usize>; IN_LINKS.len()],
    has_mail: bool,
}

impl Layout {
    /// # Errors
    /// [`CommandError`] if a column of the customers has one of our names. A table with all of our columns comes from this command, so the
    /// new columns replace them.
    pub(super) fn new(table: &str, columns: &Columns, has_mail: bool) -> Result<Self, CommandError> {
        let is_results = columns.is_results();
        let is_written_here = is_results || OURS.iter().all(|our| columns.position(our).is_some());
        let mail_columns: &[&'static str] = if has_mail || is_written_here { &MAIL } else { &[] };
        let our = |name: &str| OURS.iter().chain(mail_columns).copied().find(|our| Columns::is(name, our));
        if !is_written_here && let Some(taken) = columns.names().find_map(our) {
            return Err(usage(format!("{table}: the column `{taken}` is called as one that this command writes."), "rename it"));
        }
        // Of a table of results only the customer's own columns stay: outcomes of then would be taken for those of the new link.
        let is_own = |name: &str| if is_results { OF_CUSTOMER.iter().any(|own| Columns::is(name, own)) } else { our(name).is_none() };
        let (kept, own): (Vec<usize>, Vec<&str>) = columns.names().enumerate().filter(|(_, name)| is_own(name)).unzip();
        let names = own.into_iter().map(|name| safe_cell(name).into_owned());
        let written = OURS.into_iter().chain(MAIL.into_iter().filter(|_| has_mail));
        let names = names.chain(written.map(str::to_owned)).collect();
        let in_links = IN_LINKS.map(|name| kept.iter().position(|at| columns.position(name) == Some(*at)));
        Ok(Self { kept, names, in_links, has_mail })
    }

    /// Whether a written row still contains the customer's row unchanged.
    pub(super) fn keeps(&self, cells: &csv::StringRecord, written: &csv::StringRecord) -> bool {
        self.kept.iter().zip(written).all(|(at, written)| safe_cell(cells.get(*at).unwrap_or_default()) == written)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The cells of a written row that went into its link, the link and the status.
    pub(super) fn key_cells<'w>(&self, written: &'w csv::StringRecord) -> KeyCells<'w> {
        let cell = |at: usize| written.get(at).unwrap_or_default();
        let ours = |name: &str| cell(self.kept.len() + OURS.iter().position(|our| *our == name).unwrap_or_default());
        KeyCells { in_links: self.in_links.map(|at| at.map(cell).unwrap_or_default()), link: ours(LINK), status: ours(STATUS) }
    }

    /// The row to write. `None` if the row is already written.
    pub(super) fn cells<'r>(&self, customer: &'r csv::StringRecord, state: &'r RowState) -> Option<Vec<Cow<'r, str>>> {
        let (made, status, problem, mail) = match state {
            RowState::Written { .. } => return None,
            RowState::Linked { tenant, link, mail, remark, .. } => {
                (Some((tenant, link)), MADE, remark, mail.as_ref().map(|mail| &mail.cells))
            }
            RowState::Dead { tenant, link, status, problem } => (Some((tenant, link)), *status, problem, None),
            RowState::Failed { status, problem } => (None, *status, problem, None),
        };
        let [tenant, link, id, expires] = match made {
            None => [const { Cow::Borrowed("") }; 4],
            Some((tenant, link)) => {
                [tenant.to_string().into(), safe_cell(&link.address), link.id.to_string().into(), exact(ends(link)).into()]
            }
        };
        let own = self.kept.iter().map(|at| safe_cell(customer.get(*at).unwrap_or_default()));
        let ours = [tenant, link, id, expires, status.into(), safe_cell(problem)];
        let [subject, text] = mail.map_or(["", ""], |cells| cells.each_ref().map(String::as_str)).map(safe_at_start);
        Some(own.chain(ours).chain([subject, text].into_iter().filter(|_| self.has_mail)).collect())
    }
}

/// The cells that identify a written row's customer.
pub(super) struct KeyCells<'w> {
    pub(super) in_links: [&'w str; IN_LINKS.len()],
    pub(super) link: &'w str,
    pub(super) status: &'w str,
}
