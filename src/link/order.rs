//! The order: the signed token in a queue message. The queue is not trusted more than the public address: only what carries our
//! signature makes anybody look.

use serde::{Deserialize, Serialize};

use super::receipt::{Receipt, ReceiptBody};
use super::seal::{Body, Flaw, Seal, Stamp, TooLong};
use crate::consent::TokenId;

/// A look that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What is remembered of the ticket; its outcome is that of the last look.
    pub remembered: Receipt,
    /// Which look this is, from 1.
    pub attempt: u32,
    /// Not to be carried out before this moment, seconds since 1970.
    pub not_before: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct OrderBody {
    #[serde(flatten)]
    remembered: ReceiptBody,
    att: u32,
    due: u64,
}

impl Body for OrderBody {
    const TYP: &'static str = "ec-order+jwt";
    const AUDIENCE: &'static str = "worker";
}

impl Order {
    /// Signs the order. `id` becomes its `jti`; it lives for `life` seconds from now.
    ///
    /// # Errors
    /// [`TooLong`] when label, reference and address together do not fit.
    pub fn issue(&self, id: TokenId, life: u64, seal: Seal<'_>) -> Result<String, TooLong> {
        let body = OrderBody { remembered: ReceiptBody::of(&self.remembered), att: self.attempt, due: self.not_before };
        seal.seal(Stamp { id, issued_at: seal.now, expires_at: seal.now.saturating_add(life) }, &body)
    }

    /// Opens the body of a queue message, together with the moment its life ends (seconds since 1970).
    ///
    /// # Errors
    /// [`Flaw`] when it is no order of this site.
    pub fn open(token: &str, seal: Seal<'_>) -> Result<(Self, u64), Flaw> {
        let (stamp, body) = seal.open::<OrderBody>(token)?;
        Ok((Self::of(body), stamp.expires_at))
    }

    pub(super) fn of(body: OrderBody) -> Self {
        Self { remembered: body.remembered.receipt(), attempt: body.att, not_before: body.due }
    }
}
