//! The receipt: the signed token in the result page's address. It shows an outcome again, and allows a new check, without a session.

use std::time::Duration;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::origin::OriginClaim;
use super::signer::{Flaw, Signer, Stamp, TokenBody, TooLong, required_option};
use super::ticket::Binding;
use crate::consent::callback::TraceId;
use crate::consent::outcome::PROVISIONAL;
use crate::consent::{
    AadstsCode, Claim, ClaimedError, ErrorClass, Expectation, ExpectedTenant, InvitationOrigin, Label, Outcome, ProfileId, Reference,
    TenantId, TokenId,
};

/// The state of an approval after its ticket came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The ticket's `jti`.
    pub ticket: TokenId,
    /// What the link was made for.
    pub expectation: Expectation,
    /// What the callback said.
    pub claim: Claim,
    /// The outcome at the time of signing.
    pub outcome: Outcome,
    /// When the callback arrived, in seconds since 1970. The 20 provisional minutes start here.
    pub callback_at: u64,
    /// The time from which a check counts, in microseconds since 1970. For a claim of success, a direct link's claim or a press, it is the
    /// arrival. For any other claim, it is the end of the second in which the ticket was signed.
    pub counts_from: u64,
    /// Whether the same browser came back with the callback.
    pub binding: Binding,
    /// Whether the ticket had expired when the callback arrived.
    pub late: bool,
    /// When the ticket was signed, in seconds since 1970: an operator can revoke links by this time.
    pub signed_at: u64,
    /// How often the outcome has changed since the callback.
    pub step: u32,
    /// Whether another check is in the queue.
    pub queued: Queued,
    /// The id of the event about this outcome, if a configured receiver has it or will get it.
    pub event: Option<Box<str>>,
}

/// The id that replaces a ticket's id if the button finds an outcome without a callback. It is the same for all presses of one button
/// within the provisional period. `now` is in seconds since 1970.
#[must_use]
pub fn press_id(invitation: TokenId, app: &ProfileId, now: u64) -> TokenId {
    let span = now / PROVISIONAL.as_secs();
    let hash = digest::digest(&digest::SHA256, format!("press {invitation} {app} {span}").as_bytes());
    TokenId::from_random(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

/// The state of the order for another check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queued {
    /// No check was needed, or this installation has no queue.
    #[default]
    No,
    /// The order is in the queue.
    Sent,
    /// The queue did not accept the order: a later visit tries again.
    Refused,
}

/// [`Receipt`] as claims. Receipts and orders carry the same state.
#[derive(Serialize, Deserialize)]
pub(super) struct ReceiptBody {
    tkt: TokenId,
    app: ProfileId,
    ten: ExpectedTenant,
    #[serde(deserialize_with = "required_option")]
    inv: Option<OriginClaim>,
    #[serde(deserialize_with = "required_option")]
    lbl: Option<Label>,
    #[serde(deserialize_with = "required_option")]
    r#ref: Option<Reference>,
    clm: ClaimWord,
    #[serde(deserialize_with = "required_option")]
    cod: Option<u32>,
    #[serde(deserialize_with = "required_option")]
    trc: Option<TraceId>,
    #[serde(deserialize_with = "required_option")]
    cor: Option<TraceId>,
    out: Outcome,
    cba: u64,
    /// Older tokens do not have it, nor do orders that would be too long with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chk: Option<u64>,
    bnd: Binding,
    late: bool,
    sgn: u64,
    stp: u32,
    que: Queued,
    /// Older receipts do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evt: Option<Box<str>>,
}

impl TokenBody for ReceiptBody {
    const TYP: &'static str = "ec-receipt+jwt";
    const AUDIENCE: &'static str = "receipt";
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClaimWord {
    Success,
    #[serde(rename = "silent")]
    NoFlag,
    Declined,
    NotAnAdmin,
    WrongAccount,
    BlockedByPolicy,
    AppMisconfigured,
    Unknown,
}

impl ClaimWord {
    fn of(claim: &Claim) -> Self {
        match claim {
            Claim::Success => Self::Success,
            Claim::NoFlag => Self::NoFlag,
            Claim::Error(error) => match error.class {
                ErrorClass::Declined => Self::Declined,
                ErrorClass::NotAnAdmin => Self::NotAnAdmin,
                ErrorClass::WrongAccount => Self::WrongAccount,
                ErrorClass::BlockedByPolicy => Self::BlockedByPolicy,
                ErrorClass::AppMisconfigured => Self::AppMisconfigured,
                ErrorClass::Unknown => Self::Unknown,
            },
        }
    }

    fn claim(self, code: Option<AadstsCode>, trace_id: Option<TraceId>, correlation_id: Option<TraceId>) -> Claim {
        let class = match self {
            Self::Success => return Claim::Success,
            Self::NoFlag => return Claim::NoFlag,
            Self::Declined => ErrorClass::Declined,
            Self::NotAnAdmin => ErrorClass::NotAnAdmin,
            Self::WrongAccount => ErrorClass::WrongAccount,
            Self::BlockedByPolicy => ErrorClass::BlockedByPolicy,
            Self::AppMisconfigured => ErrorClass::AppMisconfigured,
            Self::Unknown => ErrorClass::Unknown,
        };
        Claim::Error(ClaimedError { class, code, trace_id, correlation_id })
    }
}

impl Receipt {
    /// The receipt after one more change.
    #[must_use]
    pub fn changed_to(&self, outcome: Outcome) -> Self {
        Self { outcome, step: self.step.saturating_add(1), event: None, ..self.clone() }
    }

    /// The earliest exact time from which checks count: the second after the callback's.
    #[must_use]
    pub fn counts_from_next_second(callback_at: u64) -> u64 {
        callback_at.saturating_add(1).saturating_mul(1_000_000)
    }

    /// The receipt without label and reference, for when both together are too long for a token.
    #[must_use]
    pub fn bare(&self) -> Self {
        let expectation = Expectation { label: None, reference: None, ..self.expectation.clone() };
        Self { expectation, ..self.clone() }
    }

    /// The tenant in which another check may find more. `None` if the tenant is unknown, and for an outcome that no check can verify.
    #[must_use]
    pub fn askable(&self) -> Option<TenantId> {
        match self.expectation.tenant {
            ExpectedTenant::Tenant(tenant) if !self.outcome.is_unverifiable() => Some(tenant),
            ExpectedTenant::Tenant(_) | ExpectedTenant::Any => None,
        }
    }

    /// The time since the callback; `now` is in seconds since 1970.
    #[must_use]
    pub fn age(&self, now: u64) -> Duration {
        Duration::from_secs(now.saturating_sub(self.callback_at))
    }

    /// Signs the receipt with `id` as its `jti`; it lives for `life` seconds from now.
    ///
    /// # Errors
    /// [`TooLong`] if label, reference and address together do not fit. A receipt without label and reference always fits.
    pub fn issue(&self, id: TokenId, life: u64, signer: Signer<'_>) -> Result<String, TooLong> {
        signer.sign(Stamp { id, issued_at: signer.now, expires_at: signer.now.saturating_add(life) }, &ReceiptBody::of(self))
    }

    /// Opens the last part of a result page's address. Also returns when the receipt expires (seconds since 1970).
    ///
    /// # Errors
    /// [`Flaw`] if it is not a receipt of this installation.
    pub fn open(token: &str, signer: Signer<'_>) -> Result<(Self, u64), Flaw> {
        let (stamp, body) = signer.open::<ReceiptBody>(token)?;
        Ok((body.receipt(), stamp.expires_at))
    }
}

impl ReceiptBody {
    pub(super) fn of(receipt: &Receipt) -> Self {
        let Receipt { ticket, expectation, claim, outcome, callback_at, counts_from, binding, late, signed_at, step, queued, event } =
            receipt;
        let error = claim.error();
        Self {
            tkt: *ticket,
            app: expectation.app.clone(),
            ten: expectation.tenant,
            inv: expectation.invitation.as_ref().map(OriginClaim::from),
            lbl: expectation.label.clone(),
            r#ref: expectation.reference.clone(),
            clm: ClaimWord::of(claim),
            cod: error.and_then(|error| error.code).map(AadstsCode::number),
            trc: error.and_then(|error| error.trace_id),
            cor: error.and_then(|error| error.correlation_id),
            out: *outcome,
            cba: *callback_at,
            chk: (*counts_from != Receipt::counts_from_next_second(*callback_at)).then_some(*counts_from),
            bnd: *binding,
            late: *late,
            sgn: *signed_at,
            stp: *step,
            que: *queued,
            evt: event.clone(),
        }
    }

    pub(super) fn receipt(self) -> Receipt {
        Receipt {
            ticket: self.tkt,
            expectation: Expectation {
                app: self.app,
                tenant: self.ten,
                label: self.lbl,
                reference: self.r#ref,
                invitation: self.inv.map(InvitationOrigin::from),
            },
            claim: self.clm.claim(self.cod.and_then(|code| AadstsCode::from_number(code.into())), self.trc, self.cor),
            outcome: self.out,
            callback_at: self.cba,
            counts_from: self.chk.unwrap_or(Receipt::counts_from_next_second(self.cba)),
            binding: self.bnd,
            late: self.late,
            signed_at: self.sgn,
            step: self.stp,
            queued: self.que,
            event: self.evt,
        }
    }
}
