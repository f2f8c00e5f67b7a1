//! Publishes outcome events to an EventBridge bus.

use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde::Serialize;
use time::OffsetDateTime;

use super::AwsClients;
use super::clients::{not_sent, refusal};
use crate::outbox::NotSent;

/// The `source` of every event: EventBridge rules match on it.
pub(crate) const SOURCE: &str = "entra-consent";
/// The `detail-type` of every outcome event.
pub const DETAIL_TYPE: &str = "Consent outcome";
/// The `detail-type` of every request for another link.
pub const RENEWAL_TYPE: &str = "Renewal requested";

/// Publishes an event to a bus, by the bus's name or ARN. EventBridge answers 200 even if it rejects the event, and reports the rejection
/// in a count.
///
/// # Errors
/// [`NotSent`] with EventBridge's error code, or if the answer did not arrive in time.
pub async fn put(clients: &AwsClients, bus: &str, detail_type: &str, at: OffsetDateTime, event: &impl Serialize) -> Result<(), NotSent> {
    let detail = serde_json::to_string(event).map_err(|_| NotSent("not_json".into()))?;
    let entry = PutEventsRequestEntry::builder()
        .source(SOURCE)
        .detail_type(detail_type)
        .detail(detail)
        .event_bus_name(bus)
        .time(DateTime::from_secs(at.unix_timestamp()))
        .build();
    match clients.event_bridge().await.put_events().entries(entry).send().await {
        Ok(answer) if answer.failed_entry_count() == 0 => Ok(()),
        Ok(answer) => Err(refusal(answer.entries().iter().find_map(|entry| entry.error_code()), "no_connection")),
        Err(error) => Err(not_sent(&error)),
    }
}
