//! What we ask of AWS: its clients, the secrets that it stores, the queue, the event bus and web identity tokens.

mod clients;
pub mod event_bridge;
#[cfg(feature = "cli")]
pub(crate) mod logs;
mod outbox;
pub mod secrets;
pub mod sqs;
pub mod web_identity;

pub use clients::AwsClients;
pub use outbox::AwsOutbox;
