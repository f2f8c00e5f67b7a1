//! Sends orders to the SQS queue.

use std::time::Duration;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use url::Url;

use super::AwsClients;
use super::outbox::refusal;
use crate::outbox::{LONGEST_DELAY, NotSent};

/// Sends a message to the queue at `queue`. SQS delivers it after `delay`, which may be at most [`LONGEST_DELAY`].
///
/// # Errors
/// [`NotSent`] with SQS's error code, or that the answer did not arrive in time.
pub async fn send(clients: &AwsClients, queue: &Url, body: &str, delay: Duration) -> Result<(), NotSent> {
    let seconds = i32::try_from(delay.min(LONGEST_DELAY).as_secs()).unwrap_or(0);
    let request = clients.sqs().await.send_message().queue_url(queue.as_str()).message_body(body).delay_seconds(seconds);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(refusal(error.as_service_error().and_then(ProvideErrorMetadata::code), is_timeout(&error))),
    }
}

fn is_timeout<E, R>(error: &SdkError<E, R>) -> bool {
    matches!(error, SdkError::TimeoutError(_))
}
