//! What the queue sees: one message at a time, and one failure fails one message.
//!
//! A message is a signed [`Order`]. The queue is trusted no more than the public address: a forged message makes nobody ask
//! Microsoft. Sending orders, and the next one after a look that was not final, is not in this version.

use std::time::Instant;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};

use crate::consent::Outcome;
use crate::link::Order;
use crate::record::{Event, FrontDoor, Line, RejectionLine};
use crate::site::{KeysUnavailable, Site};

/// One delivery of a message, whatever queue it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The message's id in its queue.
    pub id: &'a str,
    /// Its body: a signed order, if it is genuine.
    pub body: &'a str,
    /// How often it was delivered, this time included; 0 where the queue does not say.
    pub received: u32,
}

/// What becomes of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// Deleted from the queue.
    Done,
    /// Delivered again, and in the end to the dead-letter queue.
    Failed,
}

/// Carries out a batch. Answers with the messages that failed; all others are deleted by Lambda.
pub async fn handle_batch(site: &Site, batch: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for message in &batch.records {
        let delivery = Delivery {
            id: message.message_id.as_deref().unwrap_or_default(),
            body: message.body.as_deref().unwrap_or_default(),
            received: message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(0),
        };
        if carry_out(site, delivery).await == Handled::Failed {
            match &message.message_id {
                // An empty identifier would fail the whole batch.
                Some(id) if !id.is_empty() => response.add_failure(id.clone()),
                _ => tracing::error!("a message without an id failed and cannot be reported"),
            }
        }
    }
    response
}

/// Carries out one message.
pub async fn carry_out(site: &Site, delivery: Delivery<'_>) -> Handled {
    let started = Instant::now();
    let body = delivery.body;
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
