//! The worker processes one order at a time, and one failure fails only its own message.

mod chain;
mod convergence;
mod propagation;
mod sends;
mod states;

use entra_consent::approval::follow_up::{Delivery, Handled, carry_out};
use entra_consent::consent::{ExpectedTenant, Outcome};
use entra_consent::lambda::queue_batch::{Batch, handle_batch};
use entra_consent::lambda::runtime::Work;
use entra_consent::token::{Order, PendingEvent, Ticket};
use entra_sandbox::{Effect, Fault, FaultAt, demo};
use serde_json::{Value, json};

use super::support::order::{order_of, signed_order};
use super::support::outbox::Mood;
use super::support::stage::{Options, Stage};

const DAY: u64 = 86_400;

/// A stage with a queue, an event bus and a worker behind them.
async fn stage() -> Stage {
    Stage::with(Options { queue: true, ..Options::default() }).await
}

fn of_kind(stage: &Stage, event: &str) -> Vec<Value> {
    stage.records().into_iter().filter(|record| record["event"] == event).collect()
}

/// The previous outcome and the new outcome, for all conclusions or events of a ticket.
fn transitions(records: &[Value]) -> Vec<(Value, Value)> {
    records.iter().map(|record| (record["outcome"]["before"].clone(), record["outcome"]["after"].clone())).collect()
}

/// An order as the callback signs it right after a claim without a visible approval.
async fn order(stage: &Stage, outcome: Outcome, wait: u64) -> String {
    signed_order(&stage.installation, &stage.ticket(demo::CONTOSO).await, outcome, wait).await
}

/// A batch as Lambda delivers it.
fn batch(messages: &[Value]) -> Batch {
    match Work::read(&json!({ "Records": messages }).to_string()) {
        Ok(Work::Batch(batch)) => batch,
        other => panic!("{other:?}"),
    }
}

fn message(id: &str, body: &str) -> Value {
    json!({
        "messageId": id, "receiptHandle": id, "body": body, "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1545082649183", "SenderId": "AIDAIENQZJOLO23YVJ4VO"},
        "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-central-1",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:orders",
    })
}

async fn failed(stage: &Stage, bodies: &[&str]) -> Vec<String> {
    let messages: Vec<_> = bodies.iter().enumerate().map(|(at, body)| message(&format!("m{at}"), body)).collect();
    reported(stage, &messages).await
}

/// The IDs of the messages that the worker reports as failed.
async fn reported(stage: &Stage, messages: &[Value]) -> Vec<String> {
    let response = handle_batch(&stage.worker, batch(messages)).await;
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

#[tokio::test]
async fn an_order_is_checked_and_its_change_published_once() {
    let stage = stage().await;
    let order = order(&stage, Outcome::Pending, 0).await;
    assert!(failed(&stage, &[&order]).await.is_empty());
    assert!(stage.records().is_empty(), "still pending: nothing changed");
    assert_eq!(stage.outbox.sent(), 1, "the next check is scheduled");
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(31);
    let next = stage.outbox.take_next().unwrap().body;
    assert!(failed(&stage, &[&next, &next]).await.is_empty());
    let events: Vec<_> = stage.records().into_iter().map(|record| record["event"].clone()).collect();
    assert_eq!(events, ["concluded", "dispatched", "settled"], "a redelivered order repeats nothing");
    assert_eq!(transitions(&of_kind(&stage, "concluded")), [("pending".into(), "granted".into())]);
    assert_eq!(transitions(&of_kind(&stage, "settled")), [("granted".into(), "granted".into())]);
    assert_eq!(transitions(&stage.outbox.events()), [("pending".into(), "granted".into())]);
    assert_eq!(stage.outbox.waiting().len(), 0, "no check remains");
    assert_eq!(stage.outbox.events()[0]["id"], of_kind(&stage, "concluded")[0]["transition"]);
}

#[tokio::test]
async fn an_order_delivered_twice_at_once_sends_one_order() {
    let stage = stage().await;
    let order = order(&stage, Outcome::Pending, 0).await;
    assert!(failed(&stage, &[&order, &order, &order]).await.is_empty());
    assert_eq!(stage.outbox.sent(), 1);
}

#[tokio::test]
async fn one_invalid_message_fails_alone_without_a_call() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let (good, ticket) = (order(&stage, Outcome::Pending, 0).await, stage.ticket(demo::CONTOSO).await);
    let forged = format!("{}x", order(&stage, Outcome::Pending, 0).await);
    assert_eq!(failed(&stage, &["", "{}", &ticket, &forged]).await, ["m0", "m1", "m2", "m3"]);
    assert_eq!(stage.control.upstream_calls(), 0);
    let named: Vec<_> = stage.records().into_iter().map(|record| (record["event"].clone(), record["message"].clone())).collect();
    let message = |id: &str| serde_json::json!({ "id": id, "received": 3 });
    assert_eq!(named, ["m0", "m1", "m2", "m3"].map(|id| ("rejected".into(), message(id))));
    assert_eq!(failed(&stage, &["poison", &good]).await, ["m0"]);
    assert_eq!(of_kind(&stage, "concluded")[0]["outcome"]["after"], "granted");
}

#[tokio::test]
async fn an_invalid_message_ends_as_a_recorded_dead_letter() {
    let stage = stage().await;
    stage.outbox.smuggle("poison");
    stage.work(3_600).await;
    let dead = stage.outbox.dead();
    assert_eq!((dead.len(), dead[0].id.as_str()), (1, "m1"));
    let last = stage.last_record();
    assert_eq!((&last["message"]["id"], &last["message"]["received"]), (&"m1".into(), &5.into()));
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn a_flood_of_poison_is_named_message_by_message() {
    let stage = stage().await;
    for at in 0..50 {
        stage.outbox.smuggle(&format!("poison {at}"));
    }
    stage.work(0).await;
    assert_eq!(of_kind(&stage, "rejected").len(), 50);
}

#[tokio::test]
async fn an_order_is_not_carried_out_after_its_life() {
    let stage = stage().await;
    let order = order(&stage, Outcome::Pending, 60).await;
    stage.advance(3 * DAY);
    assert!(failed(&stage, &[&order]).await.is_empty());
    let record = stage.last_record();
    assert_eq!(record["rejection"]["reason"], "order_expired");
    assert_eq!((&record["tenant"], &record["client_id"]), (&demo::CONTOSO.to_string().into(), &demo::APP.to_string().into()));
    assert!(record["ticket"].is_string() && record["message"]["id"] == "m0");
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn an_order_is_carried_out_up_to_a_minute_past_its_life_since_clocks_differ() {
    for (past, reason) in [(60, None), (61, Some("order_expired"))] {
        let stage = stage().await;
        stage.grant(demo::CONTOSO, demo::APP);
        let order = order(&stage, Outcome::Pending, 0).await;
        stage.advance(2 * DAY + past);
        assert!(failed(&stage, &[&order]).await.is_empty());
        assert_eq!(stage.last_record()["rejection"]["reason"].as_str(), reason, "{past} s past its end");
    }
}

#[tokio::test]
async fn the_worker_waits_longer_for_microsoft_than_a_browser_would() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.control.fault(Fault::new(FaultAt::Token, Effect::Slow { millis: 3_200 })).unwrap();
    let order = order(&stage, Outcome::Pending, 0).await;
    assert!(failed(&stage, &[&order]).await.is_empty());
    assert_eq!(of_kind(&stage, "concluded")[0]["outcome"]["after"], "granted");
}

#[tokio::test]
async fn an_order_that_makes_us_panic_fails_alone_is_named_and_can_be_delivered_again() {
    let stage = stage().await;
    let order = order(&stage, Outcome::Pending, 0).await;
    stage.outbox.set(Mood::Panics, Mood::Takes);
    assert_eq!(failed(&stage, &["poison", &order]).await, ["m0", "m1"]);
    let [record] = &of_kind(&stage, "failed")[..] else { panic!("one message failed") };
    assert_eq!(record["message"], serde_json::json!({ "id": "m1", "received": 3, "reason": "panicked" }));
    stage.outbox.set(Mood::Takes, Mood::Takes);
    assert!(failed(&stage, &[&order]).await.is_empty());
    assert_eq!(stage.outbox.sent(), 1);
}

#[tokio::test]
async fn an_order_of_a_revoked_link_causes_no_call() {
    let more = "[links]\nrevoked_before = \"2026-11-21T00:00:00Z\"".into();
    let stage = Stage::with(Options { more, queue: true, ..Options::default() }).await;
    stage.grant(demo::CONTOSO, demo::APP);
    let order = order(&stage, Outcome::Pending, 0).await;
    assert!(failed(&stage, &[&order]).await.is_empty());
    let record = stage.last_record();
    assert_eq!((&record["rejection"]["reason"], &record["tenant"]), (&"link_revoked".into(), &demo::CONTOSO.to_string().into()));
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn a_revoked_links_outcome_is_published_without_a_check() {
    let more = "[links]\nrevoked_before = \"2026-11-21T00:00:00Z\"".into();
    let stage = Stage::with(Options { more, queue: true, ..Options::default() }).await;
    let keys = stage.installation.keys().await.unwrap();
    let signer = stage.installation.signer(&keys);
    let ticket = Ticket::open(&stage.ticket(demo::CONTOSO).await, signer).unwrap();
    let tell = Some(PendingEvent { before: None, at: signer.now, since: None, as_of: None });
    let order =
        Order { tell, ..order_of(ticket, Outcome::Granted, signer.now, 0) }.issue(stage.installation.new_id(), DAY, signer).unwrap();
    assert!(failed(&stage, &[&order]).await.is_empty());
    assert_eq!(transitions(&stage.outbox.events()), [(Value::Null, "granted".into())]);
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn an_unsent_event_fails_the_message_until_it_is_sent() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let order = order(&stage, Outcome::Pending, 0).await;
    stage.outbox.set(Mood::Refuses, Mood::Refuses);
    assert_eq!(failed(&stage, &[&order]).await, ["m0"]);
    assert_eq!(stage.last_record()["message"]["reason"], "event_lost");
    stage.outbox.set(Mood::Takes, Mood::Takes);
    assert!(failed(&stage, &[&order]).await.is_empty());
    assert_eq!(transitions(&stage.outbox.events()), [("pending".into(), "granted".into())]);
}

#[tokio::test]
async fn an_order_about_an_app_that_is_configured_no_more_is_recorded_and_dropped() {
    let stage = stage().await;
    let keys = stage.installation.keys().await.unwrap();
    let signer = stage.installation.signer(&keys);
    let mut ticket = Ticket::open(&stage.ticket(demo::CONTOSO).await, signer).unwrap();
    ticket.expectation.app = entra_consent::consent::ProfileId::parse("given-up").unwrap();
    let page = stage.claim_success(&ticket.issue(signer).unwrap(), demo::CONTOSO).await;
    assert_eq!(page.outcome(), "link_revoked");
    assert_eq!(stage.last_record()["rejection"]["reason"], "app_not_configured");
    let order = order_of(ticket, Outcome::Pending, signer.now, 0).issue(stage.installation.new_id(), DAY, signer).unwrap();
    assert!(failed(&stage, &[&order]).await.is_empty(), "no retry would succeed");
    assert_eq!(stage.last_record()["rejection"]["reason"], "app_not_configured");
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn chains_that_a_redelivery_forked_come_together_again() {
    let stage = stage().await;
    let order = order(&stage, Outcome::Pending, 0).await;
    for process in [&stage.installation, &stage.worker] {
        let delivery = Delivery { id: "m0", body: &order, received: 1, receipt: None };
        assert_eq!(carry_out(process, delivery).await, Handled::Done);
    }
    assert_eq!(stage.outbox.sent(), 2, "neither knows of the other");
    stage.work(10).await;
    assert_eq!(stage.outbox.waiting().len(), 1, "a receiver of both orders can recognise them as one");
}

#[tokio::test]
async fn a_message_without_an_id_does_not_fail_the_whole_batch() {
    let stage = stage().await;
    let mut messages = [message("", "poison"), message("", "poison")];
    messages[0].as_object_mut().unwrap().remove("messageId");
    assert!(reported(&stage, &messages).await.is_empty());
}

#[tokio::test]
async fn a_message_that_cannot_be_read_fails_alone() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let mut messages = vec![message("good", &order(&stage, Outcome::Pending, 0).await)];
    for (id, body) in [("number", json!(7)), ("null", Value::Null), ("object", json!({"Records": []}))] {
        let mut torn = message(id, "");
        torn["body"] = body;
        torn["attributes"] = json!({"ApproximateReceiveCount": 2});
        torn["messageAttributes"] = json!([]);
        messages.push(torn);
    }
    messages.push(json!("no message"));
    assert_eq!(reported(&stage, &messages).await, ["number", "null", "object"]);
    assert_eq!(transitions(&of_kind(&stage, "concluded")), [("pending".into(), "granted".into())]);
    let named: Vec<_> = of_kind(&stage, "rejected").iter().map(|line| line["message"].clone()).collect();
    assert_eq!(named[0], json!({"id": "number", "received": 2}));
    assert_eq!(named.len(), 4, "{named:?}");
}

#[tokio::test]
async fn an_order_without_a_tenant_is_recorded_and_dropped() {
    let stage = stage().await;
    let keys = stage.installation.keys().await.unwrap();
    let signer = stage.installation.signer(&keys);
    let link = stage.link_for("mail-backup", ExpectedTenant::Any).await;
    let ticket = Ticket::open(&super::support::stage::ticket_of(&link), signer).unwrap();
    let order = order_of(ticket, Outcome::AwaitingConfirmation, signer.now, 0).issue(stage.installation.new_id(), DAY, signer).unwrap();
    assert!(failed(&stage, &[&order]).await.is_empty());
    assert_eq!(stage.last_record()["rejection"]["reason"], "order_without_tenant");
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn a_worker_without_a_queue_fails_the_message_and_says_so() {
    let stage = Stage::new().await;
    let order = order(&stage, Outcome::Pending, 0).await;
    assert_eq!(failed(&stage, &[&order]).await, ["m0"], "otherwise no further check would follow");
    assert_eq!(stage.last_record()["message"]["reason"], "no_queue");
    assert_eq!(stage.control.upstream_calls(), 0);
}
