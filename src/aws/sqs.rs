//! Sends orders to the SQS queue, and puts received ones off.

use std::time::Duration;

use url::Url;

use super::AwsClients;
use super::clients::not_sent;
use crate::outbox::{LONGEST_DELAY, LONGEST_PUT_OFF, NotSent};

/// Sends a message to the queue at `queue`. SQS delivers it after `delay`, which may be at most [`LONGEST_DELAY`].
///
/// `group` makes the standard queue a fair queue: if one group uses much of the consumers' capacity, SQS delivers the messages of the others
/// first ("Amazon SQS fair queues" in the SQS Developer Guide). It changes neither order nor number of the deliveries otherwise.
///
/// # Errors
/// [`NotSent`] with SQS's error code, or if the answer did not arrive in time.
pub async fn send(clients: &AwsClients, queue: &Url, body: &str, group: &str, delay: Duration) -> Result<(), NotSent> {
    let seconds = i32::try_from(delay.min(LONGEST_DELAY).as_secs()).unwrap_or(0);
    let request = clients.sqs().await.send_message().queue_url(queue.as_str()).message_body(body);
    let request = request.message_group_id(group).delay_seconds(seconds);
    request.send().await.map(drop).map_err(|error| not_sent(&error))
}

/// Hides a received message of the queue at `queue` for `wait`, at most [`LONGEST_PUT_OFF`]. After that, SQS delivers the same message again.
///
/// # Errors
/// As [`send`].
pub async fn put_off(clients: &AwsClients, queue: &Url, receipt: &str, wait: Duration) -> Result<(), NotSent> {
    // Rounded up: an order that comes back a moment early would be put off once more.
    let seconds = wait.min(LONGEST_PUT_OFF).as_millis().div_ceil(1_000);
    let seconds = i32::try_from(seconds).unwrap_or(0).max(1);
    let request = clients.sqs().await.change_message_visibility().queue_url(queue.as_str());
    request.receipt_handle(receipt).visibility_timeout(seconds).send().await.map(drop).map_err(|error| not_sent(&error))
}
