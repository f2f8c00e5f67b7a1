//! Microsoft's edge: where its clouds are, how we prove who we are, what its token endpoint and Graph answer.
//!
//! Status numbers, `@odata` members and OAuth error names end here; what leaves is a meaning.

pub mod clients;
pub mod cloud;
pub mod companion;
pub mod credential;
pub mod discovery;
pub mod graph;
pub mod held;
pub mod http;
pub mod published;
pub mod registration;
pub mod scope;
pub mod token;
