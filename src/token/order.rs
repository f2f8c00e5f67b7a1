//! The order: the signed token in a queue message. We trust the queue no more than the public address, so the worker checks an approval
//! only for an order with our signature.

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::receipt::ReceiptBody;
use super::signer::{Flaw, Signer, Stamp, TokenBody, TooLong, required_option};
use crate::consent::{ApprovalState, Outcome, TokenId};

/// A check to make, or an outcome to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The state of the approval. Its outcome is the outcome of the last check.
    pub remembered: ApprovalState,
    /// The number of this check, from 1. 0 for the one check after a press of the button, and for an outcome to publish.
    pub attempt: u32,
    /// The earliest time at which the worker may process the order, in seconds since 1970.
    pub not_before: u64,
    /// Present if the event bus did not accept an outcome. The worker then publishes that outcome and makes no check.
    pub tell: Option<PendingEvent>,
}

/// An outcome that is not yet published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingEvent {
    /// The previous outcome; `None` for the first outcome.
    #[serde(rename = "bef", deserialize_with = "required_option")]
    pub before: Option<Outcome>,
    /// When the outcome was concluded, in seconds since 1970.
    pub at: u64,
    /// When the previous outcome was reached. `None` if the event's id depends only on the 20-minute span in which the new outcome was
    /// concluded, and in an older order.
    #[serde(rename = "sin", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When the check behind the outcome began, in microseconds since 1970. `None` if that is [`Self::at`].
    #[serde(rename = "asf", default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
}

/// An order whose signature was verified, with its token's id and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedOrder {
    /// The token's content.
    pub order: Order,
    /// `jti`. A message that SQS delivers again has the same id.
    pub(crate) id: TokenId,
    /// When the order expires, in seconds since 1970.
    pub ends: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct OrderBody {
    #[serde(flatten)]
    remembered: ReceiptBody,
    att: u32,
    due: u64,
    #[serde(deserialize_with = "required_option")]
    tel: Option<PendingEvent>,
}

impl TokenBody for OrderBody {
    const TYP: &'static str = "ec-order+jwt";
    const AUDIENCE: &'static str = "worker";
}

impl Order {
    /// Whether the button sent it: no claim has arrived, and no check follows.
    pub(crate) fn follows_a_press(&self) -> bool {
        self.attempt == 0 && self.tell.is_none()
    }

    /// The `jti` for this order. The same check, or the same outcome to publish, always has the same id. So one order remains one, even if
    /// SQS delivers it to two workers, or a sender that got no answer sends it again.
    pub(crate) fn id(&self) -> TokenId {
        let ApprovalState { ticket, callback_at, step, outcome, .. } = &self.remembered;
        let (attempt, outcome) = (self.attempt, outcome.name());
        let told = self.tell.map(|tell| tell.before.map_or("none", Outcome::name));
        let what = format!("order {ticket} {callback_at} {step} {outcome} {attempt} {told:?}");
        let hash = digest::digest(&digest::SHA256, what.as_bytes());
        TokenId::from_random(hash.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// Signs the order with `id` as its `jti`; it lives for `life` seconds from now. If label, reference and the exact times are too long,
    /// the token omits them: an order that cannot be signed would never be processed.
    ///
    /// # Errors
    /// [`TooLong`] if even the shortened token is too long.
    pub fn issue(&self, id: TokenId, life: u64, signer: Signer<'_>) -> Result<String, TooLong> {
        let stamp = Stamp { id, issued_at: signer.now, expires_at: signer.now.saturating_add(life) };
        let sign = |remembered: &ApprovalState, tell| {
            let mut remembered = ReceiptBody::of(remembered);
            (remembered.res, remembered.oth, remembered.brw) = (None, false, None);
            let body = OrderBody { remembered, att: self.attempt, due: self.not_before, tel: tell };
            signer.sign(stamp, &body)
        };
        sign(&self.remembered, self.tell).or_else(|TooLong| {
            let counts_from = ApprovalState::counts_from_next_second(self.remembered.callback_at);
            let tell = self.tell.map(|tell| PendingEvent { as_of: None, ..tell });
            sign(&ApprovalState { counts_from, verifier_claimed_at: None, ..self.remembered.bare() }, tell)
        })
    }

    /// Opens the body of a queue message.
    ///
    /// # Errors
    /// [`Flaw`] if the body is not an order of this installation.
    pub fn open(token: &str, signer: Signer<'_>) -> Result<OpenedOrder, Flaw> {
        let (stamp, body) = signer.open::<OrderBody>(token)?;
        Ok(OpenedOrder { order: Self::of(body), id: stamp.id, ends: stamp.expires_at })
    }

    pub(super) fn of(body: OrderBody) -> Self {
        Self { remembered: body.remembered.state(), attempt: body.att, not_before: body.due, tell: body.tel }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::consent::{
        AadstsCode, Binding, Claim, ClaimedError, ErrorClass, Expectation, ExpectedTenant, InvitationOrigin, Label, ProfileId, Queued,
        Reference, TenantId,
    };
    use crate::secret::Secret;
    use crate::token::KeyRing;

    const NOW: u64 = 1_800_000_000;

    fn keys() -> KeyRing {
        KeyRing::parse(&Secret::new(r#"{"kid":"k1","key":"5vQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-L"}"#.into())).unwrap()
    }

    /// An order with every part at its maximum length.
    fn longest(label: &str) -> Order {
        let id = TokenId::from_random([7; 16]);
        let name = || ProfileId::parse(&"a".repeat(32)).unwrap();
        let trace = Some(crate::consent::ObjectId::from_u128(u128::MAX));
        let error = ClaimedError {
            class: ErrorClass::AppMisconfigured,
            code: AadstsCode::from_number(7_000_222),
            resource: None,
            trace_id: trace,
            correlation_id: trace,
            other_tenant: false,
        };
        let remembered = ApprovalState {
            ticket: id,
            expectation: Expectation {
                app: name(),
                tenant: ExpectedTenant::Tenant(TenantId::from_u128(1)),
                label: Label::parse(label).ok(),
                reference: Reference::parse("R-4711").ok(),
                invitation: Some(InvitationOrigin { id, issued_at: NOW - 60, expires_at: NOW, chain: Some(name()) }),
            },
            claim: Claim::Error(error),
            outcome: Outcome::ReportedUnverified,
            since: NOW + 7,
            callback_at: NOW,
            counts_from: NOW * 1_000_000,
            binding: Binding::Mismatch,
            browser: None,
            late: false,
            signed_at: NOW,
            step: u32::MAX,
            queued: Queued::Refused,
            event: None,
            verifier_claimed_at: Some(NOW),
        };
        Order {
            remembered,
            attempt: 19,
            not_before: NOW,
            tell: Some(PendingEvent {
                before: Some(Outcome::AwaitingConfirmation),
                at: NOW,
                since: Some(NOW),
                as_of: Some(NOW * 1_000_000),
            }),
        }
    }

    #[test]
    fn the_longest_order_fits_without_label_and_reference_at_an_address_of_a_hundred_characters() {
        let (keys, issuer) = (keys(), format!("https://{}.example", "a".repeat(84)));
        let signer = Signer { keys: &keys, issuer: &issuer, now: NOW };
        let token = longest(&"\u{1f600}".repeat(64)).issue(TokenId::from_random([1; 16]), 172_800, signer).unwrap();
        let opened = Order::open(&token, signer).unwrap();
        let mut expected = longest("");
        (expected.remembered.expectation.label, expected.remembered.expectation.reference) = (None, None);
        expected.remembered.counts_from = (NOW + 1) * 1_000_000;
        (expected.remembered.since, expected.remembered.verifier_claimed_at) = (NOW, None);
        expected.tell = expected.tell.map(|tell| PendingEvent { as_of: None, ..tell });
        assert_eq!(opened, OpenedOrder { order: expected, id: TokenId::from_random([1; 16]), ends: NOW + 172_800 });
    }

    proptest! {
        #[test]
        fn every_order_opens_as_it_was_issued(attempt: u32, not_before: u64, told in proptest::option::of((proptest::option::of(0..Outcome::ALL.len()), any::<u64>()))) {
            let tell = told.map(|(before, at)| PendingEvent { before: before.map(|at| Outcome::ALL[at]), at, since: Some(at), as_of: None });
            let mut order = Order { attempt, not_before, tell, ..longest("Contoso") };
            order.remembered.verifier_claimed_at = None;
            let keys = keys();
            let signer = Signer { keys: &keys, issuer: "https://c.example", now: NOW };
            let token = order.issue(TokenId::from_random([1; 16]), 60, signer).unwrap();
            prop_assert_eq!(Order::open(&token, signer).unwrap().order, order);
        }
    }
}
