//! Looks with the credential of an app's verifier, and the time that each took.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::Site;
use crate::config::ConfiguredApp;
use crate::consent::{Assessment, TenantId};
use crate::record::{Line, LookLine, UpstreamLine};
use crate::verify::{Asker, AskingApp, Look, LookRequest, Occasion, TooSoon};
use crate::world::millis;

impl Site {
    /// Looks at an app in a tenant with the credential of its verifier.
    ///
    /// # Errors
    /// [`TooSoon`]: no earlier look counts, and the next one may not begin yet.
    pub async fn look(&self, app: &ConfiguredApp, tenant: TenantId, occasion: Occasion, budget: Duration) -> Result<TimedLook, TooSoon> {
        let Some(asking) = self.config.verifier_of(app) else {
            return Ok(TimedLook::nobody_may(self.clock.now()));
        };
        let asker = Asker::App(AskingApp { client: asking.profile.client_id, credential: &self.credential_of(asking) });
        let started = Instant::now();
        let look = self.verifier.look(look_request(app, tenant, asker, occasion, budget)).await?;
        Ok(TimedLook::new(look, started))
    }
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

/// A look with the time it took us, a wait for another caller's look included.
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
