//! Checks an app with the credential of its verifier, and measures the duration.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::Installation;
use crate::config::ConfiguredApp;
use crate::consent::TenantId;
use crate::entra::verifier::{Asker, AskingApp, Check, CheckReason, CheckRequest, TooSoon};
use crate::env::millis;
use crate::record::{Measured, UpstreamLine};

impl Installation {
    /// Checks an app in a tenant with the credential of its verifier.
    ///
    /// # Errors
    /// [`TooSoon`]: no earlier check counts, and the next check may not start yet.
    pub async fn check(
        &self,
        app: &ConfiguredApp,
        tenant: TenantId,
        check_reason: CheckReason,
        budget: Duration,
    ) -> Result<TimedCheck, TooSoon> {
        let Some(asking) = self.config.verifier_of(app) else {
            return Ok(TimedCheck::without_verifier(self.clock.now()));
        };
        let asker = Asker::App(AskingApp { client: asking.profile.client_id, credential: &self.credential_of(asking) });
        let started = Instant::now();
        let check = Box::pin(self.verifier.check(check_request(app, tenant, asker, check_reason, budget))).await?;
        Ok(TimedCheck::new(check, started))
    }
}

pub(super) fn check_request<'a>(
    app: &'a ConfiguredApp,
    tenant: TenantId,
    asker: Asker<'a>,
    check_reason: CheckReason,
    budget: Duration,
) -> CheckRequest<'a> {
    CheckRequest { profile: &app.profile, endpoints: &app.endpoints, tenant, asker, check_reason, popular: app.is_popular(), budget }
}

/// A check and its duration. The duration includes the time that we waited for the same check of another caller.
#[derive(Debug)]
pub struct TimedCheck {
    check: Check,
    /// The duration in milliseconds.
    pub(crate) took_millis: u64,
}

impl TimedCheck {
    pub(super) fn new(check: Check, started: Instant) -> Self {
        Self { check, took_millis: millis(started.elapsed()) }
    }

    /// The check of an app without a verifier.
    pub(super) fn without_verifier(at: OffsetDateTime) -> Self {
        Self { check: Check::without_verifier(at), took_millis: 0 }
    }

    /// When and how the check ran, for its record.
    pub(crate) fn measured(&self) -> Measured {
        let calls = self.upstream.iter().map(|call| UpstreamLine { kind: call.kind.name(), status: call.status, ms: call.millis });
        let Check { at, trace_id, correlation_id, .. } = self.check;
        Measured { at, trace_id, correlation_id, upstream: calls.collect() }
    }
}

impl std::ops::Deref for TimedCheck {
    type Target = Check;
    fn deref(&self) -> &Check {
        &self.check
    }
}
