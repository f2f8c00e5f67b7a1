//! What Graph shows of an app in a tenant: one batch, and the further pages of its lists.
//!
//! [`Question`] describes the request. [`send_batch`] and [`send_page`] send it. [`GraphState`] collects the answers as they arrive, and
//! knows at any moment what the answers so far prove.

pub(super) mod batch;
mod entries;
mod get;
mod partners;
mod question;
mod state;

pub(crate) use batch::{Reply, send_batch, send_page};
pub use get::Unread;
pub(super) use get::get;
pub(crate) use partners::{GdapRelationships, GdapRoles, NoPage, PartnerCustomer, PartnerList};
pub(crate) use question::Part;
pub use question::Question;
pub(crate) use state::GraphState;
