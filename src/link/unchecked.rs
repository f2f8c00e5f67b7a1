//! What a token says of itself, read before anything is checked: for a person who looks into a link that does not work. Nothing but
//! [`Unchecked::check`] makes it true.

use super::invitation::InvitationBody;
use super::order::OrderBody;
use super::receipt::ReceiptBody;
use super::seal::{self, Body};
use super::ticket::TicketBody;
use super::{Flaw, Invitation, Order, Receipt, Seal, Ticket};
use crate::consent::TokenId;

/// A token's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Of a mailed link.
    Invitation(Invitation),
    /// Of a `state`.
    Ticket(Ticket),
    /// Of a result or watch page.
    Receipt(Box<Receipt>),
    /// Of a queue message.
    Order(Box<Order>),
}

/// What kind of token it calls itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Of a mailed link.
    Invitation,
    /// Of a `state`.
    Ticket,
    /// Of a result or watch page.
    Receipt,
    /// Of a queue message.
    Order,
}

impl TokenKind {
    /// `invitation`, `ticket`, `receipt` or `order`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Ticket => "ticket",
            Self::Receipt => "receipt",
            Self::Order => "order",
        }
    }
}

/// A token that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    /// The name of the key that is said to have signed it.
    pub kid: String,
    /// The site that is said to have made it.
    pub issuer: String,
    /// `jti`.
    pub id: TokenId,
    /// Seconds since 1970.
    pub issued_at: u64,
    /// Seconds since 1970.
    pub expires_at: u64,
    /// The rest.
    pub said: Said,
}

/// Why a text cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Illegible {
    /// It does not begin as a token of this program.
    NotOurs,
    /// It begins as one, and what follows is cut off or changed.
    Damaged(TokenKind),
}

/// Characters of an HMAC with SHA-256 in base64url.
const SIGNATURE: usize = 43;

impl Unchecked {
    /// Reads a token.
    ///
    /// # Errors
    /// [`Illegible`].
    pub fn read(token: &str) -> Result<Self, Illegible> {
        let header = seal::header_unchecked(token).ok_or(Illegible::NotOurs)?;
        let kind = match header.typ.as_str() {
            InvitationBody::TYP => TokenKind::Invitation,
            TicketBody::TYP => TokenKind::Ticket,
            ReceiptBody::TYP => TokenKind::Receipt,
            OrderBody::TYP => TokenKind::Order,
            _ => return Err(Illegible::NotOurs),
        };
        let read = match kind {
            TokenKind::Invitation => seal::claims_unchecked(token)
                .and_then(|(issuer, stamp, body)| Some((issuer, stamp, Said::Invitation(Invitation::of(stamp, body).ok()?)))),
            TokenKind::Ticket => seal::claims_unchecked(token)
                .and_then(|(issuer, stamp, body)| Some((issuer, stamp, Said::Ticket(Ticket::of(stamp, body).ok()?)))),
            TokenKind::Receipt => seal::claims_unchecked::<ReceiptBody>(token)
                .map(|(issuer, stamp, body)| (issuer, stamp, Said::Receipt(Box::new(body.receipt())))),
            TokenKind::Order => seal::claims_unchecked::<OrderBody>(token)
                .map(|(issuer, stamp, body)| (issuer, stamp, Said::Order(Box::new(Order::of(body))))),
        };
        let (issuer, stamp, said) = read.ok_or(Illegible::Damaged(kind))?;
        Ok(Self { kid: header.kid, issuer, id: stamp.id, issued_at: stamp.issued_at, expires_at: stamp.expires_at, said })
    }

    /// What kind of token it is.
    #[must_use]
    pub fn kind(&self) -> TokenKind {
        match self.said {
            Said::Invitation(_) => TokenKind::Invitation,
            Said::Ticket(_) => TokenKind::Ticket,
            Said::Receipt(_) => TokenKind::Receipt,
            Said::Order(_) => TokenKind::Order,
        }
    }

    /// Checks the token that this was read from, as whoever receives it does. Its life is not judged.
    ///
    /// # Errors
    /// [`Flaw`] when it is none of this site.
    pub fn check(&self, token: &str, seal: Seal<'_>) -> Result<(), Flaw> {
        match self.kind() {
            TokenKind::Invitation => Invitation::open(token, seal).map(|_| ()),
            TokenKind::Ticket => Ticket::open(token, seal).map(|_| ()),
            TokenKind::Receipt => Receipt::open(token, seal).map(|_| ()),
            TokenKind::Order => Order::open(token, seal).map(|_| ()),
        }
    }
}

/// Whether the end of a token is missing, as far as its length tells.
#[must_use]
pub fn is_cut(token: &str) -> bool {
    token.split('.').nth(2).is_none_or(|signature| signature.len() < SIGNATURE)
}
