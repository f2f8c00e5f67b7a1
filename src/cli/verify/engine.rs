//! Checks very many tenants, a limited number at a time, and accounts for each.
//!
//! Memory is bounded: it holds the tenants in flight and those that wait for a retry. While too many wait, it reads no further customer.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt as _};

use super::subject::{Asked, Input, Subject};
use crate::cli::bulk::runner::{Admission, Attempt, Ended as RunEnded, Going, Retry, Runner, for_each};
use crate::cli::bulk::throttle::Throttled;
use crate::cli::is_read_enough;
use crate::cli::token_from::{Holder, NoHeldToken};
use crate::config::ConfiguredApp;
use crate::consent::finding::Obstacle;
use crate::consent::{Assessment, Outcome, TenantId, TenantStatus, aadsts};
use crate::entra::discovery::{TenantName, Undiscovered};
use crate::entra::token::AccessToken;
use crate::installation::{BulkVerifier, Installation, TimedCheck};

/// Time limit of one check. No browser waits for it.
const BUDGET: Duration = Duration::from_secs(15);
/// A cached token this close to its expiry serves no further check, because it could expire during one.
const TOKEN_MARGIN: time::Duration = time::Duration::minutes(1);
/// Most tenants that are started and not done. Nearly all of them wait for a retry.
const MOST_BEGUN: usize = 4_096;

/// The parts of a run. `on_end` takes each row as soon as it is final.
pub(super) struct Engine<'s, F> {
    pub(super) installation: &'s Installation,
    pub(super) bulk_verifier: &'s BulkVerifier<'s>,
    pub(super) holder: Option<&'s Holder>,
    pub(super) runner: Runner,
    pub(super) on_end: RefCell<F>,
}

/// The result for one (tenant, app).
pub(super) struct Finished<'f> {
    pub(super) subject: &'f Subject,
    pub(super) asked: &'f Asked<'f>,
    pub(super) tenant: Option<TenantId>,
    pub(super) ended: &'f Ended,
}

/// How the checks of one (tenant, app) ended.
pub(super) enum Ended {
    /// A check returned a result.
    Looked { check: Box<TimedCheck>, assessment: Assessment, standing: TenantStatus, problem: Option<String> },
    /// No check was possible; contains what is known.
    Unseen { standing: TenantStatus, problem: String },
    /// No check was sent, because the row is invalid.
    NotAsked { problem: String },
}

impl Ended {
    fn unavailable(problem: String) -> Self {
        Self::Unseen { standing: TenantStatus::Outcome(Outcome::Unavailable), problem }
    }
}

/// Why a run ended early.
pub(super) enum Stopped {
    /// By Ctrl-C.
    Interrupted,
    /// Continuing is pointless.
    Failed(String),
    /// The request cannot be carried out; the machine is not at fault.
    Misused(String),
    /// The reader of the results has read enough (`| head`).
    ReadEnough,
}

impl Stopped {
    fn unwritten(error: &io::Error) -> Self {
        if is_read_enough(error) { Self::ReadEnough } else { Self::Failed(format!("the results cannot be written: {error}")) }
    }
}

/// A tenant with the apps that are still open there, each with its row in case no further attempt follows.
struct Job<'s> {
    subject: Subject,
    open: Vec<(Asked<'s>, Ended)>,
    tenant: Option<TenantId>,
    token: Option<Arc<AccessToken>>,
}

/// The result of one check of an app in a tenant.
struct Seen {
    ended: Ended,
    throttled: Throttled,
    /// A further check could show more.
    is_open: bool,
}

impl Seen {
    /// No request was sent, or none that could be throttled.
    fn unasked(ended: Ended, is_open: bool) -> Self {
        Self { ended, throttled: Throttled::No, is_open }
    }
}

impl<'s, F: FnMut(&Finished<'_>, Going) -> io::Result<()>> Engine<'s, F> {
    /// Checks all tenants.
    ///
    /// # Errors
    /// [`Stopped`]. Finished rows stay, and checks in flight are dropped: a check changes nothing.
    pub(super) async fn run(&self, inputs: impl Stream<Item = Result<Input<'s>, Stopped>>) -> Result<(), Stopped> {
        // The next customer starts only when there is a slot for it.
        let admitted = inputs.then(async |input| (self.runner.admission().await, input));
        let tenants = admitted.map(async |(admission, input)| self.tenant(admission, input?).await).buffer_unordered(MOST_BEGUN);
        match for_each(tenants, |()| Ok(())).await? {
            RunEnded::Whole => Ok(()),
            RunEnded::Interrupted => Err(Stopped::Interrupted),
        }
    }

    async fn tenant(&self, admission: Admission<'_>, input: Input<'s>) -> Result<(), Stopped> {
        let Input { subject, asked, problem } = input;
        let row = |asked| match &problem {
            Some(problem) => (asked, Ended::NotAsked { problem: problem.clone() }),
            None => (asked, turn_did_not_come(None)),
        };
        let mut job = Job { subject, open: asked.into_iter().map(row).collect(), tenant: None, token: None };
        if problem.is_none() {
            // If the pause is too long, the rows stay unchanged.
            self.runner.send_admitted(admission, async || self.attempt(&mut job).await).await.unwrap_or(Ok(()))?;
        }
        job.open.iter().try_for_each(|(asked, ended)| self.finish(&job.subject, job.tenant, asked, ended))
    }

    fn finish(&self, subject: &Subject, tenant: Option<TenantId>, asked: &Asked<'_>, ended: &Ended) -> Result<(), Stopped> {
        let finished = Finished { subject, asked, tenant, ended };
        (self.on_end.borrow_mut())(&finished, self.runner.going()).map_err(|error| Stopped::unwritten(&error))
    }

    /// Checks once everything that is left of a job.
    async fn attempt(&self, job: &mut Job<'s>) -> Attempt<Result<(), Stopped>> {
        let mut throttled = Throttled::No;
        let mut brought_a_part = false;
        let left = std::mem::take(&mut job.open);
        let unresolved = match left.iter().find_map(|(asked, _)| asked.app) {
            Some(first) => self.resolve(job, first).await.err(),
            None => None,
        };
        for (asked, _) in left {
            // In sequence, so that a token serves all apps of one verifier. The first throttled answer ends the attempt.
            let seen = match &unresolved {
                Some(unresolved) => unresolved.seen(),
                None if throttled != Throttled::No => Seen { ended: turn_did_not_come(Some(throttled)), throttled, is_open: true },
                None => match self.check(job, &asked).await {
                    Ok(seen) => seen,
                    Err(stopped) => return Attempt::answered(Err(stopped)),
                },
            };
            throttled = seen.throttled;
            if seen.is_open {
                job.open.push((asked, seen.ended));
            } else {
                brought_a_part |= throttled != Throttled::No;
                if let Err(stopped) = self.finish(&job.subject, job.tenant, &asked, &seen.ended) {
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

    async fn check(&self, job: &mut Job<'s>, asked: &Asked<'s>) -> Result<Seen, Stopped> {
        let (Some(app), Some(tenant)) = (asked.app, job.tenant) else {
            return Ok(Seen::unasked(Ended::NotAsked { problem: "consent.toml has no such app".to_owned() }, false));
        };
        let check = match self.holder {
            None => self.bulk_verifier.check(app, tenant, BUDGET).await,
            Some(holder) => match self.look_with_held(holder, app, tenant, &mut job.token).await {
                Ok(check) => check,
                Err(error @ NoHeldToken::NoAz(_)) => return Err(Stopped::Failed(error.to_string())),
                Err(error) if error.may_pass() => return Ok(Seen::unasked(Ended::unavailable(error.to_string()), true)),
                Err(error) => {
                    let ended = Ended::Unseen { standing: TenantStatus::Unverifiable, problem: error.to_string() };
                    return Ok(Seen::unasked(ended, false));
                }
            },
        };
        let assessment = check.finding.assess(&app.profile);
        let standing = asked.standing(assessment.verdict, self.installation.clock.now());
        let was_throttled = check.retry_after.is_some() || check.upstream.iter().any(|call| call.status == Some(429));
        let throttled = if was_throttled { Throttled::Yes(check.retry_after) } else { Throttled::No };
        let is_open = standing == TenantStatus::Outcome(Outcome::Unavailable);
        let problem = problem(&check, standing);
        Ok(Seen { ended: Ended::Looked { check: Box::new(check), assessment, standing, problem }, throttled, is_open })
    }

    /// Checks with the technician's token. If Microsoft no longer accepts a cached token, or it is about to expire, this gets a new one.
    async fn look_with_held(
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

    /// Resolves the tenant's id. A domain is resolved in the cloud of the first app, because all apps of one run share it.
    async fn resolve(&self, job: &mut Job<'_>, app: &ConfiguredApp) -> Result<(), Unresolved> {
        let name = match (&job.subject.tenant, job.tenant) {
            (_, Some(_)) => return Ok(()),
            (None, None) => {
                return Err(Unresolved { standing: TenantStatus::Unverifiable, problem: "no tenant".to_owned(), retry_after: None });
            }
            (Some(name), None) => name,
        };
        let error = match name {
            TenantName::Id(id) => {
                job.tenant = Some(*id);
                return Ok(());
            }
            TenantName::Domain(_) => match self.installation.discover(app, name).await {
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
        Err(Unresolved { standing: TenantStatus::Outcome(outcome), problem: format!("{error}. {}", error.remedy()), retry_after })
    }
}

/// Why a tenant's id is not known.
struct Unresolved {
    standing: TenantStatus,
    problem: String,
    retry_after: Option<Duration>,
}

impl Unresolved {
    /// The row of each app.
    fn seen(&self) -> Seen {
        let throttled = self.retry_after.map_or(Throttled::No, |wait| Throttled::Yes(Some(wait)));
        let is_open = self.standing == TenantStatus::Outcome(Outcome::Unavailable);
        Seen { ended: Ended::Unseen { standing: self.standing, problem: self.problem.clone() }, throttled, is_open }
    }
}

/// The row of an app that was not checked because of another app's answer.
fn turn_did_not_come(throttled: Option<Throttled>) -> Ended {
    Ended::unavailable(match throttled {
        Some(Throttled::Yes(Some(wait))) => format!("Its turn did not come: Microsoft asks to be left alone for {} s.", wait.as_secs()),
        _ => "Its turn did not come: Microsoft throttles.".to_owned(),
    })
}

/// What prevented a check, for the person who must fix it. `None` if Microsoft showed the state.
fn problem(check: &TimedCheck, standing: TenantStatus) -> Option<String> {
    let told = match standing {
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
        | TenantStatus::Unverifiable => true,
        TenantStatus::Outcome(_) | TenantStatus::Absent | TenantStatus::PresentUnseen => false,
    };
    if !told {
        return None;
    }
    let mut problem = match (check.finding.code, &check.finding.obstacle) {
        (Some(code), _) => format!("{code}: {}", aadsts::lookup(code).operator()),
        (None, Some(Obstacle::OwnCredential)) => "The app's credential cannot be read, or does not sign.".to_owned(),
        (None, Some(Obstacle::VerifierNotGranted)) => "Whoever verifies this app is not approved in this tenant.".to_owned(),
        (None, _) => standing.line().to_owned(),
    };
    if let Some(wait) = check.retry_after.filter(|_| standing == TenantStatus::Outcome(Outcome::Unavailable)) {
        problem.push_str(&format!(" Microsoft asks to be left alone for {} s.", wait.as_secs()));
    }
    if let Some(trace_id) = check.trace_id {
        problem.push_str(&format!(" Trace id {trace_id}."));
    }
    Some(problem)
}
