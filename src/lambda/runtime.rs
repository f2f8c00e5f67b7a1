//! The event loops of the Lambda functions: receive an event, answer it, receive the next.

use std::convert::Infallible;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use http::Response;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::Instrument;

use super::http_event::{self, Incoming, Payload};
use super::queue_batch::Batch;
use crate::panics::unpanicking;
use crate::{config, record, web};

/// lambda_runtime panics without these variables. Lambda sets all of them.
const REQUIRED: [&str; 4] =
    ["AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"];

/// Why an event loop ended.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// A person started the binary manually. Contains the name of the missing variable.
    #[error("{0} is not set: this binary is made for AWS Lambda. On any other machine run `entra-consent serve`")]
    NotInLambda(&'static str),
    /// The process can no longer reach the Lambda Runtime API.
    #[error("the Lambda Runtime API: {0}")]
    Runtime(lambda_runtime::Error),
}

/// Answers invocations, one at a time, until Lambda ends the process.
///
/// Every event goes to `handler`, HTTP or not. The handler's response goes back in the shape of the event's front door. For
/// [`Incoming::NotHttp`], only the body goes back, as JSON. If `handler` panics, the caller gets our own 500 instead of the gateway's 502,
/// and the panic's text stays inside the process.
///
/// One fault still ends the process, and Lambda then starts a new process: a client context that is not JSON. lambda_runtime parses it
/// before it calls `handler`. No front door sends a client context; only a caller with the right to `lambda:InvokeFunction` can.
///
/// # Errors
/// [`LoopError`]
pub async fn run_callback<H>(handler: H) -> Result<(), LoopError>
where
    H: AsyncFn(Incoming) -> Response<String>,
{
    in_lambda()?;
    let handler = &handler;
    let service = service_fn(move |event: LambdaEvent<Payload>| async move {
        Ok::<_, Infallible>(named(&event.context.request_id, serve(handler, &event.payload)).await)
    });
    Runtime::new(service).run().await.map_err(LoopError::Runtime)
}

/// What an invocation asks of the worker function.
#[derive(Debug)]
pub enum Work {
    /// Messages of the queue.
    Batch(Batch),
    /// The daily schedule fired.
    Daily,
}

/// The event is neither a batch nor the schedule. The queue keeps all its messages.
#[derive(Debug, thiserror::Error)]
#[error("the event is neither a batch of the queue nor the daily schedule")]
pub struct UnknownWork;

impl Work {
    /// Reads an event. `Records` marks a batch. The schedule sends `{"task": "daily"}`, as the template's rule does, or the shape that
    /// EventBridge gives to a rule without its own input.
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

/// Processes batches of the queue, one at a time, and runs the daily task when the schedule fires. Ends when Lambda ends the process. SQS
/// redelivers the messages that `batch` reports, and Lambda deletes all others (`ReportBatchItemFailures`). If the daily task fails, Lambda
/// invokes it again.
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
        let work = async {
            Ok::<_, lambda_runtime::Error>(match Work::read(event.payload.get())? {
                Work::Batch(messages) => serde_json::to_value(batch(messages).await)?,
                Work::Daily => {
                    daily().await?;
                    serde_json::json!({ "done": "daily" })
                }
            })
        };
        named(&event.context.request_id, work).await
    });
    Runtime::new(service).run().await.map_err(LoopError::Runtime)
}

/// Names the invocation in each record and log line of `work`.
async fn named<T>(request_id: &str, work: impl Future<Output = T>) -> T {
    // lambda_runtime has a span of its own, but with level INFO, which the log filter drops for lambda_runtime.
    let span = tracing::error_span!("invocation", requestId = request_id);
    record::in_invocation(request_id, work).instrument(span).await
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
    http_event::answer(front_door, response).await
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
