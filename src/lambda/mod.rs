//! What arrives from Lambda: HTTP events made safe to parse, queue batches, and the runtime loop.

pub mod http_event;
pub mod queue_batch;
mod raw_json;
pub mod runtime;
