//! The way of a callback: read, open, judge, record, verify, conclude, record, answer. In this order, because what is cheap comes
//! first, what goes out comes last, and what is said was recorded before (laws 2 and 3).

use std::time::Instant;

use http::header::CONTENT_TYPE;
use time::OffsetDateTime;

use super::pages::{self, Notice};
use super::receipt::Shown;
use super::rejection::{keys_unavailable, not_recorded, recorded, turn_away, visitor_line};
use super::reply::{self, Answer};
use super::{Request, cookie, words};
use crate::consent::claim::{Agreement, judge};
use crate::consent::outcome::{conclude, conclude_unbound};
use crate::consent::{Callback, Claim, Outcome};
use crate::link::ticket::Life;
use crate::link::{Binding, Queued, Receipt, Ticket};
use crate::record::{Event, RejectionLine};
use crate::site::{Conclusion, KeysUnavailable, Site};
use crate::verify::Occasion;
use crate::world::{micros, millis, moment};

/// Answers a callback. `parameters` is its query, or the body of a form post.
pub(super) async fn answer(site: &Site, request: &Request, parameters: &[u8]) -> Answer {
    let (started, arrived) = (Instant::now(), site.clock.now());
    let callback = match Callback::parse(parameters) {
        Ok(callback) => callback,
        Err(malformed) => return turn_away(site, request, Outcome::LinkDamaged, malformed.reason(), None),
    };
    let unknown = Some(callback.unknown);
    let Some(state) = &callback.state else {
        // Answers in a fragment never reach a server; the page for nothing at all says so (threats reference S40).
        return match parameters {
            [] => recorded(site, request, "no_ticket", Notice::NothingArrived),
            _ => turn_away(site, request, Outcome::Unsolicited, "no_ticket", unknown),
        };
    };
    let ticket = match site.open(|seal| Ticket::open(state.unverified(), seal)).await {
        Ok(Ok(ticket)) => ticket,
        Ok(Err(flaw)) => return turn_away(site, request, Outcome::LinkDamaged, flaw.reason(), unknown),
        Err(KeysUnavailable(_)) => return keys_unavailable(site, request),
    };
    let expectation = &ticket.expectation;
    let links = &site.config.links;
    let life = ticket.life(site.clock.now_unix(), links.leeway.as_secs(), links.late.as_secs());
    let binding = ticket.binding(cookie::cookie(request));
    let late = life != Life::Valid;
    let about_ticket = |event| visitor_line(site, request, event).of_ticket(ticket.id, expectation, binding, late);
    let end = async |outcome: Outcome, reason: &'static str| {
        let rejection = RejectionLine { reason, bytes: parameters.len(), unknown_parameters: unknown };
        let remembered = remembered(site, &ticket, Claim::Silent, outcome, binding, late);
        let line = about_ticket(Event::Rejected)
            .with_outcome(ticket.id, remembered.callback_at, 0, None, outcome)
            .with_rejection(outcome, rejection);
        let recorded = async {
            site.records.write(&line)?;
            // Whoever sent the link learns that somebody wanted to use it.
            let Some(app) = site.config.app(&expectation.app) else { return Ok((Queued::No, None)) };
            site.hand_over(&line, Conclusion { remembered: &remembered, before: None, app, seen: None, at: site.clock.now() }).await
        };
        match recorded.await {
            Ok(_) => reply::result_answer(request, words::status(outcome), &pages::ResultPage::new(reply::imprint(site), outcome)),
            Err(error) => not_recorded(site, request, &error),
        }
    };
    if site.is_revoked(ticket.id, expectation, ticket.issued_at) {
        return end(Outcome::LinkRevoked, "link_revoked").await;
    }
    if life == Life::Expired {
        return end(Outcome::LinkExpired, "link_expired").await;
    }
    let Some(app) = site.config.app(&expectation.app) else {
        return end(Outcome::LinkRevoked, "app_not_configured").await;
    };

    let (claim, agreement) = judge(&callback, expectation);
    let visit = about_ticket(Event::Claimed).of_client(app.profile.client_id).with_claim(&claim, callback.carried_secret, callback.tenant);
    if let Err(error) = site.records.write(&visit.clone().took(millis(started.elapsed()), None)) {
        return not_recorded(site, request, &error);
    }

    let callback_at = site.clock.now_unix();
    let from = counts_from(&ticket, &claim, arrived);
    let first = site.first_arrival(ticket.id, &claim, arrived);
    let occasion = match claim {
        Claim::Success => Occasion::Success { from, first },
        Claim::Silent | Claim::Error(_) => Occasion::Claim { from, first },
    };
    let look = match agreement {
        Agreement::Agrees(tenant) => site.look(app, tenant, occasion, started).await.ok(),
        Agreement::OtherTenant { .. } | Agreement::Unbound(_) => None,
    };
    let assessment = look.as_ref().map(|look| look.finding.assess(&app.profile));
    let outcome = match (agreement, &assessment) {
        (Agreement::OtherTenant { .. }, _) => Outcome::WrongTenant,
        (Agreement::Unbound(_), _) => conclude_unbound(&claim),
        // Verified in the worker, or by a look that may not begin yet. Until then the claim is all there is, and a claim says nothing about
        // an approval: neither that it was given nor, where it is an error, that an earlier one is gone.
        (Agreement::Agrees(_), None) => Outcome::Pending,
        (Agreement::Agrees(_), Some(assessment)) => conclude(&claim, assessment.verdict, std::time::Duration::ZERO, None),
    };

    let mut concluded = visit.concluded(site.clock.now()).with_outcome(ticket.id, callback_at, 0, None, outcome);
    if let (Some(look), Some(assessment)) = (&look, &assessment) {
        concluded = look.recorded_on(concluded, assessment);
    }
    let verify = look.as_ref().map(|look| look.took_millis);
    let concluded = concluded.took(millis(started.elapsed()), verify);
    if let Err(error) = site.records.write(&concluded) {
        return not_recorded(site, request, &error);
    }

    let counts_from = micros(look.as_ref().map_or(from, |look| from.min(look.at)));
    let mut receipt = Receipt { callback_at, counts_from, ..remembered(site, &ticket, claim, outcome, binding, late) };
    let seen = look.as_deref().zip(assessment.as_ref());
    let done = Conclusion { remembered: &receipt, before: None, app, seen, at: site.clock.now() };
    (receipt.queued, receipt.event) = match site.hand_over(&concluded, done).await {
        Ok(handed) => handed,
        Err(error) => return not_recorded(site, request, &error),
    };
    let mut shown = Shown::new(site, app, &receipt, outcome);
    (shown.look, shown.assessment) = (look.as_deref(), assessment.as_ref());
    if reply::wants_json(&request.headers) {
        return shown.answer(request, None);
    }
    match site.receipt_address("r", &receipt).await {
        Some(address) => reply::see_other(&address),
        // Without a key no receipt can be signed; the truth is told all the same, on a page that cannot look again.
        None => shown.answer(request, None),
    }
}

/// `response_mode=form_post` (protocol reference §1.3): the same parameters in a body. What stands in the query besides counts
/// too, so that a name in both places is the duplicate it is.
pub(super) async fn form_post(site: &Site, request: &Request) -> Answer {
    let content_type = reply::header(&request.headers, &CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return recorded(site, request, "unsupported_media_type", Notice::UnsupportedMediaType);
    }
    let separator: &[u8] = if request.query.is_empty() { b"" } else { b"&" };
    let parameters = [request.query.as_slice(), separator, &request.body].concat();
    answer(site, request, &parameters).await
}

/// From when a look counts for a claim: from its arrival where it is one of success or came by a direct link, which is used for weeks;
/// else from after the second in which the ticket was issued.
fn counts_from(ticket: &Ticket, claim: &Claim, arrived: OffsetDateTime) -> OffsetDateTime {
    let by_arrival = *claim == Claim::Success || ticket.expectation.invitation.is_none();
    if by_arrival { arrived } else { moment(ticket.issued_at.saturating_add(1)).min(arrived) }
}

/// What a receipt remembers of a ticket that came back now.
fn remembered(site: &Site, ticket: &Ticket, claim: Claim, outcome: Outcome, binding: Binding, late: bool) -> Receipt {
    Receipt {
        ticket: ticket.id,
        expectation: ticket.expectation.clone(),
        claim,
        outcome,
        callback_at: site.clock.now_unix(),
        counts_from: micros(site.clock.now()),
        binding,
        late,
        signed_at: ticket.issued_at,
        step: 0,
        queued: Queued::No,
        event: None,
    }
}
