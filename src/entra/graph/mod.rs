//! What Graph shows of an app in a tenant: one batch, and the further pages of its lists.
//!
//! [`Question`] describes the request. [`send_batch`] and [`send_page`] send it. [`GraphState`] collects the answers as they arrive, and
//! knows at any moment what the answers so far prove.

mod batch;
mod entries;
mod get;
mod partners;
mod question;
mod state;

pub use batch::{PartAnswer, Reply, send_batch, send_page};
pub use get::Unread;
pub(super) use get::get;
pub use partners::{NoPage, PartnerCustomer, PartnerList, PartnerPage};
pub use question::{Part, Question};
pub use state::{GraphState, Unauthorized};
