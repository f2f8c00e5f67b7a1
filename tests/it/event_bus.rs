//! EventBridge's own answers: it says 200 for what it did not take.

use entra_consent::aws::{AwsClients, events};
use entra_consent::outbox::NotSent;

use super::secrets::{answering, settings};
use super::serve::webhook::event;
use super::support::stage::Stage;

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
        assert_eq!(events::put(&clients, "consent", &event(&stage, "e1")).await, expected, "{status} {body}");
    }
}
