//! AWS's edge: its clients, the secrets that it keeps, the queue and the event bus, events made safe to parse, and the loop that asks
//! Lambda for them.

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
