//! Reads a batch of the SQS queue from Lambda's event, and reports the messages that the queue must keep.

use aws_lambda_events::event::sqs::SqsBatchResponse;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::approval::follow_up::{Delivery, Handled, carry_out};
use crate::installation::Installation;

/// The messages of one invocation: at most the batch size of the event source mapping.
#[derive(Debug)]
pub struct Batch(Vec<Message>);

/// The members that the worker needs. We read no other member, because the sender controls those.
#[derive(Debug, Default)]
struct Message {
    id: String,
    body: String,
    received: u32,
    receipt: String,
}

/// The longest receipt handle that SQS documents for its queries, in bytes. Its handles have about 400.
const LONGEST_RECEIPT: usize = 1_024;

impl Batch {
    /// Reads each record of an event separately, so that one malformed record does not affect the others.
    pub(crate) fn read(records: &[Box<RawValue>]) -> Self {
        Self(records.iter().map(|record| Message::read(record)).collect())
    }
}

impl Message {
    /// An unreadable record becomes an empty message, and an empty body is never a valid order.
    fn read(record: &RawValue) -> Self {
        #[derive(Default, Deserialize)]
        struct QueueMessage<'a> {
            #[serde(rename = "messageId", borrow)]
            id: Option<&'a RawValue>,
            #[serde(borrow)]
            body: Option<&'a RawValue>,
            #[serde(rename = "receiptHandle", borrow)]
            receipt: Option<&'a RawValue>,
            #[serde(borrow)]
            attributes: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Attributes<'a> {
            #[serde(rename = "ApproximateReceiveCount", borrow)]
            received: Option<&'a RawValue>,
        }
        let text = |value: Option<&RawValue>| value.and_then(|value| serde_json::from_str::<String>(value.get()).ok()).unwrap_or_default();
        let wire: QueueMessage<'_> = serde_json::from_str(record.get()).unwrap_or_default();
        let received = (wire.attributes)
            .and_then(|attributes| serde_json::from_str::<Attributes<'_>>(attributes.get()).ok()?.received)
            .and_then(|count| count.get().trim_matches('"').parse().ok());
        Self { id: text(wire.id), body: text(wire.body), received: received.unwrap_or(0), receipt: text(wire.receipt) }
    }

    fn delivery(&self) -> Delivery<'_> {
        let Self { id, body, received, receipt } = self;
        // Without an id, the answer cannot keep Lambda from deleting the message.
        let can_wait =
            !id.is_empty() && (1..=LONGEST_RECEIPT).contains(&receipt.len()) && receipt.bytes().all(|byte| byte.is_ascii_graphic());
        Delivery { id, body, received: *received, receipt: can_wait.then_some(receipt.as_str()) }
    }
}

/// Processes a batch and returns the messages that failed or were put off. Lambda deletes all others from the queue.
pub async fn handle_batch(installation: &Installation, Batch(messages): Batch) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let each = messages.iter().map(async |message| (message.id.as_str(), carry_out(installation, message.delivery()).await));
    for (id, handled) in futures_util::future::join_all(each).await {
        match (handled, id) {
            (Handled::Done, _) => {}
            // An empty identifier in the answer would make Lambda retry the whole batch.
            (Handled::Failed | Handled::PutOff, "") => tracing::error!("a message without an id failed and cannot be reported"),
            (Handled::Failed | Handled::PutOff, id) => response.add_failure(id),
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(record: &str) -> (String, String, u32) {
        let Message { id, body, received, .. } = Message::read(serde_json::from_str(record).unwrap());
        (id, body, received)
    }

    #[test]
    fn only_a_plausible_receipt_handle_of_a_named_message_counts() {
        let long = "A".repeat(LONGEST_RECEIPT + 1);
        for (id, receipt, counts) in [
            ("m1", "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a+/=", true),
            ("m1", &long[1..], true),
            ("m1", &long, false),
            ("m1", "", false),
            ("m1", "a b", false),
            ("m1", "a\u{e4}", false),
            ("", "AQEBwJnK", false),
        ] {
            let record = serde_json::json!({ "messageId": id, "receiptHandle": receipt }).to_string();
            let message = Message::read(serde_json::from_str(&record).unwrap());
            assert_eq!(message.delivery().receipt, counts.then_some(receipt), "{id} {receipt}");
        }
    }

    #[test]
    fn a_message_is_read_as_far_as_it_can_be() {
        let whole =
            r#"{"messageId":"m1","body":"o\u0072der","attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1"},"md5OfBody":"x"}"#;
        assert_eq!(read(whole), ("m1".into(), "order".into(), 3));
        let torn = [
            (r#"{"messageId":"m1","body":"\ud800","attributes":{"ApproximateReceiveCount":"3"}}"#, ("m1", "", 3)),
            (r#"{"messageId":"m1","body":7,"attributes":[]}"#, ("m1", "", 0)),
            (r#"{"messageId":"m1","body":null,"attributes":null}"#, ("m1", "", 0)),
            (r#"{"messageId":"m1","body":"b","attributes":{"ApproximateReceiveCount":4}}"#, ("m1", "b", 4)),
            (r#"{"messageId":"m1","body":"b","attributes":{"ApproximateReceiveCount":"-1"}}"#, ("m1", "b", 0)),
            (r#"{"messageId":"m1","body":"b","messageAttributes":{"x":{"dataType":7}}}"#, ("m1", "b", 0)),
            (r#"{"messageId":{"m":1}}"#, ("", "", 0)),
            (r#"{"messageId":"m1","messageId":"m2"}"#, ("", "", 0)),
            ("{}", ("", "", 0)),
            ("7", ("", "", 0)),
            ("null", ("", "", 0)),
        ];
        for (record, (id, body, received)) in torn {
            assert_eq!(read(record), (id.into(), body.into(), received), "{record}");
        }
    }
}
