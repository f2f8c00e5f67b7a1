//! What a browser sees: one router for all front doors.

mod callback;
mod chain;
pub mod headers;
mod help;
mod invitation;
pub mod invitation_page;
pub mod pages;
mod receipt;
mod rejection;
mod reply;
pub(crate) mod request;
mod router;
mod shown;
pub mod users_approval;
pub mod words;

pub use crate::record::{AddressSource, FrontDoor};
pub(crate) use rejection::refuse_large;
pub use rejection::{refuse, refuse_event};
pub use reply::Answer;
pub(crate) use reply::our_fault;
pub use request::Request;
pub use router::handle;
