//! Applies the limits on claims ([`claim_bound`](crate::consent::claim_bound)) to transitions that rest on a claim.

use std::time::Duration;

use super::publish::next_check;
use super::transition::Transition;
use crate::consent::claim_bound::ChainKind;
use crate::consent::outcome::{PROVISIONAL, Severity};
use crate::consent::{ApprovalState, BoundKey, Draw, Queued};
use crate::installation::Installation;
use crate::outbox::{Basis, Outbox};
use crate::record::ApprovalLine;

impl Transition<'_> {
    /// Processes a counted claim. The first counted claim of a span causes an event, which reports that further claims are only counted.
    /// Returns the state for the next receipt.
    ///
    /// # Errors
    /// The sink's error, if a record cannot be written.
    pub(super) async fn count(self, installation: &Installation, recorded: &ApprovalLine) -> std::io::Result<ApprovalState> {
        installation.records.count(recorded)?;
        let key = BoundKey::of(&self.after);
        if installation.draw(&key, &Draw::CountedEvent).await {
            self.publish_counted(installation, recorded).await?;
        }
        let is_checked_again = next_check(installation, &self.after, 0, Duration::ZERO, None).is_some();
        let queued = match self.chain_draw().filter(|_| is_checked_again) {
            None => Queued::No,
            // No chain of this kind is in the queue yet, so a visit sends its order.
            Some(chain) if installation.draw(&key, &chain).await => Queued::Refused,
            Some(_) => Queued::Sent,
        };
        Ok(ApprovalState { queued, ..self.after })
    }

    /// Whether a visit to a result page may record this transition, whose outcome rests on a claim. If so, this call uses up one visit of
    /// the limit.
    pub(super) async fn may_record_visit(&self, installation: &Installation) -> bool {
        installation.draw(&BoundKey::of(&self.after), &Draw::Visit(self.id().id)).await
    }

    /// Whether to publish the event of the day now: the outcome still rests on a claim 20 minutes after the callback, has the severity
    /// "open", and no event of the day exists yet. If so, this call uses up the event of the day.
    pub(super) async fn is_due(&self, installation: &Installation) -> bool {
        let is_over = self.after.age(installation.clock.now_unix()) >= PROVISIONAL;
        let opens = self.basis() == Basis::Claim && self.after.outcome.severity() == Severity::Open;
        let takes_events = installation.outbox().is_some_and(Outbox::takes_events);
        let key = BoundKey::of(&self.after);
        is_over && opens && takes_events && installation.draw(&key, &Draw::DayEvent(self.id().id)).await
    }

    /// Which limit the first order of a chain of checks uses up. `None` if the outcome rests on a finding, which has no limit.
    pub(super) fn chain_draw(&self) -> Option<Draw> {
        (self.basis() == Basis::Claim).then(|| Draw::Chain(self.chain_kind()))
    }

    pub(super) fn chain_kind(&self) -> ChainKind {
        ChainKind::of(&self.after.claim, self.after.outcome, self.after.callback_at)
    }
}
