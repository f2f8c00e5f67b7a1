//! Asks about very many tenants, so many at a time, and accounts for each.
//!
//! What is held at a time is bounded: those that are being asked, and those that wait to be asked again. While too many wait, no further
//! customer is read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, Stream, StreamExt as _};

use super::brake::{Brake, Throttled};
use super::subject::{Asked, Input, Subject};
use crate::cli::is_read_enough;
use crate::cli::pace::{Limits, Next};
use crate::cli::token_from::{Holder, NoHeldToken};
use crate::config::ConfiguredApp;
use crate::consent::finding::Obstacle;
use crate::consent::{Assessment, Outcome, Standing, TenantId, aadsts};
use crate::entra::discovery::{TenantName, Undiscovered};
use crate::entra::token::AccessToken;
use crate::site::{Site, Survey, TimedLook};
use crate::world::Entropy;

/// How long one look may take. Nobody waits in a browser.
const BUDGET: Duration = Duration::from_secs(15);
/// A held token this close to its end serves no further look: it could end in the middle of one.
const TOKEN_MARGIN: time::Duration = time::Duration::minutes(1);
/// Most tenants that wait to be asked again.
const MOST_WAITING: usize = 4_096;

/// What a run stands on.
pub(super) struct Engine<'s> {
    pub(super) site: &'s Site,
    pub(super) survey: &'s Survey<'s>,
    pub(super) holder: Option<&'s Holder>,
    pub(super) entropy: Entropy,
    pub(super) concurrency: usize,
    pub(super) limits: Limits,
}

/// What became of one (tenant, app).
pub(super) struct Finished<'s> {
    pub(super) subject: Arc<Subject>,
    pub(super) asked: Asked<'s>,
    pub(super) tenant: Option<TenantId>,
    pub(super) ended: Ended,
}

/// How the asking about one (tenant, app) ended.
pub(super) enum Ended {
    /// It was looked at.
    Looked { look: Box<TimedLook>, assessment: Assessment, standing: Standing, problem: Option<String> },
    /// It could not be looked at, and this is what is known.
    Unseen { standing: Standing, problem: String },
    /// It was not asked about: the row is wrong.
    NotAsked { problem: String },
}

/// Why a run ended before its end.
pub(super) enum Stopped {
    /// Somebody asked for it.
    Interrupted,
    /// Nothing will come of going on.
    Failed(String),
    /// What was asked for cannot be done; nothing is wrong with the machine.
    Misused(String),
    /// Whoever read the results has read enough (`| head`).
    ReadEnough,
}

/// How a run goes at the moment, for a progress bar.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Going {
    pub(super) waiting: usize,
    pub(super) held: Option<Duration>,
}

/// A tenant with what is left to ask there.
struct Job<'s> {
    subject: Arc<Subject>,
    left: Vec<Asked<'s>>,
    tenant: Option<TenantId>,
    token: Option<Arc<AccessToken>>,
    attempt: u32,
    waited: Duration,
}

/// What one attempt at a job brought.
struct Attempt<'s> {
    job: Job<'s>,
    done: Vec<(Asked<'s>, Ended)>,
    /// Set where something is left: what is said if it is not asked again.
    open: Vec<(Asked<'s>, Ended)>,
    retry_after: Option<Duration>,
    throttled: Throttled,
    fatal: Option<String>,
}

/// Waits, the one that is due first at the top.
struct Waiting<'s> {
    due: Instant,
    number: u64,
    job: Job<'s>,
}

impl PartialEq for Waiting<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.number) == (other.due, other.number)
    }
}

impl Eq for Waiting<'_> {}

impl PartialOrd for Waiting<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl<'s> Engine<'s> {
    /// Asks about all of them, and hands over what became of each, in the order in which they end.
    ///
    /// # Errors
    /// [`Stopped`]; what was handed over stands, and what was under way is dropped: looking changes nothing anywhere.
    pub(super) async fn run(
        &self,
        inputs: impl Stream<Item = Result<Input<'s>, Stopped>>,
        mut on_end: impl FnMut(Finished<'s>, Going) -> io::Result<()>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Stopped> {
        let mut stop = pin!(stop);
        let mut inputs = pin!(inputs);
        let mut brake = Brake::default();
        let mut waiting: BinaryHeap<Reverse<Waiting<'s>>> = BinaryHeap::new();
        let mut under_way = FuturesUnordered::new();
        let mut all_read = false;
        let mut waits_so_far = 0;
        let unwritten = |error: io::Error| {
            if is_read_enough(&error) { Stopped::ReadEnough } else { Stopped::Failed(format!("the results cannot be written: {error}")) }
        };
        loop {
            let now = Instant::now();
            let held = brake.held_until(now);
            let at_a_time = brake.at_a_time(self.concurrency);
            while held.is_none() && under_way.len() < at_a_time {
                if waiting.peek().is_some_and(|Reverse(first)| first.due <= now) {
                    let Some(Reverse(first)) = waiting.pop() else { break };
                    under_way.push(self.attempt(first.job));
                } else {
                    break;
                }
            }
            if all_read && under_way.is_empty() && waiting.is_empty() {
                return Ok(());
            }
            let has_room = held.is_none() && under_way.len() < at_a_time && waiting.len() < MOST_WAITING;
            let wake = held.into_iter().chain(waiting.peek().map(|Reverse(first)| first.due.max(held.unwrap_or(first.due)))).min();
            let until_wake = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let attempt = tokio::select! {
                biased;
                () = &mut stop => return Err(Stopped::Interrupted),
                Some(attempt) = under_way.next(), if !under_way.is_empty() => attempt,
                input = inputs.next(), if has_room && !all_read => {
                    match input {
                        None => all_read = true,
                        Some(Err(stopped)) => return Err(stopped),
                        Some(Ok(Input { subject, asked, problem: None })) => {
                            let subject = Arc::new(subject);
                            let job = Job { subject, left: asked, tenant: None, token: None, attempt: 0, waited: Duration::ZERO };
                            under_way.push(self.attempt(job));
                        }
                        Some(Ok(Input { subject, asked, problem: Some(problem) })) => {
                            let ended = asked.into_iter().map(|asked| (asked, Ended::NotAsked { problem: problem.clone() })).collect();
                            self.hand_over(Arc::new(subject), None, ended, &waiting, &brake, &mut on_end).map_err(unwritten)?;
                        }
                    }
                    continue;
                }
                () = until_wake, if under_way.len() < at_a_time || held.is_some() => continue,
            };
            let Attempt { mut job, done, open, retry_after, throttled, fatal } = attempt;
            if let Some(fatal) = fatal {
                return Err(Stopped::Failed(fatal));
            }
            let now = Instant::now();
            brake.note(throttled, now);
            let again = if open.is_empty() { Next::GiveUp } else { self.next(&job, retry_after) };
            let mut ended = done;
            match again {
                Next::Again(wait) => {
                    job.left = open.into_iter().map(|(asked, _)| asked).collect();
                    job.waited = job.waited.saturating_add(wait);
                    let due = now.checked_add(wait).unwrap_or(now);
                    waits_so_far += 1;
                    let subject = Arc::clone(&job.subject);
                    let tenant = job.tenant;
                    waiting.push(Reverse(Waiting { due, number: waits_so_far, job }));
                    self.hand_over(subject, tenant, ended, &waiting, &brake, &mut on_end).map_err(unwritten)?;
                }
                Next::GiveUp => {
                    ended.extend(open);
                    self.hand_over(job.subject, job.tenant, ended, &waiting, &brake, &mut on_end).map_err(unwritten)?;
                }
            }
        }
    }

    fn next(&self, job: &Job<'_>, retry_after: Option<Duration>) -> Next {
        let [jitter, ..] = self.entropy.bytes();
        self.limits.next(job.attempt, job.waited, retry_after, jitter)
    }

    fn hand_over(
        &self,
        subject: Arc<Subject>,
        tenant: Option<TenantId>,
        ended: Vec<(Asked<'s>, Ended)>,
        waiting: &BinaryHeap<Reverse<Waiting<'s>>>,
        brake: &Brake,
        on_end: &mut impl FnMut(Finished<'s>, Going) -> io::Result<()>,
    ) -> io::Result<()> {
        let now = Instant::now();
        let going = Going { waiting: waiting.len(), held: brake.held_until(now).map(|until| until - now) };
        ended.into_iter().try_for_each(|(asked, ended)| on_end(Finished { subject: Arc::clone(&subject), asked, tenant, ended }, going))
    }

    /// Asks once about everything that is left of a job.
    async fn attempt(&self, mut job: Job<'s>) -> Attempt<'s> {
        job.attempt = job.attempt.saturating_add(1);
        let left = std::mem::take(&mut job.left);
        let mut attempt = Attempt { job, done: Vec::new(), open: Vec::new(), retry_after: None, throttled: Throttled::No, fatal: None };
        let Some(first) = left.iter().find_map(|asked| asked.app) else { return attempt };
        let tenant = match self.resolve(&attempt.job, first).await {
            Ok(tenant) => tenant,
            Err(Unresolved::Open { problem, retry_after }) => {
                attempt.retry_after = retry_after;
                attempt.throttled = retry_after.map_or(Throttled::No, |asked| Throttled::Yes(Some(asked)));
                let standing = Standing::Outcome(Outcome::Unavailable);
                attempt.open = left.into_iter().map(|asked| (asked, Ended::Unseen { standing, problem: problem.clone() })).collect();
                return attempt;
            }
            Err(Unresolved::Ended { standing, problem }) => {
                attempt.done = left.into_iter().map(|asked| (asked, Ended::Unseen { standing, problem: problem.clone() })).collect();
                return attempt;
            }
        };
        attempt.job.tenant = Some(tenant);
        // One after the other, so that a token serves all apps of one verifier, and none is asked about once the tenant wants its peace.
        let mut left = left.into_iter();
        while attempt.fatal.is_none()
            && attempt.throttled == Throttled::No
            && let Some(asked) = left.next()
        {
            self.look(&mut attempt, asked, tenant).await;
        }
        for asked in left {
            let problem = match attempt.retry_after {
                Some(wait) => format!("Its turn did not come: Microsoft asks to be left alone for {} s.", wait.as_secs()),
                None => "Its turn did not come: Microsoft throttles.".to_owned(),
            };
            attempt.open.push((asked, Ended::Unseen { standing: Standing::Outcome(Outcome::Unavailable), problem }));
        }
        attempt
    }

    async fn look(&self, attempt: &mut Attempt<'s>, asked: Asked<'s>, tenant: TenantId) {
        let Some(app) = asked.app else {
            attempt.done.push((asked, Ended::NotAsked { problem: "consent.toml has no such app".to_owned() }));
            return;
        };
        let look = match self.holder {
            None => self.survey.look(app, tenant, BUDGET).await,
            Some(holder) => match self.look_with_held(holder, app, tenant, &mut attempt.job.token).await {
                Ok(look) => look,
                Err(error @ NoHeldToken::NoAz(_)) => {
                    attempt.fatal = Some(error.to_string());
                    return;
                }
                Err(error) => {
                    let problem = error.to_string();
                    if error.may_pass() {
                        let standing = Standing::Outcome(Outcome::Unavailable);
                        attempt.open.push((asked, Ended::Unseen { standing, problem }));
                    } else {
                        attempt.done.push((asked, Ended::Unseen { standing: Standing::Unverifiable, problem }));
                    }
                    return;
                }
            },
        };
        let assessment = look.finding.assess(&app.profile);
        let standing = asked.standing(assessment.verdict, self.site.clock.now());
        let was_throttled = look.retry_after.is_some() || look.upstream.iter().any(|call| call.status == Some(429));
        if was_throttled {
            attempt.throttled = Throttled::Yes(look.retry_after);
            attempt.retry_after = look.retry_after;
        }
        let is_open = standing == Standing::Outcome(Outcome::Unavailable);
        if was_throttled && !is_open {
            // It answered all the same: what follows is no repetition.
            attempt.job.attempt = attempt.job.attempt.saturating_sub(1);
        }
        let problem = problem(&look, standing);
        let ended = Ended::Looked { look: Box::new(look), assessment, standing, problem };
        if is_open { attempt.open.push((asked, ended)) } else { attempt.done.push((asked, ended)) }
    }

    /// Looks with the technician's token. One that served an earlier look and is not taken any more, or is about to end, is got anew.
    async fn look_with_held(
        &self,
        holder: &Holder,
        app: &ConfiguredApp,
        tenant: TenantId,
        held: &mut Option<Arc<AccessToken>>,
    ) -> Result<TimedLook, NoHeldToken> {
        let now = self.site.clock.now();
        if let Some(token) = held.take().filter(|token| token.expires_at - TOKEN_MARGIN > now) {
            let look = self.survey.look_with(app, tenant, &token, BUDGET).await;
            if look.finding.obstacle != Some(Obstacle::OperatorFault) {
                *held = Some(token);
                return Ok(look);
            }
        }
        let token = holder.token(&app.endpoints, tenant, &self.site.clock).await?;
        let look = self.survey.look_with(app, tenant, &token, BUDGET).await;
        *held = Some(token);
        Ok(look)
    }

    /// The tenant's id. A domain is looked up in the cloud of the first app: the apps of one run share it.
    async fn resolve(&self, job: &Job<'_>, app: &ConfiguredApp) -> Result<TenantId, Unresolved> {
        match (&job.subject.tenant, job.tenant) {
            (_, Some(known)) => Ok(known),
            (Some(TenantName::Id(id)), None) => Ok(*id),
            (None, None) => Err(Unresolved::Ended { standing: Standing::Unverifiable, problem: "no tenant".to_owned() }),
            (Some(name @ TenantName::Domain(_)), None) => match self.site.discover(app, name).await {
                Ok(found) => Ok(found.id),
                Err(error) => {
                    let problem = format!("{error}. {}", error.remedy());
                    let ended = |outcome| Unresolved::Ended { standing: Standing::Outcome(outcome), problem: problem.clone() };
                    Err(match &error {
                        Undiscovered::Unreachable { retry_after, .. } => {
                            Unresolved::Open { problem: problem.clone(), retry_after: *retry_after }
                        }
                        Undiscovered::Unreadable(_) => Unresolved::Open { problem: problem.clone(), retry_after: None },
                        Undiscovered::UnknownTenant
                        | Undiscovered::Malformed
                        | Undiscovered::OtherCloud(_)
                        | Undiscovered::NoSingleTenant => ended(Outcome::TenantNotFound),
                        Undiscovered::Refused(_) => ended(Outcome::Unknown),
                        Undiscovered::NoClient(_) => ended(Outcome::OperatorFault),
                    })
                }
            },
        }
    }
}

/// Why a tenant's id is not known.
enum Unresolved {
    /// It may be, later.
    Open { problem: String, retry_after: Option<Duration> },
    /// It will not be.
    Ended { standing: Standing, problem: String },
}

/// What kept us from seeing, for whoever has to mend it. Nothing where Microsoft showed how it stands.
fn problem(look: &TimedLook, standing: Standing) -> Option<String> {
    let told = match standing {
        Standing::Outcome(
            Outcome::OperatorFault
            | Outcome::TenantNotFound
            | Outcome::TenantGone
            | Outcome::AppMisconfigured
            | Outcome::BlockedByPolicy
            | Outcome::Unknown
            | Outcome::ReportedUnverified
            | Outcome::Unavailable,
        )
        | Standing::Unverifiable => true,
        Standing::Outcome(_) | Standing::Absent | Standing::PresentUnseen => false,
    };
    if !told {
        return None;
    }
    let mut problem = match (look.finding.code, &look.finding.obstacle) {
        (Some(code), _) => format!("{code}: {}", aadsts::lookup(code).msp),
        (None, Some(Obstacle::OwnCredential)) => "The app's credential cannot be read, or does not sign.".to_owned(),
        (None, Some(Obstacle::VerifierNotGranted)) => "Whoever verifies this app is not approved in this tenant.".to_owned(),
        (None, _) => standing.line().to_owned(),
    };
    if let Some(wait) = look.retry_after.filter(|_| standing == Standing::Outcome(Outcome::Unavailable)) {
        problem.push_str(&format!(" Microsoft asks to be left alone for {} s.", wait.as_secs()));
    }
    if let Some(trace_id) = look.trace_id {
        problem.push_str(&format!(" Trace id {trace_id}."));
    }
    Some(problem)
}
