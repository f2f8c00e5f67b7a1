//! The addresses that are handed out: links to mail, Microsoft's consent page, results.

use std::time::Duration;

use super::{Installation, KeysUnavailable};
use crate::config::ConfiguredApp;
use crate::consent::{Expectation, ExpectedTenant, Label, Reference, TokenId};
use crate::token::{Invitation, KeyRing, Receipt, Subject, Ticket, TooLong};

/// Most characters of a link that is mailed as it is: at more some clients cut (threats reference S11).
const LONGEST_DIRECT_LINK: usize = 2_048;

impl Installation {
    /// The address of a receipt's page: `r` shows a result, `w` watches a companion app. `None` when no key can be had, or the address
    /// would be too long even without label and reference.
    pub async fn receipt_address(&self, room: &str, receipt: &Receipt) -> Option<String> {
        let keys = self.cached_keys().await.ok()?;
        // A receipt that is renewed by a change ends when the first one would have.
        let ends = receipt.callback_at.saturating_add(self.config.links.receipt.as_secs());
        let life = ends.saturating_sub(self.clock.now_unix()).max(1);
        let signer = self.signer(&keys);
        let issue = |receipt: &Receipt| receipt.issue(self.new_id(), life, signer);
        let token = issue(receipt).or_else(|TooLong| issue(&receipt.bare())).ok()?;
        Some(format!("{}/{room}/{token}", signer.issuer))
    }

    /// The redirect address that has to be registered on every app.
    #[must_use]
    pub fn redirect_address(&self) -> String {
        format!("{}/callback", self.issuer())
    }

    /// A link that leads straight to Microsoft, with a ticket that lives for `life`, and the ticket's id.
    ///
    /// # Errors
    /// [`NoLink`] when the keys cannot be had, or the ticket or the link would be too long.
    pub async fn direct_link(&self, app: &ConfiguredApp, expectation: Expectation, life: Duration) -> Result<(TokenId, url::Url), NoLink> {
        let keys = self.keys().await?;
        let signed = self.sign_direct_link(&keys, app, expectation, life)?;
        Ok((signed.id, signed.address))
    }

    /// As [`Self::direct_link`] with keys at hand: for many links.
    ///
    /// # Errors
    /// [`NoLink`] when the ticket or the link would be too long.
    pub fn sign_direct_link(
        &self,
        keys: &KeyRing,
        app: &ConfiguredApp,
        expectation: Expectation,
        life: Duration,
    ) -> Result<SignedLink<url::Url>, NoLink> {
        let signer = self.signer(keys);
        let tenant = expectation.tenant;
        let (id, expires_at) = (self.new_id(), signer.now.saturating_add(life.as_secs()));
        let ticket = Ticket { id, issued_at: signer.now, expires_at, expectation, browser: None };
        let address = self.consent_address(app, tenant, &ticket.issue(signer)?);
        match address.as_str().len() {
            0..=LONGEST_DIRECT_LINK => Ok(SignedLink { id, expires_at, address }),
            characters => Err(NoLink::Cut(characters)),
        }
    }

    /// An invitation's id and address: a page of ours, made to be mailed. It lives for `life`.
    ///
    /// # Errors
    /// [`NoLink`] when the keys cannot be had or the address would be too long.
    pub async fn invitation(
        &self,
        subject: Subject,
        tenant: ExpectedTenant,
        label: Option<Label>,
        reference: Option<Reference>,
        life: Duration,
    ) -> Result<(TokenId, String), NoLink> {
        let keys = self.keys().await?;
        let signed = self.sign_invitation(&keys, subject, tenant, label, reference, life)?;
        Ok((signed.id, signed.address))
    }

    /// As [`Self::invitation`] with keys at hand: for many links.
    ///
    /// # Errors
    /// [`TooLong`] when the address would be too long.
    pub fn sign_invitation(
        &self,
        keys: &KeyRing,
        subject: Subject,
        tenant: ExpectedTenant,
        label: Option<Label>,
        reference: Option<Reference>,
        life: Duration,
    ) -> Result<SignedLink<String>, TooLong> {
        let signer = self.signer(keys);
        let (id, expires_at) = (self.new_id(), signer.now.saturating_add(life.as_secs()));
        let invitation = Invitation { id, issued_at: signer.now, expires_at, subject, tenant, label, reference };
        Ok(SignedLink { id, expires_at, address: invitation.address(signer)? })
    }

    /// The address of the invitation that a ticket or a receipt came from, signed again; `None` for a direct link, for one that has
    /// ended and where no key can be had.
    pub async fn invitation_again(&self, expectation: &Expectation) -> Option<String> {
        let keys = self.cached_keys().await.ok()?;
        let signer = self.signer(&keys);
        Invitation::again(expectation, signer.now)?.address(signer).ok()
    }

    /// The address of Microsoft's v2 consent page for an app, with what its links ask for (protocol reference §1.1).
    #[must_use]
    pub fn consent_address(&self, app: &ConfiguredApp, tenant: ExpectedTenant, ticket: &str) -> url::Url {
        let mut address = app.endpoints.adminconsent_url(tenant);
        address
            .query_pairs_mut()
            .append_pair("client_id", &app.profile.client_id.to_string())
            .append_pair("redirect_uri", &self.redirect_address())
            .append_pair("scope", app.scope.as_str())
            .append_pair("state", ticket);
        address
    }
}

/// A link as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedLink<A> {
    /// The id of its token.
    pub id: TokenId,
    /// When it ends, seconds since 1970.
    pub expires_at: u64,
    /// Where it leads.
    pub address: A,
}

/// Why no link was made.
#[derive(Debug, thiserror::Error)]
pub enum NoLink {
    /// No key.
    #[error(transparent)]
    Keys(#[from] KeysUnavailable),
    /// Too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A direct link with this many characters would not arrive whole everywhere.
    #[error(
        "the link would have {0} characters, and some programs cut at {LONGEST_DIRECT_LINK}: shorten the label or the reference, make an \
         invitation instead of a direct link, or set scopes = \"registration\""
    )]
    Cut(usize),
}
