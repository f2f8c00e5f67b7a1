//! A batch of the SQS queue, as Lambda hands it over, and which of its messages come again.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};

use crate::site::Site;
use crate::worker::{Delivery, Handled, carry_out};

/// Carries out a batch. Answers with the messages that failed; all others are deleted by Lambda.
pub async fn handle_batch(site: &Site, batch: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let each = batch.records.iter().map(async |message| {
        let delivery = Delivery {
            id: message.message_id.as_deref().unwrap_or_default(),
            body: message.body.as_deref().unwrap_or_default(),
            received: message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(0),
        };
        (delivery.id, carry_out(site, delivery).await)
    });
    for (id, handled) in futures_util::future::join_all(each).await {
        match (handled, id) {
            (Handled::Done, _) => {}
            // An empty identifier would fail the whole batch.
            (Handled::Failed, "") => tracing::error!("a message without an id failed and cannot be reported"),
            (Handled::Failed, id) => response.add_failure(id),
        }
    }
    response
}
