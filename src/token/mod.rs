//! The signed tokens that carry the state between requests, so that the functions can stay stateless. Each kind of token has one file that
//! both signs and opens it, so that both stay in step.
//!
//! | token | where it travels | what it says |
//! | --- | --- | --- |
//! | [`invitation`] | in a mailed link | which tenant should approve which app |
//! | [`ticket`] | to Microsoft and back as `state` | what the link was made for |
//! | [`receipt`] | in the result page's address | the callback's claim, and the outcome |
//! | [`order`] | in a queue message | the same as a receipt, and the number of the check |
//!
//! All are compact JWTs (RFC 7519), signed with HS256. jsonwebtoken checks the signature. Its defaults accept too much in the other parts
//! of a token, so one function in [`signer`] checks those parts (threats reference §3).

mod browser;
mod expectation;
mod guessable;
pub(crate) mod invitation;
pub mod key_document;
pub(crate) mod keys;
pub(crate) mod order;
pub mod receipt;
pub(crate) mod recovery;
pub(crate) mod signer;
pub(crate) mod ticket;
pub(crate) mod unchecked;

pub use invitation::{Invitation, Subject};
pub use key_document::KeyDocument;
pub use keys::KeyRing;
pub(crate) use order::OpenedOrder;
pub use order::{Order, PendingEvent};
pub(crate) use recovery::Mangling;
pub use signer::Signer;
pub(crate) use signer::{Flaw, TooLong};
pub use ticket::Ticket;
