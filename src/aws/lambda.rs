//! The loops of the functions: an event, one answer, the next event.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use http::Response;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use tracing::Instrument;

use super::event::{self, Incoming, Payload};
use crate::web;

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

/// What reaches the worker function.
#[derive(Debug)]
enum WorkerEvent {
    /// Messages of the queue.
    Batch(SqsEvent),
    /// The daily schedule, of an EventBridge rule or of EventBridge Scheduler.
    Daily,
}

impl<'de> Deserialize<'de> for WorkerEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Value::deserialize(deserializer)?;
        if event.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event") {
            return Ok(Self::Daily);
        }
        if event.get("Records").is_none() {
            return Err(serde::de::Error::custom("neither a batch of a queue nor a scheduled event"));
        }
        serde_json::from_value(event).map(Self::Batch).map_err(serde::de::Error::custom)
    }
}

/// Carries out batches of the queue and the daily task, one at a time, until Lambda ends the process. The messages that the handler
/// names are delivered again; all others are deleted (`ReportBatchItemFailures`). A daily task that fails is a failed invocation, which
/// Lambda tries again.
///
/// # Errors
/// [`LoopError`]
pub async fn run_worker<H, D>(handler: H, daily: D) -> Result<(), LoopError>
where
    H: AsyncFn(SqsEvent) -> SqsBatchResponse,
    D: AsyncFn() -> std::io::Result<()>,
{
    in_lambda()?;
    let (handler, daily) = (&handler, &daily);
    let service = service_fn(move |event: LambdaEvent<WorkerEvent>| async move {
        match event.payload {
            WorkerEvent::Batch(batch) => Ok::<_, lambda_runtime::Error>(Some(handler(batch).await)),
            WorkerEvent::Daily => Ok(daily().await.map(|()| None)?),
        }
    });
    Runtime::new(service).run().await.map_err(LoopError::Runtime)
}

fn in_lambda() -> Result<(), LoopError> {
    match REQUIRED.into_iter().find(|name| std::env::var_os(name).is_none()) {
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

/// The future's output, or `None` if it panicked.
pub(crate) async fn unpanicking<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => std::task::Poll::Ready(None),
    })
    .await
}
