//! The life of an approval, with one file for each use case. The routes parse requests and render replies. This module decides, records and
//! sends.
//!
//! A use case takes plain input and returns a plain reply. It knows no HTTP type.

pub mod admission;
mod bound;
pub mod callback;
pub mod chain;
pub mod check;
pub mod follow_up;
mod publish;
pub mod revisit;
pub mod start;
mod transition;
pub mod verifier_claim;
mod view;

pub use admission::{Refusal, Visitor};
pub use view::{ApprovalView, ChainProgress};
