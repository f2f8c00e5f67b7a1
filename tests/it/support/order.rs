//! Orders as the callback signs them.

use entra_consent::consent::{ApprovalState, Binding, Claim, Outcome, Queued};
use entra_consent::installation::Installation;
use entra_consent::token::{Order, Ticket};

/// An order right after a claim of success, for a check `wait` seconds after `now`.
pub(crate) fn order_of(ticket: Ticket, outcome: Outcome, now: u64, wait: u64) -> Order {
    let remembered = ApprovalState {
        ticket: ticket.id,
        expectation: ticket.expectation,
        claim: Claim::Success,
        outcome,
        since: now,
        callback_at: now,
        counts_from: now * 1_000_000,
        binding: Binding::None,
        browser: None,
        late: false,
        signed_at: ticket.issued_at,
        step: 0,
        queued: Queued::Sent,
        event: None,
        verifier_claimed_at: None,
    };
    Order { remembered, attempt: 1, not_before: now + wait, tell: None }
}

/// The signed order for a ticket. The order lives for two days.
pub(crate) async fn signed_order(installation: &Installation, ticket: &str, outcome: Outcome, wait: u64) -> String {
    let keys = installation.keys().await.unwrap();
    let signer = installation.signer(&keys);
    let ticket = Ticket::open(ticket, signer).unwrap();
    order_of(ticket, outcome, signer.now, wait).issue(installation.new_id(), 2 * 86_400, signer).unwrap()
}
