//! Finds the claims in the records that need another check: those without a conclusion, and those whose last outcome is not final.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io::{self, BufRead};
use std::time::Duration;

use time::OffsetDateTime;

use super::subject::Remembered;
use crate::cli::record_lines::{ReadRecord, for_each_line};
use crate::consent::{Claim, Outcome, ProfileId, TenantId, TokenId};

/// The number of lines of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// All lines that are not empty.
    pub(super) lines: u64,
    /// Records of the kinds `claimed` and `concluded`.
    pub(super) of_tickets: u64,
    /// Records of other kinds: pages shown, buttons pressed, rejections.
    pub(super) other: u64,
    /// All other lines: of another service, incomplete, or damaged.
    pub(super) foreign: u64,
}

/// The open claims about one app in one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenClaim {
    /// The line of the last claim.
    pub(super) line: u64,
    pub(super) label: Option<Box<str>>,
    pub(super) reference: Option<Box<str>>,
    pub(super) remembered: Remembered,
    /// The number of open claims.
    pub(super) claims: u64,
}

/// The open claims in the records.
#[derive(Debug, Default)]
pub(super) struct OpenClaims {
    /// The open claims, by tenant and app.
    pub(super) open: BTreeMap<(TenantId, ProfileId), OpenClaim>,
    /// Tickets whose last outcome is final.
    pub(super) closed: u64,
    /// Open claims that name no tenant, from links for any tenant. They cannot be checked.
    pub(super) without_tenant: u64,
    pub(super) counts: Counts,
}

/// The known state of one ticket.
#[derive(Debug)]
struct TicketState {
    /// The last outcome, and when it was recorded.
    concluded: Option<(OffsetDateTime, Outcome)>,
    /// The last claim. Dropped when the ticket is closed, because there may be very many closed tickets.
    claimed: Option<Box<Claimed>>,
}

#[derive(Debug)]
struct Claimed {
    line: u64,
    at: OffsetDateTime,
    /// Whether `line` is the claim's own line. Otherwise, it is the line of a conclusion whose claim has not been read.
    own: bool,
    tenant: Option<TenantId>,
    app: ProfileId,
    label: Option<Box<str>>,
    reference: Option<Box<str>>,
    claim: Claim,
}

/// Whether a last outcome is not final: either it can still change, or it waits for a check that did not follow.
fn is_open(outcome: Outcome, age: Duration) -> bool {
    outcome.can_change(age) || outcome.is_waited_for()
}

/// Reads records to their end.
///
/// # Errors
/// Those of the source.
pub(super) fn read(source: impl BufRead, now: OffsetDateTime) -> io::Result<OpenClaims> {
    let mut opened = OpenClaims::default();
    let mut tickets: HashMap<TokenId, TicketState> = HashMap::new();
    for_each_line(source, |number, record| {
        opened.counts.lines += 1;
        match record {
            None => opened.counts.foreign += 1,
            Some(record) => match take(&mut tickets, number, record) {
                Some(()) => opened.counts.of_tickets += 1,
                None => opened.counts.other += 1,
            },
        }
    })?;
    for ticket in tickets.into_values() {
        let age = |claimed: &Claimed| Duration::try_from(now - claimed.at).unwrap_or_default();
        let outcome = ticket.concluded.map(|(_, outcome)| outcome);
        // A claim after the last conclusion has no conclusion of its own.
        let is_unfinished = |claimed: &Claimed| claimed.own && ticket.concluded.is_none_or(|(at, _)| at < claimed.at);
        let needs_check = |claimed: &Claimed| is_unfinished(claimed) || outcome.is_none_or(|outcome| is_open(outcome, age(claimed)));
        let claimed = ticket.claimed.filter(|claimed| needs_check(claimed));
        let Some(claimed) = claimed else {
            opened.closed += 1;
            continue;
        };
        let Claimed { line, at, tenant, app, label, reference, claim, own: _ } = *claimed;
        let Some(tenant) = tenant else {
            opened.without_tenant += 1;
            continue;
        };
        let remembered = Remembered { claim, at, before: outcome };
        let one = OpenClaim { line, label, reference, remembered, claims: 0 };
        let known = opened.open.entry((tenant, app)).or_insert_with(|| one.clone());
        let claims = known.claims + 1;
        if (one.remembered.at, one.line) > (known.remembered.at, known.line) {
            *known = one;
        }
        known.claims = claims;
    }
    Ok(opened)
}

/// Takes a record. `None` for a record that says nothing about the state of a ticket.
fn take(tickets: &mut HashMap<TokenId, TicketState>, line: u64, record: ReadRecord) -> Option<()> {
    if !matches!(record.event.as_str(), Some("claimed" | "concluded")) {
        return None;
    }
    let claim = record.claim?.claim();
    let ticket = tickets.entry(record.ticket?).or_insert(TicketState { concluded: None, claimed: None });
    if let Some(outcome) = &record.outcome
        && ticket.concluded.is_none_or(|(at, _)| at <= record.at)
    {
        ticket.concluded = Some((record.at, outcome.after));
    }
    let own = record.outcome.is_none();
    let is_better = |known: &Claimed| own && (!known.own || known.at <= record.at);
    if ticket.claimed.as_deref().is_none_or(is_better) {
        ticket.claimed = Some(Box::new(Claimed {
            line,
            at: record.at,
            own,
            tenant: record.tenant,
            app: record.app?,
            label: record.label.map(|label| label.as_str().into()),
            reference: record.reference.map(|reference| reference.as_str().into()),
            claim,
        }));
    }
    let last_word = ticket.concluded.filter(|(_, outcome)| !is_open(*outcome, Duration::ZERO));
    if last_word.is_some_and(|(at, _)| ticket.claimed.as_ref().is_some_and(|claimed| claimed.at <= at)) {
        ticket.claimed = None;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::consent::{AadstsCode, Binding, ClaimedError, ErrorClass, Expectation, ExpectedTenant, Label, Reference};
    use crate::record::{
        ApprovalLine, ClaimedLine, ConclusionLine, Durations, InvitationLine, LinkLine, OutcomeLine, Record, TransitionId, VisitLine,
    };

    #[test]
    fn what_the_record_writes_is_read_as_what_it_was() {
        let (at, ticket) = (datetime!(2026-11-20 12:00 UTC), TokenId::from_random([7; 16]));
        let tenant = TenantId::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").unwrap();
        let expectation = Expectation {
            app: ProfileId::parse("mail").unwrap(),
            tenant: ExpectedTenant::Tenant(tenant),
            label: Label::parse("Contoso").ok(),
            reference: Reference::parse("T-1").ok(),
            invitation: None,
        };
        let error = |class| {
            let code = AadstsCode::from_number(65_004);
            Claim::Error(ClaimedError { class, code, resource: None, trace_id: None, correlation_id: None, other_tenant: false })
        };
        let classes = [
            ErrorClass::Declined,
            ErrorClass::NotAnAdmin,
            ErrorClass::WrongAccount,
            ErrorClass::BlockedByPolicy,
            ErrorClass::AppMisconfigured,
            ErrorClass::Unknown,
        ];
        for claim in [Claim::Success, Claim::NoFlag].into_iter().chain(classes.map(error)) {
            let visit = VisitLine::of_message(ticket, None);
            let link = LinkLine::new(&expectation, None);
            let seen = Record::Seen(InvitationLine { visit: visit.clone(), link: link.clone() });
            let approval = ApprovalLine { visit, ticket, link, binding: Binding::Browser, late: false, mangling: Vec::new() };
            let claimed = ClaimedLine::new(approval, &claim, false, None);
            let transition = TransitionId { id: "1".into(), ticket: None };
            let outcome = OutcomeLine { before: None, after: Outcome::Pending };
            let conclusion = ConclusionLine::new(transition, outcome, claimed.clone(), None);
            let durations_ms = Durations { total: 1, verify: None };
            let concluded = Record::Concluded { conclusion, durations_ms };
            let claimed = Record::Claimed { claimed, durations_ms };
            let [claimed, concluded, seen] = [claimed, concluded, seen].map(|record| record.to_json_line(at));
            let later = seen.replace("\"seen\"", "\"of_a_later_version\"");
            let text = [claimed, concluded, seen, later].concat();
            let opened = read(text.as_bytes(), at).unwrap();
            assert_eq!(opened.counts, Counts { lines: 4, of_tickets: 2, other: 2, foreign: 0 });
            let open = &opened.open[&(tenant, expectation.app.clone())];
            assert_eq!((open.label.as_deref(), open.reference.as_deref()), (Some("Contoso"), Some("T-1")));
            assert_eq!(open.remembered, Remembered { claim, at, before: Some(Outcome::Pending) });
        }
    }
}
