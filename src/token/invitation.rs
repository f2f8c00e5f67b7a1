//! The invitation: the signed token in a mailed link. The link leads to our own page and not to Microsoft, so people can forward it,
//! scanners can open it, and it can live long. When a person presses the button, the program makes the address for Microsoft.

use serde::{Deserialize, Serialize};

use super::signer::{Flaw, Signer, Stamp, TokenBody, TooLong, required_option};
use crate::consent::{Expectation, ExpectedTenant, InvitationOrigin, Label, ProfileId, Reference, TokenId};

/// Longest address of an invitation in characters, with the public base address. It is short enough for any mail client.
pub(crate) const MAX_ADDRESS: usize = 700;

/// The approvals that an invitation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A single app.
    App(ProfileId),
    /// Several apps, approved one after the other.
    Chain(ProfileId),
}

/// An invitation whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// `jti`. The operator can revoke the invitation by this id.
    pub id: TokenId,
    /// Seconds since 1970.
    pub issued_at: u64,
    /// Seconds since 1970.
    pub expires_at: u64,
    /// The app or chain to approve.
    pub subject: Subject,
    /// The tenant that must approve the app or chain.
    pub tenant: ExpectedTenant,
    /// The operator's name for the customer.
    pub label: Option<Label>,
    /// The operator's own reference, never interpreted.
    pub reference: Option<Reference>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct InvitationBody {
    #[serde(deserialize_with = "required_option")]
    app: Option<ProfileId>,
    #[serde(deserialize_with = "required_option")]
    chn: Option<ProfileId>,
    ten: ExpectedTenant,
    #[serde(deserialize_with = "required_option")]
    lbl: Option<Label>,
    #[serde(deserialize_with = "required_option")]
    r#ref: Option<Reference>,
}

impl TokenBody for InvitationBody {
    const TYP: &'static str = "ec-invitation+jwt";
    const AUDIENCE: &'static str = "invitation";
}

impl Invitation {
    /// Signs the invitation and returns its address.
    ///
    /// # Errors
    /// [`TooLong`] if the address would have more than [`MAX_ADDRESS`] characters.
    pub fn address(&self, signer: Signer<'_>) -> Result<String, TooLong> {
        let (app, chn) = match &self.subject {
            Subject::App(app) => (Some(app.clone()), None),
            Subject::Chain(chain) => (None, Some(chain.clone())),
        };
        let body = InvitationBody { app, chn, ten: self.tenant, lbl: self.label.clone(), r#ref: self.reference.clone() };
        let token = signer.sign(Stamp { id: self.id, issued_at: self.issued_at, expires_at: self.expires_at }, &body)?;
        let address = format!("{}/i/{token}", signer.issuer);
        if address.len() > MAX_ADDRESS { Err(TooLong) } else { Ok(address) }
    }

    /// Opens the last part of an invitation's address. The caller must check whether the invitation has expired.
    ///
    /// # Errors
    /// [`Flaw`] if the text is not an invitation of this installation.
    pub fn open(token: &str, signer: Signer<'_>) -> Result<Self, Flaw> {
        let (stamp, body) = signer.open::<InvitationBody>(token)?;
        Self::of(stamp, body)
    }

    pub(super) fn of(stamp: Stamp, body: InvitationBody) -> Result<Self, Flaw> {
        let subject = match (body.app, body.chn) {
            (Some(app), None) => Subject::App(app),
            (None, Some(chain)) => Subject::Chain(chain),
            (Some(_), Some(_)) | (None, None) => return Err(Flaw::Claims),
        };
        Ok(Self {
            id: stamp.id,
            issued_at: stamp.issued_at,
            expires_at: stamp.expires_at,
            subject,
            tenant: body.ten,
            label: body.lbl,
            reference: body.r#ref,
        })
    }

    /// The expectation that a ticket for one app of this invitation carries.
    #[must_use]
    pub fn expectation(&self, app: ProfileId) -> Expectation {
        let chain = match &self.subject {
            Subject::App(_) => None,
            Subject::Chain(chain) => Some(chain.clone()),
        };
        Expectation {
            app,
            tenant: self.tenant,
            label: self.label.clone(),
            reference: self.reference.clone(),
            invitation: Some(InvitationOrigin { id: self.id, issued_at: self.issued_at, expires_at: self.expires_at, chain }),
        }
    }

    /// Rebuilds the invitation from the content of a ticket or a receipt. The new invitation asks the same tenant for the same approval,
    /// and has the same start and end. `None` for a direct link, and after the end.
    #[must_use]
    pub fn again(expectation: &Expectation, now: u64) -> Option<Self> {
        let origin = expectation.invitation.as_ref()?;
        let subject = match &origin.chain {
            None => Subject::App(expectation.app.clone()),
            Some(chain) => Subject::Chain(chain.clone()),
        };
        (now < origin.expires_at).then(|| Self {
            id: origin.id,
            issued_at: origin.issued_at,
            expires_at: origin.expires_at,
            subject,
            tenant: expectation.tenant,
            label: expectation.label.clone(),
            reference: expectation.reference.clone(),
        })
    }
}
