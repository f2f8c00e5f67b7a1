//! Reads a token's content before any check, for a person who investigates a link that does not work. The content is unproven until
//! [`Unchecked::check`] succeeds.

use super::invitation::InvitationBody;
use super::order::OrderBody;
use super::receipt::ReceiptBody;
use super::recovery::SIGNATURE;
use super::signer::{self, TokenBody};
use super::ticket::TicketBody;
use super::{Flaw, Invitation, Order, Signer, Ticket, receipt};
use crate::consent::{ApprovalState, TokenId};

/// A token's unproven content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// The content of a mailed link.
    Invitation(Invitation),
    /// The content of a `state`.
    Ticket(Ticket),
    /// The content of the address of a result or watch page.
    Receipt(Box<ApprovalState>),
    /// The content of a queue message.
    Order(Box<Order>),
}

crate::consent::named! {
    /// The kind that a token claims to be.
    pub(crate) enum TokenKind {
        /// The token in a mailed link.
        Invitation = "invitation",
        /// The token in a `state`.
        Ticket = "ticket",
        /// The token in the address of a result or watch page.
        Receipt = "receipt",
        /// The token in a queue message.
        Order = "order",
    }
}

/// A readable token whose signature is not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unchecked {
    /// The name of the key that supposedly signed the token.
    pub(crate) kid: String,
    /// The installation that supposedly made the token.
    pub(crate) issuer: String,
    /// `jti`.
    pub(crate) id: TokenId,
    /// Seconds since 1970.
    pub(crate) issued_at: u64,
    /// Seconds since 1970.
    pub(crate) expires_at: u64,
    /// The content, by its kind.
    pub(crate) said: Said,
}

/// Why a text is not readable as a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Illegible {
    /// The text does not start like a token of this program.
    NotOurs,
    /// The text starts like a token of this kind, but the rest is cut off or changed.
    Damaged(TokenKind),
}

impl Unchecked {
    /// Reads a token without verifying it.
    ///
    /// # Errors
    /// [`Illegible`].
    pub(crate) fn read(token: &str) -> Result<Self, Illegible> {
        let header = signer::header_unchecked(token).ok_or(Illegible::NotOurs)?;
        let kind = match header.typ.as_str() {
            InvitationBody::TYP => TokenKind::Invitation,
            TicketBody::TYP => TokenKind::Ticket,
            ReceiptBody::TYP => TokenKind::Receipt,
            OrderBody::TYP => TokenKind::Order,
            _ => return Err(Illegible::NotOurs),
        };
        let read = match kind {
            TokenKind::Invitation => signer::claims_unchecked(token)
                .and_then(|(issuer, stamp, body)| Some((issuer, stamp, Said::Invitation(Invitation::of(stamp, body).ok()?)))),
            TokenKind::Ticket => signer::claims_unchecked(token)
                .and_then(|(issuer, stamp, body)| Some((issuer, stamp, Said::Ticket(Ticket::of(stamp, body).ok()?)))),
            TokenKind::Receipt => signer::claims_unchecked::<ReceiptBody>(token)
                .map(|(issuer, stamp, body)| (issuer, stamp, Said::Receipt(Box::new(body.state())))),
            TokenKind::Order => signer::claims_unchecked::<OrderBody>(token)
                .map(|(issuer, stamp, body)| (issuer, stamp, Said::Order(Box::new(Order::of(body))))),
        };
        let (issuer, stamp, said) = read.ok_or(Illegible::Damaged(kind))?;
        Ok(Self { kid: header.kid, issuer, id: stamp.id, issued_at: stamp.issued_at, expires_at: stamp.expires_at, said })
    }

    pub(crate) fn kind(&self) -> TokenKind {
        match self.said {
            Said::Invitation(_) => TokenKind::Invitation,
            Said::Ticket(_) => TokenKind::Ticket,
            Said::Receipt(_) => TokenKind::Receipt,
            Said::Order(_) => TokenKind::Order,
        }
    }

    /// Verifies the token that `self` was read from, as the token's receiver does. Does not check whether the token has expired.
    ///
    /// # Errors
    /// [`Flaw`] if it is not a token of this installation.
    pub(crate) fn check(&self, token: &str, signer: Signer<'_>) -> Result<(), Flaw> {
        match self.kind() {
            TokenKind::Invitation => Invitation::open(token, signer).map(|_| ()),
            TokenKind::Ticket => Ticket::open(token, signer).map(|_| ()),
            TokenKind::Receipt => receipt::open(token, signer).map(|_| ()),
            TokenKind::Order => Order::open(token, signer).map(|_| ()),
        }
    }
}

/// Whether a token's end is missing, judged by its length.
pub(crate) fn is_cut(token: &str) -> bool {
    token.split('.').nth(2).is_none_or(|signature| signature.len() < SIGNATURE)
}
