//! Looks, each with the time that somebody has for it, and what another look changes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hashlink::LruCache;
use time::OffsetDateTime;

use super::{Patience, Site};
use crate::config::ConfiguredApp;
use crate::consent::outcome::{carry_on, conclude};
use crate::consent::profile::VerifyIn;
use crate::consent::{Assessment, Claim, ClientId, ErrorClass, Outcome, TenantId, TokenId};
use crate::link::Receipt;
use crate::record::{Line, LookLine, UpstreamLine};
use crate::verify::{Asker, AskingApp, Look, LookRequest, Occasion, TooSoon};
use crate::world::{millis, moment_of_micros};

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

/// How many claims are remembered with their first arrival. Forgetting one costs a look.
const ARRIVALS: usize = 4_096;

/// When each claim of a ticket first arrived.
pub(super) type Arrivals = Mutex<LruCache<(TokenId, std::mem::Discriminant<Claim>, Option<ErrorClass>), OffsetDateTime>>;

pub(super) fn no_arrivals() -> Arrivals {
    Mutex::new(LruCache::new(ARRIVALS))
}

impl Site {
    /// Looks at an app in a tenant, with the credential of its verifier, in what is left of the time since `asked`.
    ///
    /// # Errors
    /// [`NoLook`]: nothing is known.
    pub async fn look(&self, app: &ConfiguredApp, tenant: TenantId, occasion: Occasion, asked: Instant) -> Result<TimedLook, NoLook> {
        if app.profile.verify_in == VerifyIn::Worker {
            return Err(NoLook::NotHere);
        }
        let sending = if self.outbox.is_some() { Patience::BROWSER } else { Duration::ZERO };
        let budget = CEILING.saturating_sub(sending).saturating_sub(asked.elapsed()).clamp(LEAST_BUDGET, BUDGET);
        self.look_within(app, tenant, occasion, budget).await
    }

    /// When a claim of a ticket first arrived in this process, as far as it remembers.
    pub fn first_arrival(&self, ticket: TokenId, claim: &Claim, arrived: OffsetDateTime) -> OffsetDateTime {
        let key = (ticket, std::mem::discriminant(claim), claim.error().map(|error| error.class));
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = arrivals.peek(&key) {
            return arrived.min(*first);
        }
        arrivals.insert(key, arrived);
        arrived
    }

    /// Asks whether an app is approved already, before the button leads to Microsoft.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub async fn look_before(&self, app: &ConfiguredApp, tenant: TenantId) -> Result<TimedLook, NoLook> {
        if app.profile.verify_in == VerifyIn::Worker {
            return Err(NoLook::NotHere);
        }
        self.look_within(app, tenant, Occasion::Press, QUICK_LOOK).await
    }

    /// Looks with the credential of the app's verifier.
    async fn look_within(&self, app: &ConfiguredApp, tenant: TenantId, occasion: Occasion, budget: Duration) -> Result<TimedLook, NoLook> {
        let Some(asking) = self.config.verifier_of(app) else {
            return Ok(TimedLook::nobody_may(self.clock.now()));
        };
        let asker = Asker::App(AskingApp { client: asking.profile.client_id, credential: &self.credential_of(asking) });
        let started = Instant::now();
        let look = self.verifier.look(look_request(app, tenant, asker, occasion, budget)).await;
        look.map(|look| TimedLook::new(look, started)).map_err(|TooSoon { wait }| NoLook::TooSoon(wait))
    }

    /// Looks again at what a receipt remembers, and concludes.
    ///
    /// # Errors
    /// [`NoLook`]: nothing is known beyond what the receipt remembers.
    pub async fn look_again(&self, remembered: &Receipt, asked: Instant) -> Result<Again, NoLook> {
        let (app, tenant) = self.askable(remembered)?;
        let look = self.look(app, tenant, occasion(remembered), asked).await?;
        Ok(self.again(remembered, app, look, asked))
    }

    /// Looks at an app for a view that concludes nothing; a look that stands is shown with its age.
    ///
    /// # Errors
    /// As [`Self::look_again`].
    pub async fn look_over(&self, remembered: &Receipt, asked: Instant) -> Result<Again, NoLook> {
        let (app, tenant) = self.askable(remembered)?;
        let look = self.look(app, tenant, Occasion::Overview, asked).await?;
        Ok(self.again(remembered, app, look, asked))
    }

    /// Looks again at what an order remembers, wherever it is verified, with more time than a browser has.
    ///
    /// # Errors
    /// As [`Self::look_again`].
    pub async fn look_as_ordered(&self, remembered: &Receipt, asked: Instant) -> Result<Again, NoLook> {
        let (app, tenant) = self.askable(remembered)?;
        let look = self.look_within(app, tenant, occasion(remembered), UNHURRIED).await?;
        Ok(self.again(remembered, app, look, asked))
    }

    fn askable(&self, remembered: &Receipt) -> Result<(&ConfiguredApp, TenantId), NoLook> {
        self.config.app(&remembered.expectation.app).zip(remembered.askable()).ok_or(NoLook::Never)
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

/// Which looks count for what is remembered.
fn occasion(remembered: &Receipt) -> Occasion {
    let from = moment_of_micros(remembered.counts_from);
    match remembered.claim {
        Claim::Success => Occasion::Success { from, first: from },
        Claim::Silent | Claim::Error(_) => Occasion::Claim { from, first: from },
    }
}

/// Why nothing was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLook {
    /// The app is not configured any more, or no look can ever change this.
    Never,
    /// The app is verified in the worker, and this process answers the public.
    NotHere,
    /// No earlier look counts, and the next one may not begin before this has passed.
    TooSoon(Duration),
}

pub(super) fn look_request<'a>(
    app: &'a ConfiguredApp,
    tenant: TenantId,
    asker: Asker<'a>,
    occasion: Occasion,
    budget: Duration,
) -> LookRequest<'a> {
    LookRequest { profile: &app.profile, endpoints: &app.endpoints, tenant, asker, occasion, popular: app.is_popular(), budget }
}

/// A look with the time it took us, a wait for somebody else's look included.
#[derive(Debug)]
pub struct TimedLook {
    look: Look,
    /// In milliseconds.
    pub took_millis: u64,
}

impl TimedLook {
    pub(super) fn new(look: Look, started: Instant) -> Self {
        Self { look, took_millis: millis(started.elapsed()) }
    }

    /// The look where no approved verifier is configured.
    pub(super) fn nobody_may(at: OffsetDateTime) -> Self {
        Self { look: Look::nobody_may(at), took_millis: 0 }
    }

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
