//! What the queue sees: one message at a time, and one failure fails one message.
//!
//! A message is a signed [`Order`]. The queue is trusted no more than the public address: a forged message makes nobody ask
//! Microsoft. Sending orders, and the next one after a look that was not final, is not in this version.

use std::time::Instant;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};

use crate::consent::Outcome;
use crate::link::Order;
use crate::record::{Event, FrontDoor, Line, RejectionLine};
use crate::site::{KeysUnavailable, Site};

/// What becomes of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handled {
    /// Deleted from the queue.
    Done,
    /// Delivered again, and in the end to the dead-letter queue.
    Failed,
}

/// Carries out a batch. Answers with the messages that failed; all others are deleted by Lambda.
pub async fn handle_batch(site: &Site, batch: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for message in &batch.records {
        if handle(site, message).await == Handled::Failed {
            match &message.message_id {
                // An empty identifier would fail the whole batch.
                Some(id) if !id.is_empty() => response.add_failure(id.clone()),
                _ => tracing::error!("a message without an id failed and cannot be reported"),
            }
        }
    }
    response
}

async fn handle(site: &Site, message: &SqsMessage) -> Handled {
    let started = Instant::now();
    let body = message.body.as_deref().unwrap_or_default();
    let (order, ends) = match site.open(|seal| Order::open(body, seal)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(flaw)) => {
            reject(site, Outcome::LinkDamaged, flaw.reason(), body.len());
            return Handled::Failed;
        }
        Err(KeysUnavailable(_)) => return Handled::Failed,
    };
    let now = site.clock.now_unix();
    let remembered = &order.remembered;
    if now > ends.saturating_add(site.config.links.leeway.as_secs()) {
        reject(site, Outcome::LinkExpired, "order_expired", body.len());
        return Handled::Done;
    }
    if now < order.not_before {
        return Handled::Failed;
    }
    if site.is_revoked(remembered.ticket, &remembered.expectation, remembered.signed_at) {
        reject(site, Outcome::LinkRevoked, "link_revoked", body.len());
        return Handled::Done;
    }
    let Some(again) = site.look_again(remembered, started).await else {
        reject(site, Outcome::LinkRevoked, "order_without_app_or_tenant", body.len());
        return Handled::Done;
    };
    let line = Line::new(Event::Concluded, site.clock.now()).from_visitor(site.new_id(), FrontDoor::Other, None, None);
    match site.record_again(line, remembered, &again) {
        Ok(()) => Handled::Done,
        Err(error) => {
            tracing::error!(error.kind = %error.kind(), "a record could not be written; the message is delivered again");
            Handled::Failed
        }
    }
}

fn reject(site: &Site, outcome: Outcome, reason: &'static str, bytes: usize) {
    let line = Line::new(Event::Rejected, site.clock.now())
        .from_visitor(site.new_id(), FrontDoor::Other, None, None)
        .with_rejection(outcome, RejectionLine { reason, bytes, unknown_parameters: None });
    if let Err(error) = site.records.write(&line) {
        tracing::error!(error.kind = %error.kind(), "a rejection could not be recorded");
    }
}
