//! The progress and the report of a chain of apps.

use std::time::Instant;

use super::check::AssessedCheck;
use super::transition::visible_outcome;
use super::view::{ApprovalView, ChainProgress};
use crate::config::{Chain, ConfiguredApp};
use crate::consent::profile::VerifiedBy;
use crate::consent::{ApprovalState, Binding, Claim, Expectation, Outcome, Queued};
use crate::installation::Installation;

/// The report of all apps of a chain.
#[derive(Debug)]
pub(crate) struct ChainReport<'a> {
    /// From the configuration.
    pub(crate) chain: &'a Chain,
    /// The apps, in the order of the chain.
    pub(crate) steps: Vec<ApprovalView<'a>>,
    /// The invitation's address.
    pub(crate) invitation: Option<String>,
    /// When the invitation expires, in seconds since 1970.
    pub(crate) expires_at: Option<u64>,
}

pub(super) async fn report<'s>(installation: &'s Installation, state: &ApprovalState, chain: &'s Chain, asked: Instant) -> ChainReport<'s> {
    let steps = check_all(installation, state, chain, asked).await;
    let invitation = installation.invitation_again(&state.expectation).await;
    ChainReport { chain, steps, invitation, expires_at: state.expectation.invitation.as_ref().map(|origin| origin.expires_at) }
}

/// Checks each app of the chain, or reuses its check from the last 30 s.
pub(super) async fn progress<'s>(
    installation: &'s Installation,
    state: &ApprovalState,
    chain: &'s Chain,
    token: &str,
    asked: Instant,
) -> ChainProgress<'s> {
    let steps = check_all(installation, state, chain, asked).await;
    let done = steps.iter().all(|step| step.check.is_some()).then(|| steps.iter().filter(|step| step.outcome.was_complete()).count());
    let total = steps.iter().filter(|step| !step.is_skipped(chain)).count();
    ChainProgress { chain, done, total, report: format!("{}/r/{token}/chain", installation.issuer()) }
}

async fn check_all<'s>(installation: &'s Installation, state: &ApprovalState, chain: &Chain, asked: Instant) -> Vec<ApprovalView<'s>> {
    let apps = chain.steps.iter().filter_map(|step| installation.config.app(step));
    let steps = apps.map(async |app| {
        let is_own = state.expectation.app == app.profile.id;
        let state = if is_own { state.clone() } else { unopened_step(state, app, installation) };
        let check = if is_own {
            AssessedCheck::again(installation, app, &state, asked).await
        } else {
            AssessedCheck::overview(installation, app, &state, asked).await
        };
        let check = check.ok();
        let outcome = visible_outcome(installation, &state, None, check.as_ref());
        ApprovalView { app, state, outcome, check, address: None, invitation: None, chain: None }
    });
    futures_util::future::join_all(steps).await
}

/// The assumed state of a step without a callback in this visit.
fn unopened_step(state: &ApprovalState, app: &ConfiguredApp, installation: &Installation) -> ApprovalState {
    let is_of_verifier = app.profile.verified_by == VerifiedBy::Other(state.expectation.app.clone()) && state.claim.error().is_none();
    ApprovalState {
        expectation: Expectation { app: app.profile.id.clone(), ..state.expectation.clone() },
        claim: Claim::NoFlag,
        outcome: Outcome::Pending,
        since: installation.clock.now_unix(),
        callback_at: installation.clock.now_unix(),
        binding: if state.binding == Binding::Browser { Binding::Browser } else { Binding::None },
        step: 0,
        queued: Queued::No,
        event: None,
        verifier_claimed_at: if is_of_verifier { Some(state.callback_at) } else { state.verifier_claimed_at },
        ..state.clone()
    }
}
