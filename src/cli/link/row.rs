//! One row between the customers' table and the table with the links.

use crate::cli::mail::MailFile;
use crate::consent::TenantId;
use crate::installation::SignedLink;

/// The status of a row with a link.
pub(in crate::cli) const MADE: &str = "made";
/// The statuses of a row whose link no longer works.
pub(in crate::cli) const EXPIRED: &str = "expired";
pub(in crate::cli) const REVOKED: &str = "revoked";

/// A row of the customers' table, with its state.
pub(super) struct LinkRow {
    pub(super) number: u64,
    pub(super) cells: csv::StringRecord,
    /// The end of the row, in bytes of the customers' table.
    pub(super) ends_at: u64,
    pub(super) state: RowState,
}

/// The mail of a link.
pub(super) struct RowMail {
    /// Subject and text for the table, where a customer's words must not become formulas.
    pub(super) cells: [String; 2],
    /// The same word for word.
    pub(super) file: MailFile,
}

/// The state of a row after its steps.
pub(super) enum RowState {
    /// The interrupted run wrote the row, with or without a link to this tenant. `stale`: this run would write the row differently.
    Written { tenant: Option<TenantId>, stale: bool },
    /// The row has a link. `kept`: the link is from an earlier run. `remark`: a note to the operator about the link.
    Linked { tenant: TenantId, link: SignedLink<String>, kept: bool, mail: Option<Box<RowMail>>, remark: String },
    /// The row keeps a link from an earlier run, and this link has expired or was revoked.
    Dead { tenant: TenantId, link: SignedLink<String>, status: &'static str, problem: String },
    /// The row has no link.
    Failed { status: &'static str, problem: String },
}

impl RowState {
    pub(super) fn linked(tenant: TenantId, link: SignedLink<String>, kept: bool) -> Self {
        Self::Linked { tenant, link, kept, mail: None, remark: String::new() }
    }

    /// The tenant that the row's link is for.
    pub(super) fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Written { tenant, .. } => *tenant,
            Self::Linked { tenant, .. } | Self::Dead { tenant, .. } => Some(*tenant),
            Self::Failed { .. } => None,
        }
    }

    /// Puts a remark before the existing ones of a link.
    pub(super) fn add_remark(&mut self, first: &str) {
        if let Self::Linked { remark, .. } = self {
            *remark = if remark.is_empty() { first.to_owned() } else { format!("{first}; {remark}") };
        }
    }
}
