//! The state of each approval that the operator asked for, joined from tables and records.
//!
//! A record belongs to an approval by the id of its link. A record of another link belongs to it by tenant and app: the customer may have
//! approved through an older link, in the portal, or without any link.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::cli::record_lines::ReadRecord;
use crate::cli::report::tone;
use crate::consent::outcome::Tone;
use crate::consent::{Outcome, Owner, ProfileId, TenantId, TenantStatus, TokenId, named};
use crate::env::moment;
use crate::installation::SignedLink;
use crate::token::{Invitation, Subject};

named! {
    all
    /// How far an approval is. The last step is `confirmed`: Microsoft shows the approval.
    #[derive(PartialOrd, Ord)]
    pub(in crate::cli) enum Step {
        /// The customer has no link yet.
        NotInvited = "not_invited",
        /// The customer has a link.
        Invited = "invited",
        /// A person or a mail scanner requested the page of the link.
        Seen = "seen",
        /// A person or a mail scanner pressed the button.
        Started = "started",
        /// A browser came back from Microsoft.
        Returned = "returned",
        Confirmed = "confirmed",
    }
}

/// A link of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct TrackedLink {
    pub(in crate::cli) signed: SignedLink<String>,
    /// The content of the link. A direct link counts as an invitation to its app.
    pub(in crate::cli) invitation: Invitation,
    /// A direct link leads to Microsoft, without an invitation page.
    pub(in crate::cli) is_direct: bool,
    pub(in crate::cli) is_revoked: bool,
}

impl TrackedLink {
    pub(in crate::cli) fn ends(&self) -> OffsetDateTime {
        moment(self.signed.expires_at)
    }

    /// Whether a customer can use the link.
    pub(in crate::cli) fn is_live(&self, now: OffsetDateTime) -> bool {
        !self.is_revoked && now < self.ends()
    }
}

/// The approval of one app.
#[derive(Debug, Clone)]
pub(in crate::cli) struct TrackedApproval {
    pub(in crate::cli) app: ProfileId,
    /// The newest link.
    pub(in crate::cli) link: Option<Rc<TrackedLink>>,
    /// Why there is no link.
    pub(in crate::cli) problem: Option<Box<str>>,
    /// When each step was first taken.
    steps: [Option<OffsetDateTime>; Step::ALL.len()],
    /// The last outcome that says something about the approval, and when it was seen.
    pub(in crate::cli) outcome: Option<(TenantStatus, OffsetDateTime)>,
    /// When the customer last asked for another link.
    pub(in crate::cli) asked: Option<OffsetDateTime>,
    /// The last step of the customer. A check by `verify` is none.
    pub(in crate::cli) last_step: Option<OffsetDateTime>,
}

/// A customer with its approvals, in the order of the tables.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct TrackedCustomer {
    /// The tenant as written.
    pub(in crate::cli) tenant: Box<str>,
    pub(in crate::cli) tenant_id: Option<TenantId>,
    pub(in crate::cli) label: Option<Box<str>>,
    pub(in crate::cli) reference: Option<Box<str>>,
    pub(in crate::cli) contact: Option<Box<str>>,
    pub(in crate::cli) language: Option<Box<str>>,
    pub(in crate::cli) approvals: Vec<TrackedApproval>,
}

/// The customers of the tables.
#[derive(Debug, Default)]
pub(in crate::cli) struct Board {
    pub(in crate::cli) customers: Vec<TrackedCustomer>,
    by_tenant: HashMap<TenantId, usize>,
    by_name: HashMap<Box<str>, usize>,
    /// The customer and the apps of each link, older links included.
    by_link: HashMap<TokenId, (usize, Rc<[ProfileId]>)>,
}

/// Whether a status rests on no answer of Microsoft about the app. Such a status never replaces one that does.
fn says_nothing(status: TenantStatus) -> bool {
    match status {
        TenantStatus::Outcome(outcome) => outcome.is_unverifiable() || status.is_unasked(),
        TenantStatus::VerifierMissing | TenantStatus::CheckRefused | TenantStatus::Unverifiable => true,
        TenantStatus::Absent | TenantStatus::PresentUnseen => false,
    }
}

impl TrackedApproval {
    fn new(app: ProfileId) -> Self {
        Self { app, link: None, problem: None, steps: [None; Step::ALL.len()], outcome: None, asked: None, last_step: None }
    }

    pub(in crate::cli) fn conclude(&mut self, status: TenantStatus, at: OffsetDateTime) {
        let rank = |(status, at)| (!says_nothing(status), at);
        if self.outcome.is_none_or(|known| rank(known) <= rank((status, at))) {
            self.outcome = Some((status, at));
        }
    }

    pub(in crate::cli) fn note(&mut self, step: Step, at: OffsetDateTime) {
        if let Some(known) = self.steps.get_mut(step as usize) {
            *known = Some(known.map_or(at, |known| known.min(at)));
        }
        self.last_step = self.last_step.max(Some(at));
    }

    pub(in crate::cli) fn ask(&mut self, at: OffsetDateTime) {
        self.asked = self.asked.max(Some(at));
        self.last_step = self.last_step.max(Some(at));
    }

    /// Whether the customer asked for another link, and has none that is newer than the request.
    pub(in crate::cli) fn has_asked(&self) -> bool {
        let is_answered = |at| self.link.as_ref().is_some_and(|link| link.is_revoked || moment(link.invitation.issued_at) >= at);
        self.is_missing() && self.asked.is_some_and(|at| !is_answered(at))
    }

    /// When a step was first taken.
    pub(in crate::cli) fn taken(&self, step: Step) -> Option<OffsetDateTime> {
        self.steps.get(step as usize).copied().flatten()
    }

    pub(in crate::cli) fn status(&self) -> Option<TenantStatus> {
        self.outcome.map(|(status, _)| status)
    }

    /// Whether Microsoft showed every required permission, and no other.
    pub(in crate::cli) fn is_granted(&self) -> bool {
        self.status().is_some_and(TenantStatus::is_granted)
    }

    /// Whether the customer still has to approve the app.
    pub(in crate::cli) fn is_missing(&self) -> bool {
        !matches!(self.status(), Some(TenantStatus::Outcome(outcome)) if outcome.was_complete())
    }

    /// The furthest step. Without a record of an earlier step, a later one still counts.
    pub(in crate::cli) fn step(&self) -> Step {
        if !self.is_missing() {
            return Step::Confirmed;
        }
        Step::ALL.iter().rev().copied().find(|step| self.taken(*step).is_some()).unwrap_or(Step::NotInvited)
    }

    /// Whether the customer has to act, and has not acted for this time.
    pub(in crate::cli) fn is_stale(&self, stale: Duration, now: OffsetDateTime) -> bool {
        let (owner, ..) = self.turn(now);
        owner.for_operator() == Owner::Admin.for_operator() && self.last_step.is_some_and(|at| now - at >= stale)
    }

    /// The party that has to act, with the reason in one sentence.
    pub(in crate::cli) fn turn(&self, now: OffsetDateTime) -> (Owner, &'static str, Tone) {
        let turn = self.status().map_or(Owner::Admin, TenantStatus::turn);
        let is_customers = turn.for_operator() == Owner::Admin.for_operator();
        match self.status() {
            Some(status) if !is_customers => (turn, status.line(), tone(status)),
            _ if self.link.is_none() => (Owner::Operator, "The customer has no link. Make one with `link`.", Tone::Ours),
            _ if self.has_asked() => (Owner::Operator, "The customer asked for another link. Make it with `renew --asked`.", Tone::Ours),
            _ if self.link.as_ref().is_some_and(|link| !link.is_live(now)) => {
                (Owner::Operator, "The link has ended or was revoked. Make another with `renew`.", Tone::Ours)
            }
            Some(status) if status != TenantStatus::Absent || self.taken(Step::Returned).is_some() => (turn, status.line(), tone(status)),
            _ => match self.step() {
                Step::Returned => {
                    (Owner::Microsoft, "A browser came back, and no outcome is recorded. Run `verify --from-records`.", Tone::Wait)
                }
                Step::Started => (turn, "The button was pressed, and no browser came back. Ask what stopped them.", Tone::Act),
                Step::Seen => (turn, "A person or a mail scanner requested the page. Remind them.", Tone::Act),
                _ => (turn, "No record shows that the link was opened. Remind them.", Tone::Act),
            },
        }
    }
}

impl TrackedCustomer {
    /// The customer's name for people.
    pub(in crate::cli) fn called(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.tenant)
    }

    pub(in crate::cli) fn is_complete(&self) -> bool {
        self.approvals.iter().all(TrackedApproval::is_granted)
    }
}

impl Board {
    /// Finds or adds the customer of a row, and fills in what earlier rows did not know.
    pub(super) fn customer(&mut self, row: TrackedCustomer) -> usize {
        let name: Box<str> = row.tenant.to_lowercase().into();
        let known = row.tenant_id.and_then(|id| self.by_tenant.get(&id)).or_else(|| self.by_name.get(&name)).copied();
        let at = known.unwrap_or_else(|| {
            self.customers.push(TrackedCustomer { tenant: row.tenant.clone(), ..TrackedCustomer::default() });
            self.customers.len() - 1
        });
        self.by_name.entry(name).or_insert(at);
        if let Some(id) = row.tenant_id {
            self.by_tenant.entry(id).or_insert(at);
        }
        if let Some(known) = self.customers.get_mut(at) {
            known.tenant_id = known.tenant_id.or(row.tenant_id);
            let TrackedCustomer { label, reference, contact, language, .. } = row;
            known.label = known.label.take().or(label);
            known.reference = known.reference.take().or(reference);
            known.contact = known.contact.take().or(contact);
            known.language = known.language.take().or(language);
        }
        at
    }

    /// The approval of an app by a customer.
    pub(super) fn approval(&mut self, customer: usize, app: &ProfileId) -> Option<&mut TrackedApproval> {
        let approvals = &mut self.customers.get_mut(customer)?.approvals;
        let at = approvals.iter().position(|approval| approval.app == *app).unwrap_or_else(|| {
            approvals.push(TrackedApproval::new(app.clone()));
            approvals.len() - 1
        });
        approvals.get_mut(at)
    }

    /// Adds a link. The newest link of an approval is the one that a reminder repeats.
    pub(super) fn link(&mut self, customer: usize, link: TrackedLink, apps: Vec<ProfileId>) {
        let (id, link) = (link.signed.id, Rc::new(link));
        for app in &apps {
            if let Some(approval) = self.approval(customer, app) {
                approval.note(Step::Invited, moment(link.invitation.issued_at));
                if approval.link.as_ref().is_none_or(|known| known.invitation.issued_at <= link.invitation.issued_at) {
                    approval.link = Some(Rc::clone(&link));
                }
            }
        }
        self.by_link.insert(id, (customer, apps.into()));
    }

    /// Whether an app of a link is missing, and the customer has no newer link for it. With `asked`: and the customer asked for one.
    pub(in crate::cli) fn waits_for(&self, link: TokenId, asked: bool) -> bool {
        let customer = self.by_link.get(&link).and_then(|(customer, _)| self.customers.get(*customer));
        let waits = |approval: &TrackedApproval| {
            let is_newest = approval.link.as_ref().is_some_and(|newest| newest.signed.id == link);
            is_newest && if asked { approval.has_asked() } else { approval.is_missing() }
        };
        customer.is_some_and(|customer| customer.approvals.iter().any(waits))
    }

    /// Adds an outcome of a customer of the tables.
    pub(super) fn conclude(&mut self, tenant: TenantId, app: &ProfileId, status: TenantStatus, at: OffsetDateTime) {
        let customer = self.by_tenant.get(&tenant).and_then(|at| self.customers.get_mut(*at));
        let approvals = customer.map(|customer| customer.approvals.as_mut_slice()).unwrap_or_default();
        approvals.iter_mut().filter(|approval| approval.app == *app).for_each(|approval| approval.conclude(status, at));
    }

    /// Adds a record. Returns whether the record is about an approval of the tables.
    pub(super) fn take(&mut self, record: &ReadRecord) -> bool {
        let step = match record.event.as_str() {
            Some("seen") => Some(Step::Seen),
            Some("started") => Some(Step::Started),
            Some("claimed") => Some(Step::Returned),
            Some("concluded" | "settled" | "renewal_requested") => None,
            _ => return false,
        };
        let link = [record.invitation, record.ticket].into_iter().flatten().find_map(|id| self.by_link.get(&id));
        let (customer, apps) = match (link, record.tenant.and_then(|tenant| self.by_tenant.get(&tenant))) {
            (Some((customer, apps)), _) => (*customer, Some(Rc::clone(apps))),
            (None, Some(customer)) => (*customer, None),
            (None, None) => return false,
        };
        // A record without an app is about all apps of a chain.
        let is_meant = |approval: &TrackedApproval| match (&record.app, &apps, &record.chain, &approval.link) {
            (Some(app), ..) => approval.app == *app,
            (None, Some(apps), ..) => apps.contains(&approval.app),
            (None, None, Some(chain), Some(link)) => link.invitation.subject == Subject::Chain(chain.clone()),
            _ => false,
        };
        let approvals = self.customers.get_mut(customer).map(|customer| customer.approvals.as_mut_slice()).unwrap_or_default();
        let mut is_known = false;
        for approval in approvals.iter_mut().filter(|approval| is_meant(approval)) {
            is_known = true;
            if record.event == "renewal_requested" {
                approval.ask(record.at);
            }
            if let Some(step) = step {
                approval.note(step, record.at);
            }
            if let Some(outcome) = record.outcome.filter(|_| step.is_none()) {
                approval.conclude(TenantStatus::Outcome(outcome.after), record.at);
                // The last check of the worker is no step of the customer.
                if record.event != "settled" || outcome.after == Outcome::Granted {
                    approval.last_step = approval.last_step.max(Some(record.at));
                }
            }
        }
        is_known
    }
}
