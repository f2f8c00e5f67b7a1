//! The loops of the functions: an event, one answer, the next event.

use std::convert::Infallible;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use http::Response;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::Instrument;

use super::batch::Batch;
use super::event::{self, Incoming, Payload};
use crate::panics::unpanicking;
use crate::{config, web};

/// The variables lambda_runtime panics without. Lambda sets them all.
const REQUIRED: [&str; 4] =
    ["AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"];

/// Why the loop ended.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// Started by hand.
    #[error("{0} is not set: this binary is made for AWS Lambda. On any other machine run `entra-consent serve`")]
    NotInLambda(&'static str),
    /// The Lambda Runtime API cannot be spoken to any more.
    #[error("the Lambda Runtime API: {0}")]
    Runtime(lambda_runtime::Error),
}

/// Answers invocations, one at a time, until Lambda ends the process.
///
/// `handler` is asked for every event, HTTP or not. Whatever it answers goes back in the shape of the event's front door; of an
/// answer to [`Incoming::NotHttp`] the body alone goes back, as JSON. If it panics, the caller gets a 500 of ours instead of the
/// gateway's 502, and nothing of the panic's text leaves the process.
///
/// One thing still ends the process, and Lambda then starts another: a client context that is not JSON. lambda_runtime parses it
/// before anybody is asked; no front door sends one, only a caller with the right to `lambda:InvokeFunction` can.
///
/// # Errors
/// [`LoopError`]
pub async fn run_callback<H>(handler: H) -> Result<(), LoopError>
where
    H: AsyncFn(Incoming) -> Response<String>,
{
    in_lambda()?;
    let handler = &handler;
    let service = service_fn(move |event: LambdaEvent<Payload>| {
        // Not lambda_runtime's own span: that one is INFO, and its target is kept below WARN.
        let span = tracing::error_span!("invocation", requestId = event.context.request_id);
        async move { Ok::<_, Infallible>(serve(handler, &event.payload).await) }.instrument(span)
    });
    Runtime::new(service).run().await.map_err(LoopError::Runtime)
}

/// What the worker function is invoked with.
#[derive(Debug)]
pub enum Work {
    /// Messages of the queue.
    Batch(Batch),
    /// The schedule: what is done once a day.
    Daily,
}

/// The worker function was invoked with something that is neither a batch nor its schedule. Nothing is deleted from any queue.
#[derive(Debug, thiserror::Error)]
#[error("the event is neither a batch of the queue nor the daily schedule")]
pub struct UnknownWork;

impl Work {
    /// Reads an event: a batch by its `Records`, the schedule by `{"task": "daily"}`, which the template's rule sends, or by the shape that
    /// EventBridge gives a rule without an input of its own.
    ///
    /// # Errors
    /// [`UnknownWork`]
    pub fn read(event: &str) -> Result<Self, UnknownWork> {
        #[derive(Deserialize)]
        struct Marks {
            #[serde(rename = "Records")]
            records: Option<Vec<Box<RawValue>>>,
            task: Option<String>,
            source: Option<String>,
            #[serde(rename = "detail-type")]
            detail_type: Option<String>,
        }
        let marks: Marks = serde_json::from_str(event).map_err(|_| UnknownWork)?;
        if let Some(records) = marks.records {
            return Ok(Self::Batch(Batch::read(&records)));
        }
        let is_scheduled = matches!(marks.source.as_deref(), Some("aws.events" | "aws.scheduler"))
            && marks.detail_type.as_deref() == Some("Scheduled Event");
        if marks.task.as_deref() == Some("daily") || is_scheduled { Ok(Self::Daily) } else { Err(UnknownWork) }
    }
}

/// Carries out batches of the queue, one at a time, until Lambda ends the process, and what is done once a day when the schedule says
/// so. The messages that `batch` names are delivered again; all others are deleted (`ReportBatchItemFailures`). What is done once a day
/// is invoked again by Lambda where it fails.
///
/// # Errors
/// [`LoopError`]
pub async fn run_worker<B, D>(batch: B, daily: D) -> Result<(), LoopError>
where
    B: AsyncFn(Batch) -> SqsBatchResponse,
    D: AsyncFn() -> std::io::Result<()>,
{
    in_lambda()?;
    let (batch, daily) = (&batch, &daily);
    let service = service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        Ok::<_, lambda_runtime::Error>(match Work::read(event.payload.get())? {
            Work::Batch(messages) => serde_json::to_value(batch(messages).await)?,
            Work::Daily => {
                daily().await?;
                serde_json::json!({ "done": "daily" })
            }
        })
    });
    Runtime::new(service).run().await.map_err(LoopError::Runtime)
}

fn in_lambda() -> Result<(), LoopError> {
    match REQUIRED.into_iter().find(|name| config::environment(name).is_none()) {
        Some(missing) => Err(LoopError::NotInLambda(missing)),
        None => Ok(()),
    }
}

async fn serve<H>(handler: &H, payload: &Payload) -> Box<RawValue>
where
    H: AsyncFn(Incoming) -> Response<String>,
{
    let incoming = payload.read();
    let front_door = incoming.front_door();
    let response = unpanicking(handler(incoming)).await.unwrap_or_else(|| {
        tracing::error!("handling a request panicked; it is answered with 500");
        web::our_fault()
    });
    event::answer(front_door, response).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_told_from_the_schedule_and_anything_else_deletes_nothing() {
        let batch = r#"{"Records":[{"messageId":"m1","body":"x","attributes":{},"messageAttributes":{},"eventSource":"aws:sqs"}]}"#;
        assert!(matches!(Work::read(batch), Ok(Work::Batch(_))));
        assert!(matches!(Work::read(r#"{"task":"daily"}"#), Ok(Work::Daily)));
        assert!(matches!(Work::read(include_str!("../../events/not-http-schedule.json")), Ok(Work::Daily)));
        let others =
            ["", "null", "{}", "[]", "7", r#"{"Records":7}"#, r#"{"task":"hourly"}"#, r#"{"source":"aws.events"}"#, r#"{"task":7}"#];
        for other in others {
            assert!(Work::read(other).is_err(), "{other}");
        }
    }
}
