//! The worker: one message at a time, and one failure fails one message.

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use entra_consent::consent::{Claim, ExpectedTenant, Outcome};
use entra_consent::link::{Binding, Order, Receipt, Ticket};
use entra_consent::sandbox::demo;
use entra_consent::worker::handle_batch;

use super::support::stage::{Options, Stage};

const DAY: u64 = 86_400;

/// An order as the callback would issue one right after a claim that saw nothing.
async fn order(stage: &Stage, outcome: Outcome, wait: u64) -> String {
    let keys = stage.site.keys().await.unwrap();
    let seal = stage.site.seal(&keys);
    let ticket = Ticket::open(&stage.ticket(demo::CONTOSO).await, seal).unwrap();
    let remembered = Receipt {
        ticket: ticket.id,
        expectation: ticket.expectation,
        claim: Claim::Success,
        outcome,
        callback_at: seal.now,
        binding: Binding::None,
        late: false,
        signed_at: ticket.issued_at,
        step: 0,
    };
    Order { remembered, attempt: 1, not_before: seal.now + wait }.issue(stage.site.new_id(), 2 * DAY, seal).unwrap()
}

fn batch(bodies: &[&str]) -> SqsEvent {
    let message = |(at, body): (usize, &&str)| {
        let mut message = SqsMessage::default();
        message.message_id = Some(format!("m{at}"));
        message.body = Some((*body).to_owned());
        message
    };
    let mut batch = SqsEvent::default();
    batch.records = bodies.iter().enumerate().map(message).collect();
    batch
}

async fn failed(stage: &Stage, bodies: &[&str]) -> Vec<String> {
    let response = handle_batch(&stage.site, batch(bodies)).await;
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

#[tokio::test]
async fn an_order_is_looked_at_again_and_a_change_is_recorded_once() {
    let stage = Stage::new().await;
    let order = order(&stage, Outcome::Pending, 0).await;
    assert!(failed(&stage, &[&order]).await.is_empty());
    assert!(stage.records().is_empty(), "still pending: nothing changed");
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(31);
    assert!(failed(&stage, &[&order, &order]).await.is_empty());
    let records = stage.records();
    assert_eq!(records.len(), 1, "a redelivered order repeats nothing");
    assert_eq!((&records[0]["outcome"]["before"], &records[0]["outcome"]["after"]), (&"pending".into(), &"granted".into()));
}

#[tokio::test]
async fn one_poisoned_message_fails_alone_and_makes_nobody_ask() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let (good, ticket) = (order(&stage, Outcome::Pending, 0).await, stage.ticket(demo::CONTOSO).await);
    let forged = format!("{}x", order(&stage, Outcome::Pending, 0).await);
    assert_eq!(failed(&stage, &["", "{}", &ticket, &forged]).await, ["m0", "m1", "m2", "m3"]);
    assert_eq!(stage.control.upstream_calls(), 0);
    assert_eq!(stage.records().len(), 4);
    assert_eq!(failed(&stage, &["poison", &good]).await, ["m0"]);
    assert_eq!(stage.last_record()["outcome"]["after"], "granted");
}

#[tokio::test]
async fn an_order_is_not_carried_out_before_its_time_nor_after_its_life() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let order = order(&stage, Outcome::Pending, 60).await;
    assert_eq!(failed(&stage, &[&order]).await, ["m0"], "delivered again later");
    assert_eq!(stage.control.upstream_calls(), 0);
    stage.advance(3 * DAY);
    assert!(failed(&stage, &[&order]).await.is_empty());
    assert_eq!(stage.last_record()["rejection"]["reason"], "order_expired");
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn an_order_of_a_link_taken_back_makes_nobody_ask() {
    let by_date = Options { more: "[links]\nrevoked_before = \"2026-11-21T00:00:00Z\"".into(), ..Options::default() };
    let stage = Stage::with(by_date).await;
    stage.grant(demo::CONTOSO, demo::APP);
    let order = order(&stage, Outcome::Pending, 0).await;
    assert!(failed(&stage, &[&order]).await.is_empty());
    assert_eq!(stage.last_record()["rejection"]["reason"], "link_revoked");
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn a_message_without_an_id_does_not_fail_the_whole_batch() {
    let stage = Stage::new().await;
    let mut event = batch(&["poison", "poison"]);
    event.records[0].message_id = None;
    event.records[1].message_id = Some(String::new());
    assert!(handle_batch(&stage.site, event).await.batch_item_failures.is_empty());
}

#[tokio::test]
async fn an_order_without_a_tenant_is_recorded_and_dropped() {
    let stage = Stage::new().await;
    let keys = stage.site.keys().await.unwrap();
    let seal = stage.site.seal(&keys);
    let link = stage.link_for("mail-backup", ExpectedTenant::Any).await;
    let ticket = Ticket::open(&super::support::stage::ticket_of(&link), seal).unwrap();
    let remembered = Receipt {
        ticket: ticket.id,
        expectation: ticket.expectation,
        claim: Claim::Success,
        outcome: Outcome::AwaitingConfirmation,
        callback_at: seal.now,
        binding: Binding::None,
        late: false,
        signed_at: ticket.issued_at,
        step: 0,
    };
    let order = Order { remembered, attempt: 1, not_before: 0 }.issue(stage.site.new_id(), DAY, seal).unwrap();
    assert!(failed(&stage, &[&order]).await.is_empty());
    assert_eq!(stage.control.upstream_calls(), 0);
}
