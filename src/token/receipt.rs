//! The receipt: the signed token in the result page's address. With it, the page can show an outcome again and start a new check, without a
//! session.

use serde::{Deserialize, Serialize};

use super::expectation::ExpectationClaims;
use super::signer::{Flaw, Signer, Stamp, TokenBody, TooLong, required_option};
use crate::consent::approval_state::{ApprovalState, Binding, Queued};
use crate::consent::callback::TraceId;
use crate::consent::outcome::span_start;
use crate::consent::{AadstsCode, Claim, ClaimedError, ErrorClass, Outcome, ResourceId, TokenId};

/// [`ApprovalState`] as claims. Receipts and orders carry the same state.
#[derive(Serialize, Deserialize)]
pub(super) struct ReceiptBody {
    tkt: TokenId,
    #[serde(flatten)]
    expectation: ExpectationClaims,
    clm: ClaimWord,
    #[serde(deserialize_with = "required_option")]
    cod: Option<u32>,
    /// Missing in older receipts, and in orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) res: Option<ResourceId>,
    #[serde(deserialize_with = "required_option")]
    trc: Option<TraceId>,
    #[serde(deserialize_with = "required_option")]
    cor: Option<TraceId>,
    out: Outcome,
    /// Missing in older tokens, and in tokens that would be too long with it. The value is then the start of the callback's 20-minute span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sin: Option<u64>,
    cba: u64,
    /// Missing in older tokens, and in orders that would be too long with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) oth: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chk: Option<u64>,
    bnd: Binding,
    /// Missing in older receipts, and in orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) brw: Option<Box<str>>,
    late: bool,
    sgn: u64,
    stp: u32,
    que: Queued,
    /// Missing in older receipts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evt: Option<Box<str>>,
    /// Missing in older tokens, and for approvals that wait for no verifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vrf: Option<u64>,
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

    fn claim(
        self,
        code: Option<AadstsCode>,
        resource: Option<ResourceId>,
        trace_id: Option<TraceId>,
        correlation_id: Option<TraceId>,
        other_tenant: bool,
    ) -> Claim {
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
        Claim::Error(ClaimedError { class, code, resource, trace_id, correlation_id, other_tenant })
    }
}

/// Signs the state as a receipt with `id` as its `jti`; it lives for `life` seconds from now.
///
/// # Errors
/// [`TooLong`] if label, reference and address make the token too long. A receipt without label and reference is never too long.
pub fn issue(state: &ApprovalState, id: TokenId, life: u64, signer: Signer<'_>) -> Result<String, TooLong> {
    signer.sign(Stamp { id, issued_at: signer.now, expires_at: signer.now.saturating_add(life) }, &ReceiptBody::of(state))
}

/// Opens the last part of a result page's address. Also returns when the receipt expires (seconds since 1970).
///
/// # Errors
/// [`Flaw`] if the text is not a receipt of this installation.
pub fn open(token: &str, signer: Signer<'_>) -> Result<(ApprovalState, u64), Flaw> {
    let (stamp, body) = signer.open::<ReceiptBody>(token)?;
    Ok((body.state(), stamp.expires_at))
}

impl ReceiptBody {
    pub(super) fn of(state: &ApprovalState) -> Self {
        let ApprovalState {
            ticket,
            expectation,
            claim,
            outcome,
            since,
            callback_at,
            counts_from,
            binding,
            browser,
            late,
            signed_at,
            step,
            queued,
            event,
            verifier_claimed_at,
        } = state;
        let error = claim.error();
        Self {
            tkt: *ticket,
            expectation: ExpectationClaims::from(expectation),
            clm: ClaimWord::of(claim),
            cod: error.and_then(|error| error.code).map(AadstsCode::number),
            res: error.and_then(|error| error.resource),
            trc: error.and_then(|error| error.trace_id),
            cor: error.and_then(|error| error.correlation_id),
            oth: error.is_some_and(|error| error.other_tenant),
            out: *outcome,
            sin: (*since != span_start(*callback_at)).then_some(*since),
            cba: *callback_at,
            chk: (*counts_from != ApprovalState::counts_from_next_second(*callback_at)).then_some(*counts_from),
            bnd: *binding,
            brw: browser.clone(),
            late: *late,
            sgn: *signed_at,
            stp: *step,
            que: *queued,
            evt: event.clone(),
            vrf: *verifier_claimed_at,
        }
    }

    pub(super) fn state(self) -> ApprovalState {
        ApprovalState {
            ticket: self.tkt,
            expectation: self.expectation.into(),
            claim: self.clm.claim(self.cod.and_then(|code| AadstsCode::from_number(code.into())), self.res, self.trc, self.cor, self.oth),
            outcome: self.out,
            since: self.sin.unwrap_or_else(|| span_start(self.cba)),
            callback_at: self.cba,
            counts_from: self.chk.unwrap_or(ApprovalState::counts_from_next_second(self.cba)),
            binding: self.bnd,
            browser: self.brw,
            late: self.late,
            signed_at: self.sgn,
            step: self.stp,
            queued: self.que,
            event: self.evt,
            verifier_claimed_at: self.vrf,
        }
    }
}
