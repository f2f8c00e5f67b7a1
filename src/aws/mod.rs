//! AWS's edge: its clients, the secrets that it keeps, events made safe to parse, and the loop that asks Lambda for them.

mod clients;
pub mod event;
pub mod lambda;
pub mod secrets;

pub use clients::AwsClients;
