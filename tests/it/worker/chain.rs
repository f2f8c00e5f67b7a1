//! What one approval costs on AWS: how often Lambda invokes the worker, and how many messages the worker sends to its own queue.

use std::collections::HashMap;

use entra_consent::consent::Outcome;
use entra_sandbox::demo;
use serde_json::{Value, json};

use super::super::support::outbox::Mood;
use super::super::support::stage::{Options, Stage};
use super::{message, of_kind, order, reported, stage};

const HOUR: u64 = 3_600;

/// Delivers each message when it is due, alone, until the queue is empty. Returns the number of invocations for each order.
async fn run(stage: &Stage) -> HashMap<String, usize> {
    let mut invocations = HashMap::new();
    while let Some(taken) = stage.outbox.take_next() {
        stage.wait_until(taken.due);
        *invocations.entry(taken.body.clone()).or_default() += 1;
        if !reported(stage, &[message(&taken.id, &taken.body)]).await.is_empty() {
            stage.outbox.give_back(taken);
        }
    }
    invocations
}

#[tokio::test]
async fn a_never_granted_approval_costs_at_most_25_invocations() {
    for query in [None, Some("error=access_denied&error_subcode=cancel")] {
        for dice in [0, 64, 127, 191, 255] {
            let stage = Stage::with(Options { queue: true, dice: Some(dice), ..Options::default() }).await;
            let ticket = stage.ticket(demo::CONTOSO).await;
            match query {
                None => stage.claim_success(&ticket, demo::CONTOSO).await,
                Some(query) => stage.claim(&ticket, query).await,
            };
            let orders = run(&stage).await;
            assert_eq!(of_kind(&stage, "settled").len(), 1, "{dice}");
            let invocations: usize = orders.values().sum();
            println!("{query:?}, dice {dice}: {} orders, {invocations} invocations", orders.len());
            assert!(invocations <= 25, "{query:?}, dice {dice}: {invocations} invocations of {} orders", orders.len());
            assert!(orders.values().all(|deliveries| *deliveries <= 2), "{query:?}, dice {dice}: a wait costs at most two");
            assert_eq!(stage.outbox.sent(), orders.len(), "what is put off is not sent, so the lineage grows by one each check");
            assert!(stage.outbox.dead().is_empty() && of_kind(&stage, "failed").is_empty());
        }
    }
}

#[tokio::test]
async fn a_schedule_with_longer_waits_takes_further_hops() {
    let more = "[worker]\nlate = [\"24h\"]".into();
    let stage = Stage::with(Options { queue: true, more, ..Options::default() }).await;
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let orders = run(&stage).await;
    assert_eq!(of_kind(&stage, "settled").len(), 1);
    assert!((3..=4).contains(orders.values().max().unwrap()), "15 minutes, twelve hours, the rest");
    assert_eq!(stage.outbox.sent(), orders.len());
}

#[tokio::test]
async fn an_order_queued_before_a_deployment_is_put_off_until_it_is_due() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let order = order(&stage, Outcome::Pending, HOUR).await;
    stage.outbox.smuggle(&order);
    stage.work(0).await;
    let [waits] = &stage.outbox.waiting()[..] else { panic!("one message") };
    assert_eq!((&waits.body, waits.received, waits.due - stage.clock.unix_seconds()), (&order, 1, 3_600));
    assert_eq!(stage.outbox.sent(), 1, "the same message waits");
    stage.work(HOUR - 1).await;
    assert_eq!((stage.control.upstream_calls(), stage.records().len()), (0, 0), "waiting is no failure");
    stage.work(1).await;
    assert_eq!(of_kind(&stage, "concluded")[0]["outcome"]["after"], "granted");
}

#[tokio::test]
async fn an_order_waits_alone_in_its_batch() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let (early, due) = (order(&stage, Outcome::Pending, HOUR).await, order(&stage, Outcome::Pending, 0).await);
    let batch = [message("early", &early), message("due", &due), message("poison", "poison")];
    assert_eq!(reported(&stage, &batch).await, ["early", "poison"], "Lambda deletes only what is done");
    assert_eq!(of_kind(&stage, "concluded").len(), 1);
    assert_eq!(of_kind(&stage, "rejected").len(), 1);
    assert!(of_kind(&stage, "failed").is_empty());
}

#[tokio::test]
async fn an_order_that_cannot_be_put_off_is_sent_again() {
    let mut unnamed = message("", "");
    unnamed.as_object_mut().unwrap().remove("messageId");
    let mut without_receipt = message("m0", "");
    without_receipt["receiptHandle"] = Value::Null;
    for (mut delivered, refuses) in [(message("m0", ""), true), (unnamed, false), (without_receipt, false)] {
        let stage = stage().await;
        stage.grant(demo::CONTOSO, demo::APP);
        let order = order(&stage, Outcome::Pending, HOUR).await;
        delivered["body"] = json!(order);
        if refuses {
            stage.outbox.refuse_put_off();
        }
        assert!(reported(&stage, &[delivered]).await.is_empty(), "the queue deletes the message");
        let [sent] = &stage.outbox.waiting()[..] else { panic!("one new message") };
        assert_eq!((&sent.body, &sent.group, sent.received), (&order, &demo::CONTOSO.to_string(), 0));
        assert_eq!(sent.due - stage.clock.unix_seconds(), 900, "SQS delays what is sent for 15 minutes at most");
        stage.work(HOUR - 1).await;
        assert_eq!((stage.control.upstream_calls(), stage.records().len()), (0, 0));
        stage.work(1).await;
        assert_eq!(of_kind(&stage, "concluded")[0]["outcome"]["after"], "granted");
    }
}

#[tokio::test]
async fn an_order_that_can_neither_wait_nor_be_sent_fails() {
    let stage = stage().await;
    let order = order(&stage, Outcome::Pending, HOUR).await;
    stage.outbox.set(Mood::Refuses, Mood::Takes);
    assert_eq!(reported(&stage, &[message("m0", &order)]).await, ["m0"]);
    assert_eq!(stage.last_record()["message"], json!({ "id": "m0", "received": 3, "reason": "order_refused" }));
}
