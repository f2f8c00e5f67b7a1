//! AWS's edge: its clients, and the secrets that it keeps.

mod clients;
pub mod secrets;

pub use clients::{AwsClients, Roots};
