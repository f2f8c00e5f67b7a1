//! What a browser sees: one router for every front door.

mod callback;
mod chain;
pub mod headers;
mod invitation;
pub mod invitation_page;
pub mod pages;
mod receipt;
pub mod request;
mod router;
pub mod users_approval;
pub mod words;

pub use crate::record::FrontDoor;
pub use request::Request;
pub use router::{Answer, handle, our_fault, refuse, refuse_event, refuse_large};
