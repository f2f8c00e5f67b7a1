//! Checks very many tenants, a limited number at a time, and accounts for each.
//!
//! Memory is bounded: it contains only the tenants in flight and those that wait for a retry. While too many wait, the engine reads no
//! further customer.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt as _};

use super::row::{ResultRow, UNAVAILABLE};
use super::subject::{AppToCheck, Input, InputTenant};
use crate::cli::bulk::runner::{Admission, Attempt, Going, Retry, Runner, Stopped, for_each};
use crate::cli::bulk::throttle::Throttled;
use crate::cli::token_from::{Holder, NoHeldToken};
use crate::config::ConfiguredApp;
use crate::consent::finding::Obstacle;
use crate::consent::{Outcome, TenantId, TenantStatus, aadsts};
use crate::entra::discovery::{TenantName, Undiscovered};
use crate::entra::token::AccessToken;
use crate::installation::{BulkVerifier, Installation, TimedCheck};

/// Time limit of one check. No browser waits for it.
const BUDGET: Duration = Duration::from_secs(15);
/// How long before its expiry we stop using a cached token, because it could expire during a check.
const TOKEN_MARGIN: time::Duration = time::Duration::minutes(1);
/// Most tenants whose checks have begun and are not done. Nearly all of them wait for a retry.
const MOST_BEGUN: usize = 4_096;

/// The parts of a run. The engine passes each row to `on_row` when the row is final.
pub(super) struct Engine<'s, F> {
    pub(super) installation: &'s Installation,
    pub(super) bulk_verifier: &'s BulkVerifier<'s>,
    pub(super) holder: Option<&'s Holder>,
    pub(super) runner: &'s Runner,
    pub(super) on_row: RefCell<F>,
}

/// A tenant with its apps that are still open. The row of each app is final if no further attempt follows.
struct TenantJob<'s> {
    tenant_input: InputTenant,
    open: Vec<(AppToCheck<'s>, ResultRow)>,
    tenant: Option<TenantId>,
    token: Option<Arc<AccessToken>>,
}

/// The result of one check of an app in a tenant.
struct Seen {
    row: ResultRow,
    throttled: Throttled,
    /// Whether a further check could show more.
    is_open: bool,
}

impl<'s, F: FnMut(ResultRow, Going) -> Result<(), Stopped>> Engine<'s, F> {
    /// Checks all tenants.
    ///
    /// # Errors
    /// [`Stopped`]. Finished rows stay. Checks in flight are dropped, which is harmless because a check changes nothing.
    pub(super) async fn run(&self, inputs: impl Stream<Item = Result<Input<'s>, Stopped>>) -> Result<(), Stopped> {
        // The next customer starts only when a slot is free.
        let admitted = inputs.then(async |input| (self.runner.admission().await, input));
        let tenants = admitted.map(async |(admission, input)| self.tenant(admission, input?).await).buffer_unordered(MOST_BEGUN);
        for_each(tenants, |()| Ok(())).await
    }

    async fn tenant(&self, admission: Admission<'_>, input: Input<'s>) -> Result<(), Stopped> {
        let Input { subject: tenant_input, asked, problem } = input;
        let row = |app: AppToCheck<'s>| {
            let row = ResultRow::not_asked(&tenant_input, &app);
            let row = match &problem {
                Some(problem) => row.with_problem(problem),
                None => row.unavailable(&turn_did_not_come(None)),
            };
            (app, row)
        };
        let open = asked.into_iter().map(row).collect();
        let mut job = TenantJob { tenant_input, open, tenant: None, token: None };
        if problem.is_none() {
            // If the pause is too long to wait for, the rows stay unchanged.
            self.runner.send_admitted(admission, async || self.attempt(&mut job).await).await.unwrap_or(Ok(()))?;
        }
        job.open.into_iter().try_for_each(|(_, row)| self.finish(job.tenant, row))
    }

    fn finish(&self, tenant_id: Option<TenantId>, row: ResultRow) -> Result<(), Stopped> {
        (self.on_row.borrow_mut())(ResultRow { tenant_id, ..row }, self.runner.going())
    }

    /// Makes one attempt at everything that is still open in a job.
    async fn attempt(&self, job: &mut TenantJob<'s>) -> Attempt<Result<(), Stopped>> {
        let mut throttled = Throttled::No;
        let mut brought_a_part = false;
        let left = std::mem::take(&mut job.open);
        let unresolved = match left.iter().find_map(|(app, _)| app.app) {
            Some(first) => self.resolve(job, first).await.err(),
            None => None,
        };
        for (app, _) in left {
            let row = ResultRow::not_asked(&job.tenant_input, &app);
            // The apps are checked one after the other, so that one token serves all apps of a verifier. The first throttled answer ends
            // the attempt.
            let seen = match &unresolved {
                Some(Unresolved { status, is_elsewhere, problem, retry_after }) => Seen {
                    row: row.elsewhere(*is_elsewhere).with_status(*status).with_problem(problem),
                    throttled: retry_after.map_or(Throttled::No, |wait| Throttled::Yes(Some(wait))),
                    is_open: *status == UNAVAILABLE,
                },
                None if throttled != Throttled::No => {
                    Seen { row: row.unavailable(&turn_did_not_come(Some(throttled))), throttled, is_open: true }
                }
                None => match self.check(job, &app, row).await {
                    Ok(seen) => seen,
                    Err(stopped) => return Attempt::answered(Err(stopped)),
                },
            };
            throttled = seen.throttled;
            if seen.is_open {
                job.open.push((app, seen.row));
            } else {
                brought_a_part |= throttled != Throttled::No;
                if let Err(stopped) = self.finish(job.tenant, seen.row) {
                    return Attempt::answered(Err(stopped));
                }
            }
        }
        let retry = match job.open.is_empty() {
            true => Retry::No,
            false if brought_a_part => Retry::Uncounted,
            false => Retry::Yes,
        };
        Attempt { answer: Ok(()), throttled, retry }
    }

    async fn check(&self, job: &mut TenantJob<'s>, target: &AppToCheck<'s>, row: ResultRow) -> Result<Seen, Stopped> {
        let unasked = |row, is_open| Ok(Seen { row, throttled: Throttled::No, is_open });
        let (Some(app), Some(tenant)) = (target.app, job.tenant) else {
            return unasked(row.with_problem("consent.toml has no such app"), false);
        };
        let check = match self.holder {
            None => self.bulk_verifier.check(app, tenant, BUDGET).await,
            Some(holder) => match self.check_with_held(holder, app, tenant, &mut job.token).await {
                Ok(check) => check,
                Err(error @ NoHeldToken::NoAz(_)) => return Err(error.into_command().into()),
                Err(error) if error.may_pass() => return unasked(row.unavailable(&error.to_string()), true),
                Err(error) => return unasked(row.with_status(TenantStatus::Unverifiable).with_problem(&error.to_string()), false),
            },
        };
        let assessment = check.finding.assess(&app.profile);
        let mut status = target.status(assessment.verdict, self.installation.clock.now());
        let verifier = self
            .missing_verifier(app, &check)
            .filter(|_| matches!(status, TenantStatus::Unverifiable | TenantStatus::Outcome(Outcome::ReportedUnverified)));
        if verifier.is_some() {
            status = TenantStatus::VerifierMissing;
        }
        let was_throttled = check.retry_after.is_some() || check.upstream.iter().any(|call| call.status == Some(429));
        let throttled = if was_throttled { Throttled::Yes(check.retry_after) } else { Throttled::No };
        let is_open = status == UNAVAILABLE;
        let problem = match verifier {
            Some(verifier) => Some(send_link_of(verifier, tenant)),
            None => problem(&check, status),
        };
        let row =
            ResultRow { problem: problem.map(String::into_boxed_str), ..row.with_status(status).checked(&check, &assessment.difference) };
        Ok(Seen { row, throttled, is_open })
    }

    /// The app that checks `app`, if the tenant has not approved that verifier.
    fn missing_verifier(&self, app: &'s ConfiguredApp, check: &TimedCheck) -> Option<&'s ConfiguredApp> {
        let verifier = self.installation.config.verifier_of(app).filter(|_| self.holder.is_none());
        verifier.filter(|_| check.finding.obstacle == Some(Obstacle::VerifierNotGranted))
    }

    /// Checks with the technician's token. If Microsoft no longer accepts the cached token, or the token is about to expire, this gets a
    /// new one.
    async fn check_with_held(
        &self,
        holder: &Holder,
        app: &ConfiguredApp,
        tenant: TenantId,
        held: &mut Option<Arc<AccessToken>>,
    ) -> Result<TimedCheck, NoHeldToken> {
        let now = self.installation.clock.now();
        if let Some(token) = held.take().filter(|token| token.expires_at - TOKEN_MARGIN > now) {
            let check = self.bulk_verifier.check_with(app, tenant, &token, BUDGET).await;
            if check.finding.obstacle != Some(Obstacle::OperatorFault) {
                *held = Some(token);
                return Ok(check);
            }
        }
        let token = holder.token(&app.endpoints, tenant, &self.installation.clock).await?;
        let check = self.bulk_verifier.check_with(app, tenant, &token, BUDGET).await;
        *held = Some(token);
        Ok(check)
    }

    /// Resolves the tenant's id. A domain is resolved in the cloud of the first app, because all apps of one run are in the same cloud.
    async fn resolve(&self, job: &mut TenantJob<'_>, app: &ConfiguredApp) -> Result<(), Unresolved> {
        let error = match (&job.tenant_input.tenant, job.tenant) {
            (_, Some(_)) => return Ok(()),
            (None, None) => {
                let problem = "no tenant".to_owned();
                return Err(Unresolved { status: TenantStatus::Unverifiable, is_elsewhere: false, problem, retry_after: None });
            }
            (Some(TenantName::Id(id)), None) => {
                job.tenant = Some(*id);
                return Ok(());
            }
            (Some(name @ TenantName::Domain(_)), None) => match self.installation.discover(app, name).await {
                Ok(found) => {
                    job.tenant = Some(found.id);
                    return Ok(());
                }
                Err(error) => error,
            },
        };
        let (outcome, retry_after) = match &error {
            Undiscovered::Unreachable { retry_after, .. } => (Outcome::Unavailable, *retry_after),
            Undiscovered::Unreadable(_) => (Outcome::Unavailable, None),
            Undiscovered::UnknownTenant | Undiscovered::Malformed | Undiscovered::OtherCloud(_) | Undiscovered::NoSingleTenant => {
                (Outcome::TenantNotFound, None)
            }
            Undiscovered::Refused(_) => (Outcome::Unknown, None),
            Undiscovered::NoClient(_) => (Outcome::OperatorFault, None),
        };
        let is_elsewhere = matches!(error, Undiscovered::OtherCloud(_));
        let problem = format!("{error}. {}", error.remedy());
        Err(Unresolved { status: TenantStatus::Outcome(outcome), is_elsewhere, problem, retry_after })
    }
}

/// Why a tenant's id is unknown.
struct Unresolved {
    status: TenantStatus,
    /// The tenant is in another cloud.
    is_elsewhere: bool,
    problem: String,
    retry_after: Option<Duration>,
}

/// The problem in the row of an app that was not checked, because another app's answer ended the attempt.
fn turn_did_not_come(throttled: Option<Throttled>) -> String {
    match throttled {
        Some(Throttled::Yes(Some(wait))) => format!("Its turn did not come: Microsoft asks to be left alone for {} s.", wait.as_secs()),
        _ => "Its turn did not come: Microsoft throttles.".to_owned(),
    }
}

/// What the customer needs to do before we can check the app in the tenant.
fn send_link_of(verifier: &ConfiguredApp, tenant: TenantId) -> String {
    let (id, name) = (&verifier.profile.id, &verifier.profile.name);
    format!(
        "{name} checks this app, and this tenant has not approved it, or has switched it off. Send its link: entra-consent link --app {id} --tenant {tenant}"
    )
}

/// The problem that prevented a check, for the person who must fix it. `None` if Microsoft showed the state.
fn problem(check: &TimedCheck, status: TenantStatus) -> Option<String> {
    match status {
        TenantStatus::Outcome(
            Outcome::OperatorFault
            | Outcome::TenantNotFound
            | Outcome::TenantGone
            | Outcome::AppMisconfigured
            | Outcome::BlockedByPolicy
            | Outcome::Unknown
            | Outcome::ReportedUnverified
            | Outcome::Unavailable,
        )
        | TenantStatus::CheckRefused
        | TenantStatus::Unverifiable => {}
        TenantStatus::Outcome(_) | TenantStatus::Absent | TenantStatus::PresentUnseen | TenantStatus::VerifierMissing => return None,
    }
    let mut problem = match (check.finding.code, &check.finding.obstacle) {
        (Some(code), _) => format!("{code}: {}", aadsts::lookup(code).operator()),
        (None, Some(Obstacle::OwnCredential)) => "The app's credential cannot be read, or does not sign.".to_owned(),
        (None, Some(Obstacle::VerifierNotGranted)) => "No app is set to check this one (verified_by).".to_owned(),
        (None, _) => status.line().to_owned(),
    };
    if let Some(wait) = check.retry_after.filter(|_| status == UNAVAILABLE) {
        problem.push_str(&format!(" Microsoft asks to be left alone for {} s.", wait.as_secs()));
    }
    if let Some(trace_id) = check.trace_id {
        problem.push_str(&format!(" Trace id {trace_id}."));
    }
    Some(problem)
}
