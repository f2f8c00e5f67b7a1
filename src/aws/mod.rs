//! The edge to AWS: its clients, the secrets that it stores, the queue, the event bus, the safe conversion of events, and the loops that
//! receive them from Lambda.

pub mod batch;
mod clients;
pub mod event;
pub mod events;
pub mod lambda;
mod outbox;
pub mod queue;
pub mod secrets;
pub mod web_identity;

pub use clients::AwsClients;
pub use outbox::AwsOutbox;
