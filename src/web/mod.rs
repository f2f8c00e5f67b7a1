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
pub mod words;

pub use request::{FrontDoor, Request};
pub use router::{Answer, handle, refuse, refuse_event};
