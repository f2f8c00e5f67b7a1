//! The edge to Microsoft: the hosts of its clouds, our credentials, and the answers of its token endpoint and of Graph.
//!
//! Status numbers, `@odata` members and OAuth error names end here; callers get a meaning.

pub mod clients;
pub mod cloud;
pub mod companion;
pub mod credential;
pub mod discovery;
mod early;
pub mod graph;
pub(crate) mod held;
pub mod http;
pub(crate) mod published;
pub mod registration;
pub(crate) mod scope;
pub(crate) mod token;
pub mod verifier;
