//! The signed tokens that carry what a stateless function must remember. Issuing and opening stand in one file each, so that
//! they cannot drift apart.
//!
//! | token | travels | says |
//! | --- | --- | --- |
//! | [`invitation`] | in a mailed link | who is asked for what |
//! | [`ticket`] | to Microsoft and back as `state` | what the link was made for |
//! | [`receipt`] | in the result page's address | what came back, and how it stood |
//! | [`order`] | in a queue message | the same, and which look it is |
//!
//! All are compact JWTs (RFC 7519) signed with HS256. jsonwebtoken checks the signature; everything its defaults accept too
//! generously (threats reference §3) is checked in [`seal`], in one function.

pub mod invitation;
pub mod key_document;
pub mod keys;
pub mod order;
mod origin;
pub mod receipt;
pub mod seal;
pub mod ticket;
pub mod unchecked;

pub use invitation::{Invitation, Subject};
pub use key_document::KeyDocument;
pub use keys::KeyRing;
pub use order::{OpenedOrder, Order, Tell};
pub use receipt::{Queued, Receipt};
pub use seal::{Flaw, Seal, TooLong};
pub use ticket::{Binding, Ticket};
pub use unchecked::Said;
