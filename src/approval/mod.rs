//! The life of an approval, one use case a file. The doors parse requests and render replies; what is decided, recorded and sent is here.
//!
//! A use case takes plain input and returns a plain reply. It knows no HTTP type.

pub mod admission;
pub mod callback;
pub mod chain;
pub mod check;
pub mod follow_up;
mod publish;
pub mod revisit;
pub mod start;
mod transition;
mod view;

pub use admission::{Refusal, Visitor};
pub use view::{ApprovalView, ChainProgress};
