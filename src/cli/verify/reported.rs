//! The rows of a run as customers of the report.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::row::ResultRow;
use super::summary::meaning;
use crate::cli::report::{ReportedApproval, ReportedCustomer};

/// Joins the rows of each tenant, in the order of the input.
pub(super) fn reported(mut rows: Vec<ResultRow>) -> Vec<ReportedCustomer> {
    rows.sort_by(|one, other| (one.row, &one.app).cmp(&(other.row, &other.app)));
    let mut customers: Vec<ReportedCustomer> = Vec::new();
    let mut places = HashMap::new();
    for row in rows {
        let place = match places.entry(row.tenant_id.map_or_else(|| format!("{} {}", row.row, row.tenant), |id| id.to_string())) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                let id = row.tenant_id.map_or_else(|| row.tenant.clone(), |id| id.to_string().into());
                let lines = [row.label.clone(), row.reference.clone(), Some(id)].into_iter().flatten().collect();
                let contact = row.contact.clone();
                customers.push(ReportedCustomer { name: row.called().into(), lines, contact, approvals: Vec::new() });
                *place.insert(customers.len() - 1)
            }
        };
        if let Some(customer) = customers.get_mut(place) {
            customer.approvals.push(approval(row));
        }
    }
    customers
}

fn approval(row: ResultRow) -> ReportedApproval {
    let (line, turn, tone) = meaning(&row.outcome);
    let lists = [("Missing", row.missing), ("Unseen", row.unseen), ("Forbidden", row.forbidden), ("Unexpected", row.unexpected)];
    let lists = lists.into_iter().flat_map(|(name, list)| list.into_iter().map(move |entry| format!("{name}: {entry}").into()));
    let before = row.before.map(|before| format!("Before: {}", before.replace('_', " ")).into());
    let problem = row.problem.filter(|problem| **problem != *line);
    let details = lists.chain(before).chain(problem).collect();
    let who = turn.for_operator();
    ReportedApproval { app: row.app, state: row.outcome, tone, who, next: line.into(), details, at: row.checked_at }
}
