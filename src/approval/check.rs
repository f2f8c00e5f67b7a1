//! Checks at Microsoft, each within the time of its caller.

use std::time::{Duration, Instant};

use crate::config::ConfiguredApp;
use crate::consent::profile::VerifyIn;
use crate::consent::{Assessment, Claim, TenantId};
use crate::link::Receipt;
use crate::record::Line;
use crate::site::{Site, TimedLook};
use crate::verify::{Occasion, TooSoon};
use crate::world::moment_of_micros;

/// How long one check may take while a browser waits.
const BUDGET: Duration = Duration::from_secs(3);
/// How long the button may ask whether the app is approved already.
const BUTTON_BUDGET: Duration = Duration::from_secs(1);
/// The latest moment for a browser's answer. The time for reading the key secret counts.
const CEILING: Duration = Duration::from_millis(3_700);
/// How long a browser waits for order and event together.
pub(super) const SENDING: Duration = Duration::from_millis(300);
/// How long a check of the worker's may take. No browser waits for it.
const WORKER_BUDGET: Duration = Duration::from_secs(8);
/// Less than this is no time to check at all.
const LEAST_BUDGET: Duration = Duration::from_millis(500);

/// What one check saw.
#[derive(Debug)]
pub struct Check {
    /// The look at Microsoft.
    pub look: TimedLook,
    /// What the look amounts to for the app.
    pub assessment: Assessment,
}

/// Why there is no check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLook {
    /// No check can ever change this outcome.
    Never,
    /// The app is verified in the worker, and this process answers the public.
    NotHere,
    /// No earlier check counts, and the next one may not begin before this has passed.
    TooSoon(Duration),
}

impl Check {
    async fn within(site: &Site, app: &ConfiguredApp, tenant: TenantId, occasion: Occasion, budget: Duration) -> Result<Self, NoLook> {
        let look = site.look(app, tenant, occasion, budget).await.map_err(|TooSoon { wait }| NoLook::TooSoon(wait))?;
        let assessment = look.finding.assess(&app.profile);
        Ok(Self { look, assessment })
    }

    /// Checks in what is left of a browser's time since `asked`.
    ///
    /// # Errors
    /// [`NoLook`]
    pub async fn in_browser(
        site: &Site,
        app: &ConfiguredApp,
        tenant: TenantId,
        occasion: Occasion,
        asked: Instant,
    ) -> Result<Self, NoLook> {
        if app.profile.verify_in == VerifyIn::Worker {
            return Err(NoLook::NotHere);
        }
        let sending = if site.outbox().is_some() { SENDING } else { Duration::ZERO };
        let budget = CEILING.saturating_sub(sending).saturating_sub(asked.elapsed()).clamp(LEAST_BUDGET, BUDGET);
        Self::within(site, app, tenant, occasion, budget).await
    }

    /// Checks whether an app is approved already, before the button leads to Microsoft.
    pub(super) async fn before_start(site: &Site, app: &ConfiguredApp, tenant: TenantId) -> Result<Self, NoLook> {
        if app.profile.verify_in == VerifyIn::Worker {
            return Err(NoLook::NotHere);
        }
        Self::within(site, app, tenant, Occasion::Press, BUTTON_BUDGET).await
    }

    /// Checks again while a browser waits.
    pub(super) async fn again(site: &Site, app: &ConfiguredApp, state: &Receipt, asked: Instant) -> Result<Self, NoLook> {
        let tenant = state.askable().ok_or(NoLook::Never)?;
        Self::in_browser(site, app, tenant, occasion(state), asked).await
    }

    /// Checks for a view that concludes nothing: every look that still counts is shown with its age.
    pub(super) async fn overview(site: &Site, app: &ConfiguredApp, state: &Receipt, asked: Instant) -> Result<Self, NoLook> {
        let tenant = state.askable().ok_or(NoLook::Never)?;
        Self::in_browser(site, app, tenant, Occasion::Overview, asked).await
    }

    /// Checks again in the worker, which verifies every app.
    pub(super) async fn in_worker(site: &Site, app: &ConfiguredApp, state: &Receipt) -> Result<Self, NoLook> {
        let tenant = state.askable().ok_or(NoLook::Never)?;
        Self::within(site, app, tenant, occasion(state), WORKER_BUDGET).await
    }

    /// Puts the finding on a record.
    pub(super) fn recorded_on(&self, line: Line) -> Line {
        self.look.recorded_on(line, &self.assessment)
    }
}

/// Which looks count for an approval.
fn occasion(state: &Receipt) -> Occasion {
    let from = moment_of_micros(state.counts_from);
    occasion_of(&state.claim, from, from)
}

/// Which looks count for a claim that counts from `from`, and first arrived at `first`.
pub(super) fn occasion_of(claim: &Claim, from: time::OffsetDateTime, first: time::OffsetDateTime) -> Occasion {
    match claim {
        Claim::Success => Occasion::Success { from, first },
        Claim::Silent | Claim::Error(_) => Occasion::Claim { from, first },
    }
}
