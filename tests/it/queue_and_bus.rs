//! Messages to SQS and EventBridge through the real SDK, and the meaning of their answers.

use std::sync::Arc;
use std::time::Duration;

use entra_consent::aws::{AwsClients, AwsOutbox, event_bridge, sqs};
use entra_consent::outbox::{Informed, NotSent, Outbox as _, OutcomeEvent};
use serde_json::Value;

use super::secrets::{Answers, answering, settings};
use super::serve::webhook::event;
use super::support::stage::Stage;

async fn put(clients: &AwsClients, event: &OutcomeEvent) -> Result<(), NotSent> {
    event_bridge::put(clients, "consent", event_bridge::DETAIL_TYPE, event.at, event).await
}

#[tokio::test]
async fn an_event_is_sent_when_the_bus_took_it_and_not_when_it_only_answered() {
    let stage = Stage::new().await;
    let not_sent = |reason: &str| Err(NotSent(reason.into()));
    for (status, body, expected) in [
        (200, r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#, Ok(())),
        (
            200,
            r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"x"}]}"#,
            not_sent("ThrottlingException"),
        ),
        (400, r#"{"__type":"ResourceNotFoundException"}"#, not_sent("ResourceNotFoundException")),
    ] {
        let clients = AwsClients::with_settings(settings(&answering(status, body)).await);
        assert_eq!(put(&clients, &event(&stage, "e1")).await, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn an_order_waits_in_the_queue_for_its_delay_and_no_longer_than_sqs_allows() {
    let answers = Answers::default();
    answers.now(200, r#"{"MessageId":"m1"}"#);
    let clients = AwsClients::with_settings(settings(&answers.play()).await);
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders".parse().unwrap();
    for (delay, seconds) in [(0, 0), (15, 15), (900, 900), (3_600, 900)] {
        sqs::send(&clients, &queue, "an order", "a tenant", Duration::from_secs(delay)).await.unwrap();
        let asked: Value = serde_json::from_str(&answers.asked()).unwrap();
        assert_eq!((&asked["MessageBody"], &asked["DelaySeconds"]), (&"an order".into(), &seconds.into()));
        assert_eq!(asked["MessageGroupId"], "a tenant");
    }
}

#[tokio::test]
async fn a_message_is_hidden_for_whole_seconds_up_to_what_sqs_allows() {
    let answers = Answers::default();
    answers.now(200, "{}");
    let clients = AwsClients::with_settings(settings(&answers.play()).await);
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders".parse().unwrap();
    for (wait, seconds) in [(0, 1), (1_001, 2), (36_000_000, 36_000), (86_400_000, 43_080)] {
        sqs::put_off(&clients, &queue, "AQEBwJnK", Duration::from_millis(wait)).await.unwrap();
        let asked: Value = serde_json::from_str(&answers.asked()).unwrap();
        assert_eq!((&asked["ReceiptHandle"], &asked["VisibilityTimeout"]), (&"AQEBwJnK".into(), &seconds.into()));
    }
    answers.now(400, r#"{"__type":"com.amazonaws.sqs#ReceiptHandleIsInvalid"}"#);
    let refused = sqs::put_off(&clients, &queue, "AQEBwJnK", Duration::from_secs(60)).await;
    assert_eq!(refused, Err(NotSent("ReceiptHandleIsInvalid".into())));
}

#[tokio::test]
async fn an_event_carries_the_moment_of_its_outcome_and_not_that_of_its_sending() {
    let stage = Stage::new().await;
    let answers = Answers::default();
    answers.now(200, r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#);
    let clients = AwsClients::with_settings(settings(&answers.play()).await);
    let event = event(&stage, "e1");
    put(&clients, &event).await.unwrap();
    let asked: Value = serde_json::from_str(&answers.asked()).unwrap();
    let entry = &asked["Entries"][0];
    assert!(entry["Time"].to_string().starts_with(&event.at.unix_timestamp().to_string()), "{entry}");
    assert_eq!(
        (&entry["EventBusName"], &entry["Source"], &entry["DetailType"]),
        (&"consent".into(), &"entra-consent".into(), &"Consent outcome".into())
    );
}

#[tokio::test]
async fn a_bus_informs_only_where_a_receiver_is_configured() {
    let stage = Stage::new().await;
    for (receiver, informed) in [(None, Informed::Unknown), (Some("alarms@northwind.example".into()), Informed::Yes)] {
        let mut config = stage.installation.config.clone();
        (config.events.bus, config.events.receiver) = (Some("consent".into()), receiver);
        let clients = Arc::new(AwsClients::with_settings(settings(&answering(200, "{}")).await));
        assert_eq!(AwsOutbox::of(&config, &clients).unwrap().informed("an event"), informed);
    }
}
