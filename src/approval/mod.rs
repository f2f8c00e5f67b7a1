//! The life of an approval, with one file for each use case. The routes parse requests and render replies. This module decides, records and
//! sends.
//!
//! A use case takes plain input and returns a plain reply, without any HTTP type.

pub mod admission;
mod bound;
pub(crate) mod callback;
pub(crate) mod chain;
pub mod check;
pub mod follow_up;
mod publish;
pub(crate) mod renewal;
pub(crate) mod revisit;
pub(crate) mod start;
mod transition;
pub(crate) mod verifier_claim;
mod view;

pub(crate) use admission::{Refusal, Visitor};
pub(crate) use view::ApprovalView;
