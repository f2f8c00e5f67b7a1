//! Checks at Microsoft, each within its caller's time limit.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::config::ConfiguredApp;
use crate::consent::profile::VerifyIn;
use crate::consent::{ApprovalState, Assessment, Claim, TenantId};
use crate::entra::verifier::{CheckReason, TooSoon};
use crate::env::moment_of_micros;
use crate::installation::{Installation, TimedCheck};

/// Longest time for a check while a browser waits.
const BUDGET: Duration = Duration::from_secs(3);
/// Longest time for the check after a press of the button, which finds existing approvals.
const BUTTON_BUDGET: Duration = Duration::from_secs(1);
/// Longest time until a browser gets its answer, including the time to read the key secret.
const CEILING: Duration = Duration::from_millis(3_700);
/// Longest time for sending an order and an event while a browser waits.
pub(super) const SENDING: Duration = Duration::from_millis(300);
/// Longest time for a check in the worker, where no browser waits.
const WORKER_BUDGET: Duration = Duration::from_secs(8);
/// A check while a browser waits gets at least this time, even if the browser's time is almost over.
const LEAST_BUDGET: Duration = Duration::from_millis(500);

/// The result of one check.
#[derive(Debug)]
pub struct AssessedCheck {
    /// The check at Microsoft.
    pub(crate) timed: TimedCheck,
    /// What the check means for the app.
    pub assessment: Assessment,
}

/// Why there is no check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCheck {
    /// No check can ever change this outcome.
    Never,
    /// Only the worker may check this app, and this process is not the worker.
    NotHere,
    /// No earlier check counts, and the next check may not start before this time has passed.
    TooSoon(Duration),
}

impl AssessedCheck {
    async fn within(
        installation: &Installation,
        app: &ConfiguredApp,
        tenant: TenantId,
        check_reason: CheckReason,
        budget: Duration,
    ) -> Result<Self, NoCheck> {
        let timed = installation.check(app, tenant, check_reason, budget).await.map_err(|TooSoon { wait }| NoCheck::TooSoon(wait))?;
        let assessment = timed.finding.assess(&app.profile);
        Ok(Self { timed, assessment })
    }

    /// Checks while a browser waits. The browser's request arrived at `asked`. The later the check starts after that, the less time it
    /// gets.
    ///
    /// # Errors
    /// [`NoCheck`]
    pub async fn in_browser(
        installation: &Installation,
        app: &ConfiguredApp,
        tenant: TenantId,
        check_reason: CheckReason,
        asked: Instant,
    ) -> Result<Self, NoCheck> {
        if app.profile.verify_in == VerifyIn::Worker {
            return Err(NoCheck::NotHere);
        }
        let sending = if installation.outbox().is_some() { SENDING } else { Duration::ZERO };
        let budget = CEILING.saturating_sub(sending).saturating_sub(asked.elapsed()).clamp(LEAST_BUDGET, BUDGET);
        Self::within(installation, app, tenant, check_reason, budget).await
    }

    /// Returns an earlier check for a counted claim, or waits for a check that is under way. Starts no check.
    pub(super) async fn joined(
        installation: &Installation,
        app: &ConfiguredApp,
        tenant: TenantId,
        from: OffsetDateTime,
        asked: Instant,
    ) -> Result<Self, NoCheck> {
        Self::in_browser(installation, app, tenant, CheckReason::Counted { from }, asked).await
    }

    /// Checks whether an app is already approved, before the button leads to Microsoft.
    pub(super) async fn before_start(installation: &Installation, app: &ConfiguredApp, tenant: TenantId) -> Result<Self, NoCheck> {
        if app.profile.verify_in == VerifyIn::Worker {
            return Err(NoCheck::NotHere);
        }
        Self::within(installation, app, tenant, CheckReason::Press, BUTTON_BUDGET).await
    }

    /// Checks again while a browser waits.
    pub(super) async fn again(
        installation: &Installation,
        app: &ConfiguredApp,
        state: &ApprovalState,
        asked: Instant,
    ) -> Result<Self, NoCheck> {
        let tenant = state.askable().ok_or(NoCheck::Never)?;
        Self::in_browser(installation, app, tenant, check_reason(state), asked).await
    }

    /// Checks for a page that concludes nothing. Such a page may show any check that is still valid, with its age.
    pub(super) async fn overview(
        installation: &Installation,
        app: &ConfiguredApp,
        state: &ApprovalState,
        asked: Instant,
    ) -> Result<Self, NoCheck> {
        let tenant = state.askable().ok_or(NoCheck::Never)?;
        Self::in_browser(installation, app, tenant, CheckReason::Overview, asked).await
    }

    /// Checks again in the worker, which may check every app.
    pub(super) async fn in_worker(installation: &Installation, app: &ConfiguredApp, state: &ApprovalState) -> Result<Self, NoCheck> {
        let tenant = state.askable().ok_or(NoCheck::Never)?;
        Self::within(installation, app, tenant, check_reason(state), WORKER_BUDGET).await
    }
}

/// Which checks count for an approval.
fn check_reason(state: &ApprovalState) -> CheckReason {
    let from = moment_of_micros(state.counts_from);
    occasion_of(&state.claim, from, from)
}

/// Which checks count for a claim: checks that began at `from` or later. `first` is when the same claim of the same ticket first arrived.
pub(super) fn occasion_of(claim: &Claim, from: OffsetDateTime, first: OffsetDateTime) -> CheckReason {
    match claim {
        Claim::Success => CheckReason::Success { from, first },
        Claim::NoFlag | Claim::Error(_) => CheckReason::Claim { from, first },
    }
}
