//! The addresses that we publish: mailed links, Microsoft's consent page and result pages.

use std::time::Duration;

use super::{Installation, KeysUnavailable};
use crate::config::ConfiguredApp;
use crate::consent::{ApprovalState, Expectation, ExpectedTenant, Label, Reference, TokenId};
use crate::token::{Invitation, KeyRing, Subject, Ticket, TooLong, receipt};

/// Longest direct link, in characters. Some clients cut longer links (threats reference S11).
const LONGEST_DIRECT_LINK: usize = 2_048;

impl Installation {
    /// The address of a receipt's page. `room` is `r` for a result page, or `w` for the page that watches a companion app. Returns `None`
    /// if we have no key, or if the address is too long even without label and reference.
    pub async fn receipt_address(&self, room: &str, state: &ApprovalState) -> Option<String> {
        let keys = self.cached_keys().await.ok()?;
        // A renewed receipt keeps the expiry of the first one.
        let ends = state.callback_at.saturating_add(self.config.links.receipt.as_secs());
        let life = ends.saturating_sub(self.clock.now_unix()).max(1);
        let signer = self.signer(&keys);
        let issue = |state: &ApprovalState| receipt::issue(state, self.new_id(), life, signer);
        let token = issue(state).or_else(|TooLong| issue(&state.bare())).ok()?;
        Some(format!("{}/{room}/{token}", signer.issuer))
    }

    /// The redirect address that every app must register.
    pub(crate) fn redirect_address(&self) -> String {
        format!("{}/callback", self.issuer())
    }

    /// A link that leads straight to Microsoft, and the id of its ticket. The ticket is valid for `life`.
    ///
    /// # Errors
    /// [`NoLink`] if we have no keys, or if the ticket or the link is too long.
    pub async fn direct_link(&self, app: &ConfiguredApp, expectation: Expectation, life: Duration) -> Result<(TokenId, url::Url), NoLink> {
        let keys = self.keys().await?;
        let signed = self.sign_direct_link(&keys, app, expectation, life)?;
        Ok((signed.id, signed.address))
    }

    /// As [`Self::direct_link`], with the caller's keys, so that many links need one read of the keys.
    ///
    /// # Errors
    /// [`NoLink`] if the ticket or the link is too long.
    pub(crate) fn sign_direct_link(
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

    /// The id and the address of an invitation. The address leads to one of our pages, and the operator mails it. The invitation is valid
    /// for `life`.
    ///
    /// # Errors
    /// [`NoLink`] if we have no keys, or if the address is too long.
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

    /// As [`Self::invitation`], with the caller's keys, so that many links need one read of the keys.
    ///
    /// # Errors
    /// [`TooLong`] if the address is too long.
    pub(crate) fn sign_invitation(
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

    /// Signs the invitation of a ticket or a receipt again, and returns the address of the invitation. Returns `None` for a direct link,
    /// for an expired invitation, and if we have no key.
    pub(crate) async fn invitation_again(&self, expectation: &Expectation) -> Option<String> {
        let keys = self.cached_keys().await.ok()?;
        let signer = self.signer(&keys);
        Invitation::again(expectation, signer.now)?.address(signer).ok()
    }

    /// The address of Microsoft's v2 consent page for an app, with the scope of its links (protocol reference §1.1).
    pub(crate) fn consent_address(&self, app: &ConfiguredApp, tenant: ExpectedTenant, ticket: &str) -> url::Url {
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedLink<A> {
    /// The id of the link's token.
    pub(crate) id: TokenId,
    /// When the link expires, in seconds since 1970.
    pub(crate) expires_at: u64,
    pub(crate) address: A,
}

/// Why we could not make a link.
#[derive(Debug, thiserror::Error)]
pub enum NoLink {
    /// We have no key.
    #[error(transparent)]
    Keys(#[from] KeysUnavailable),
    /// The token does not fit into an address.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The direct link has this number of characters. Some programs would cut it.
    #[error(
        "the link would have {0} characters, and some programs cut at {LONGEST_DIRECT_LINK}: shorten the label or the reference, make an \
         invitation instead of a direct link, or set scopes = \"registration\""
    )]
    Cut(usize),
}
