//! Orders into the SQS queue.

use std::time::Duration;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use url::Url;

use super::AwsClients;
use super::outbox::refusal;
use crate::outbox::{LONGEST_DELAY, NotSent};

/// Puts a message into the queue at `queue`, to be delivered after `delay`, of which SQS takes [`LONGEST_DELAY`] at most.
///
/// # Errors
/// [`NotSent`] with SQS's error code, or that there was no answer in time.
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
