//! Looks, each with the time that somebody has for it, and what another look changes.

use std::time::{Duration, Instant};

use super::{Patience, Site};
use crate::config::ConfiguredApp;
use crate::consent::outcome::{carry_on, conclude};
use crate::consent::profile::VerifyIn;
use crate::consent::{Assessment, ClientId, Outcome, TenantId};
use crate::link::Receipt;
use crate::record::{Line, LookLine, UpstreamLine};
use crate::verify::{Asker, AskingApp, Look, LookRequest, Occasion, Verifier};
use crate::world::millis;

/// How long one verification may take while a browser waits.
const BUDGET: Duration = Duration::from_secs(3);
/// How long the button may ask whether the app is approved already.
const QUICK_LOOK: Duration = Duration::from_secs(1);
/// When a browser has to have its answer, whatever happens. Reading the key secret comes out of the same time.
const CEILING: Duration = Duration::from_millis(3_700);
/// How long a look of the worker's may take. Nobody waits for it.
const UNHURRIED: Duration = Duration::from_secs(8);
/// Less than this is no time to look at all.
const LEAST_BUDGET: Duration = Duration::from_millis(500);

impl Site {
    /// Looks at an app in a tenant, with the credential of whoever verifies it, in what is left of the time since `asked`. `None` for an
    /// app that is verified in the worker: where the public is answered, nobody is asked about it.
    pub async fn look(&self, app: &ConfiguredApp, tenant: TenantId, asked: Instant) -> Option<TimedLook> {
        if app.profile.verify_in == VerifyIn::Worker {
            return None;
        }
        let sending = if self.outbox.is_some() { Patience::BROWSER } else { Duration::ZERO };
        let budget = CEILING.saturating_sub(sending).saturating_sub(asked.elapsed()).clamp(LEAST_BUDGET, BUDGET);
        Some(self.look_within(app, tenant, Occasion::AfterConsent, budget).await)
    }

    /// Asks whether an app is approved already, before somebody is sent to Microsoft. `None` as of [`Self::look`].
    pub async fn look_before(&self, app: &ConfiguredApp, tenant: TenantId) -> Option<TimedLook> {
        if app.profile.verify_in == VerifyIn::Worker {
            return None;
        }
        Some(self.look_within(app, tenant, Occasion::BeforeConsent, QUICK_LOOK).await)
    }

    async fn look_within(&self, app: &ConfiguredApp, tenant: TenantId, occasion: Occasion, budget: Duration) -> TimedLook {
        self.look_through(&self.verifier, app, tenant, occasion, budget).await
    }

    /// Looks with the credential of whoever verifies the app.
    pub(super) async fn look_through(
        &self,
        verifier: &Verifier,
        app: &ConfiguredApp,
        tenant: TenantId,
        occasion: Occasion,
        budget: Duration,
    ) -> TimedLook {
        let Some(asking) = self.config.verifier_of(app) else {
            return TimedLook { look: Look::nobody_may(self.clock.now()), took_millis: 0 };
        };
        let asker = Asker::App(AskingApp { client: asking.profile.client_id, credential: &self.credential_of(asking) });
        timed(verifier, app, tenant, asker, occasion, budget).await
    }

    /// Looks again at what a receipt remembers, and concludes. `None` where the app is not configured any more, nobody is ever to be asked
    /// about it, or only the worker is.
    pub async fn look_again(&self, remembered: &Receipt, asked: Instant) -> Option<Again> {
        let (app, tenant) = (self.config.app(&remembered.expectation.app)?, remembered.askable()?);
        let look = self.look(app, tenant, asked).await?;
        Some(self.again(remembered, app, look, asked))
    }

    /// Looks again at what an order remembers, wherever it is verified, with more time than a browser has.
    pub async fn look_as_ordered(&self, remembered: &Receipt, asked: Instant) -> Option<Again> {
        let (app, tenant) = (self.config.app(&remembered.expectation.app)?, remembered.askable()?);
        let look = self.look_within(app, tenant, Occasion::AfterConsent, UNHURRIED).await;
        Some(self.again(remembered, app, look, asked))
    }

    fn again(&self, remembered: &Receipt, app: &ConfiguredApp, look: TimedLook, asked: Instant) -> Again {
        let assessment = look.finding.assess(&app.profile);
        let age = remembered.age(self.clock.now_unix());
        let seen = conclude(&remembered.claim, assessment.verdict, age, Some(remembered.outcome));
        let outcome = carry_on(remembered.outcome, seen, age, false);
        Again { client_id: app.profile.client_id, look, assessment, seen, outcome, asked }
    }

    /// Records what another look changed, once in this process, and gives the line. Nothing is written where nothing changed.
    ///
    /// # Errors
    /// The sink's: then nothing may be said.
    pub fn record_again(&self, line: Line, remembered: &Receipt, again: &Again) -> std::io::Result<Option<Line>> {
        let (before, after) = (remembered.outcome, again.outcome);
        if before == after {
            return Ok(None);
        }
        let line = line
            .of_ticket(remembered.ticket, &remembered.expectation, remembered.binding, remembered.late)
            .of_client(again.client_id)
            .with_claim(&remembered.claim, false, None);
        let step = remembered.step.saturating_add(1);
        let line = (again.look.recorded_on(line, &again.assessment))
            .with_outcome(remembered.ticket, remembered.callback_at, step, Some(before), after)
            .took(millis(again.asked.elapsed()), Some(again.look.took_millis));
        self.records.write_transition_once(&line)?;
        Ok(Some(line))
    }
}

/// Another look at what is remembered.
#[derive(Debug)]
pub struct Again {
    client_id: ClientId,
    /// The look.
    pub look: TimedLook,
    /// What it amounts to.
    pub assessment: Assessment,
    /// What this look alone says: what a page shows. One look is no transition, so it may say less than `outcome`.
    pub seen: Outcome,
    /// How it stands now, earlier looks included: what is recorded, told and remembered ([`carry_on`]).
    pub outcome: Outcome,
    asked: Instant,
}

/// One look, and how long it took.
pub(super) async fn timed(
    verifier: &Verifier,
    app: &ConfiguredApp,
    tenant: TenantId,
    asker: Asker<'_>,
    occasion: Occasion,
    budget: Duration,
) -> TimedLook {
    let started = Instant::now();
    let request =
        LookRequest { profile: &app.profile, endpoints: &app.endpoints, tenant, asker, occasion, popular: app.is_popular(), budget };
    let look = verifier.look(request).await;
    TimedLook { look, took_millis: millis(started.elapsed()) }
}

/// A look with the time it took us, a wait for somebody else's look included.
#[derive(Debug)]
pub struct TimedLook {
    look: Look,
    /// In milliseconds.
    pub took_millis: u64,
}

impl TimedLook {
    /// Puts what was seen onto a record.
    #[must_use]
    pub fn recorded_on(&self, line: Line, assessment: &Assessment) -> Line {
        let calls = self.upstream.iter().map(|call| UpstreamLine { kind: call.kind.name(), status: call.status, ms: call.millis });
        let Look { at, trace_id, correlation_id, .. } = self.look;
        line.with_finding(&self.finding, assessment, LookLine { at, trace_id, correlation_id, upstream: calls.collect() })
    }
}

impl std::ops::Deref for TimedLook {
    type Target = Look;
    fn deref(&self) -> &Look {
        &self.look
    }
}
