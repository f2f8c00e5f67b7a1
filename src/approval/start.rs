//! An invitation: its page, which has no effect, and its button, which creates the ticket.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use url::Url;

use super::admission::{self, Bar, Refusal, Token, Visitor};
use super::check::{AssessedCheck, NoCheck};
use super::publish::order_after_press;
use super::transition::{Transition, last_statement};
use super::verifier_claim::verifier_claimed_at;
use crate::config::{Chain, ConfiguredApp};
use crate::consent::claim::Agreement;
use crate::consent::claim_bound::ClaimClass;
use crate::consent::{ApprovalState, Binding, Claim, ExpectedTenant, Outcome, Queued, Verdict};
use crate::env::micros;
use crate::installation::Installation;
use crate::outbox::Basis;
use crate::record::{InvitationLine, LinkLine, Record, RejectedLine, TransitionId};
use crate::token::ticket::{browser_hash, press_id};
use crate::token::{Invitation, Subject, Ticket};

/// How long after the end of an invitation its page has the button.
const RENEWABLE_FOR: Duration = Duration::from_secs(30 * 86_400);

/// A valid invitation, with its apps.
#[derive(Debug)]
pub(crate) struct OpenInvitation<'a> {
    /// The token's content.
    pub(crate) invitation: Invitation,
    /// The name of the key that signed it.
    kid: Option<Box<str>>,
    /// `None` for a single app.
    pub(crate) chain: Option<&'a Chain>,
    /// The app of the first step.
    pub(crate) first: &'a ConfiguredApp,
    /// All apps, in order.
    pub(crate) apps: Vec<&'a ConfiguredApp>,
}

/// Where the button leads.
#[derive(Debug)]
pub(crate) enum StartReply {
    /// To Microsoft's consent page, with a secret for the browser's cookie.
    ToMicrosoft {
        /// Microsoft's consent page for the expected tenant.
        address: Url,
        /// For the cookie.
        secret: String,
        /// Lifetime of the cookie, in seconds.
        lives: u64,
    },
    /// To the result page, or to the watch page of a companion. Contains the address.
    ToReceipt(String),
}

/// Opens an invitation for its page. The only effect is a record that it was seen, perhaps by a mail scanner (law 4).
///
/// # Errors
/// [`Refusal`]
pub(crate) async fn show<'s>(installation: &'s Installation, visitor: &Visitor<'_>, token: &str) -> Result<OpenInvitation<'s>, Refusal> {
    let opened = open(installation, visitor, token).await?;
    let app = if opened.chain.is_some() { None } else { Some(opened.first) };
    installation.records.write(&Record::Seen(line(installation, visitor, &opened.invitation, opened.kid.clone(), app)))?;
    Ok(opened)
}

/// The button: checks whether the app is already approved. If not, it creates the ticket and leads to Microsoft. `step` names an app of a
/// chain.
///
/// # Errors
/// [`Refusal`]
pub(crate) async fn start(
    installation: &Installation,
    visitor: &Visitor<'_>,
    token: &str,
    step: Option<&str>,
) -> Result<StartReply, Refusal> {
    let (arrived, started) = (installation.clock.now(), Instant::now());
    let opened = open(installation, visitor, token).await?;
    let Some(app) = opened.chosen(step) else {
        return Err(visitor.refuse(installation, Outcome::LinkDamaged, "unknown_step", None));
    };
    installation.records.write(&Record::Started(line(installation, visitor, &opened.invitation, opened.kid.clone(), Some(app))))?;
    match (opened.invitation.tenant, &app.companion) {
        (ExpectedTenant::Tenant(tenant), companion) => {
            let check = AssessedCheck::before_start(installation, app, tenant).await;
            // A second approval can remove earlier permissions (protocol reference §1.9), so the button of an approved app does not lead
            // there.
            let is_approved = check.as_ref().is_ok_and(|check| matches!(check.assessment.verdict, Verdict::AllRequired | Verdict::Excess));
            if is_approved || companion.is_some() {
                let state = opened.state(installation, visitor, app, arrived);
                let is_new = check.as_ref().map_or_else(|no_check| *no_check == NoCheck::NotHere, |check| check.timed.fresh);
                if !is_new {
                    // After an earlier check, the button leads to the page, which runs its own check. It concludes nothing.
                    return to_receipt(installation, visitor, companion.is_some(), &state).await;
                }
                // The page will show this conclusion, for a companion as for an existing approval.
                let check = check.ok();
                let last = last_statement(installation, app, &state).await;
                let transition = Transition::first(installation, app, state, Agreement::Agrees(tenant), last.as_ref(), check.as_ref());
                let claimed = transition.claimed(visitor.visit(installation, opened.kid.clone()));
                let recorded = claimed.approval.clone();
                let class = ClaimClass::of(&transition.after.claim, Agreement::Agrees(tenant));
                let is_recorded =
                    transition.basis() == Basis::Finding || admission::is_in_full(installation, &transition.after, class).await;
                let state = if is_recorded {
                    installation.records.write(&transition.record(claimed, started))?;
                    transition.publish(installation, &recorded).await?
                } else {
                    transition.count(installation, &recorded).await?
                };
                return to_receipt(installation, visitor, !is_approved, &state).await;
            }
        }
        // Microsoft never redirects from a companion, so without a tenant no check could ever run.
        (ExpectedTenant::Any, Some(_)) => return Err(visitor.refuse(installation, Outcome::LinkDamaged, "companion_without_tenant", None)),
        (ExpectedTenant::Any, None) => {}
    }
    to_microsoft(installation, visitor, &opened, app, arrived).await
}

async fn to_receipt(
    installation: &Installation,
    visitor: &Visitor<'_>,
    watches: bool,
    state: &ApprovalState,
) -> Result<StartReply, Refusal> {
    let address = installation.receipt_address(if watches { "w" } else { "r" }, state).await;
    address.map(StartReply::ToReceipt).ok_or_else(|| visitor.refuse_without_keys(installation))
}

/// Creates the ticket for this browser and leads to Microsoft's page for the expected tenant.
async fn to_microsoft(
    installation: &Installation,
    visitor: &Visitor<'_>,
    opened: &OpenInvitation<'_>,
    app: &ConfiguredApp,
    arrived: OffsetDateTime,
) -> Result<StartReply, Refusal> {
    let Ok(keys) = installation.cached_keys().await else {
        return Err(visitor.refuse_without_keys(installation));
    };
    let (signer, links) = (installation.signer(&keys), &installation.config.links);
    // All tabs of the browser share one secret, so each start sets the cookie again and never replaces the secret.
    let ours = visitor.secret.filter(|secret| signer.is_browser_secret(secret));
    let secret = ours.map_or_else(|| signer.browser_secret(&installation.new_secret()), str::to_owned);
    let id = installation.new_id();
    let ticket = Ticket {
        id,
        issued_at: signer.now,
        expires_at: signer.now.saturating_add(links.ticket.as_secs()),
        expectation: opened.invitation.expectation(app.profile.id.clone()),
        browser: Some(browser_hash(&secret, id)),
    };
    let Ok(state) = ticket.issue(signer) else {
        return Err(visitor.refuse(installation, Outcome::LinkDamaged, "ticket_too_long", None));
    };
    let approval = ApprovalState { ticket: id, ..opened.state(installation, visitor, app, arrived) };
    order_after_press(installation, &approval).await;
    let address = installation.consent_address(app, opened.invitation.tenant, &state);
    Ok(StartReply::ToMicrosoft { address, secret, lives: links.ticket.as_secs().saturating_add(links.late.as_secs()) })
}

async fn open<'s>(installation: &'s Installation, visitor: &Visitor<'_>, token: &str) -> Result<OpenInvitation<'s>, Refusal> {
    let (invitation, kid) = visitor.open(installation, None, token, Invitation::open).await?;
    if let Err(bar) = admission::admit(installation, Token::Invitation(&invitation)) {
        return Err(refused(installation, visitor, &invitation, kid, bar));
    }
    let (chain, apps) = asked_apps(installation, &invitation.subject);
    match apps.first().copied() {
        Some(first) => Ok(OpenInvitation { invitation, kid, chain, first, apps }),
        None => Err(refused(installation, visitor, &invitation, kid, Bar::NOT_CONFIGURED)),
    }
}

/// The apps of an invitation, and its chain. Empty if one of them is not configured.
pub(super) fn asked_apps<'s>(installation: &'s Installation, subject: &Subject) -> (Option<&'s Chain>, Vec<&'s ConfiguredApp>) {
    let (chain, apps) = match subject {
        Subject::App(app) => (None, installation.config.app(app).map(|app| vec![app])),
        Subject::Chain(id) => {
            let chain = installation.config.chain(id);
            (chain, chain.and_then(|chain| chain.steps.iter().map(|step| installation.config.app(step)).collect()))
        }
    };
    (chain, apps.unwrap_or_default())
}

/// Whether the page of an expired invitation may ask for another link. The operator must allow it, receive events, and know the customer.
pub(super) fn is_renewable(installation: &Installation, invitation: &Invitation) -> bool {
    installation.config.links.renewal_requests
        && installation.clock.now_unix() <= invitation.expires_at.saturating_add(RENEWABLE_FOR.as_secs())
        && invitation.tenant != ExpectedTenant::Any
        && !asked_apps(installation, &invitation.subject).1.is_empty()
        && installation.outbox().is_some_and(|outbox| outbox.takes_events())
}

/// Refuses a genuine invitation. The record says which customer it was for.
pub(super) fn refused(
    installation: &Installation,
    visitor: &Visitor<'_>,
    invitation: &Invitation,
    kid: Option<Box<str>>,
    bar: Bar,
) -> Refusal {
    let (Subject::App(id) | Subject::Chain(id)) = &invitation.subject;
    let rejected = RejectedLine::Invitation(line(installation, visitor, invitation, kid, installation.config.app(id)));
    let transition = TransitionId::of_ended_link(invitation.id, None, installation.clock.now_unix());
    match visitor.refuse_link(installation, rejected, bar, Some(transition), None) {
        Refusal::Outcome(Outcome::LinkExpired) if is_renewable(installation, invitation) => Refusal::Renewable,
        refusal => refusal,
    }
}

/// An invitation's part of a record. `app` is `None` for a chain and for an app that is not configured.
pub(super) fn line(
    installation: &Installation,
    visitor: &Visitor<'_>,
    invitation: &Invitation,
    kid: Option<Box<str>>,
    app: Option<&ConfiguredApp>,
) -> InvitationLine {
    let (Subject::App(id) | Subject::Chain(id)) = &invitation.subject;
    let link = match app {
        Some(app) => LinkLine::new(&invitation.expectation(app.profile.id.clone()), Some(app.profile.client_id)),
        None => LinkLine::without_app(&invitation.expectation(id.clone())),
    };
    InvitationLine { visit: visitor.visit(installation, kid), link }
}

impl<'a> OpenInvitation<'a> {
    /// The app of the pressed button, or the only app.
    fn chosen(&self, step: Option<&str>) -> Option<&'a ConfiguredApp> {
        match (step, self.apps.as_slice()) {
            (Some(step), apps) => apps.iter().find(|app| app.profile.id.as_str() == step).copied(),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// The state of a step without a callback. Presses of one button within 20 minutes are one approval: one transition, one order and one
    /// event.
    fn state(&self, installation: &Installation, visitor: &Visitor<'_>, app: &ConfiguredApp, arrived: OffsetDateTime) -> ApprovalState {
        let now = installation.clock.now_unix();
        let expectation = self.invitation.expectation(app.profile.id.clone());
        ApprovalState {
            ticket: press_id(self.invitation.id, &app.profile.id, now),
            verifier_claimed_at: verifier_claimed_at(installation, visitor, &expectation),
            expectation,
            claim: Claim::NoFlag,
            outcome: Outcome::Pending,
            since: now,
            callback_at: now,
            counts_from: micros(arrived),
            binding: Binding::None,
            browser: None,
            late: false,
            signed_at: self.invitation.issued_at,
            step: 0,
            queued: Queued::No,
            event: None,
        }
    }
}
