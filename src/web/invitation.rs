//! The way of an invitation: a page that has no effect, and a button that makes the ticket.

use http::StatusCode;
use http::header::SET_COOKIE;
use maud::Markup;
use time::OffsetDateTime;

use super::invitation_page::{CompanionStep, InvitationPage, Step};
use super::rejection::{keys_unavailable, not_recorded, turn_away, turn_away_with, visitor_line};
use super::reply::{self, Answer};
use super::{Request, cookie, invitation_page};
use crate::config::{Chain, ConfiguredApp};
use crate::consent::outcome::conclude;
use crate::consent::roles::role_needed;
use crate::consent::{Claim, ExpectedTenant, Outcome, ProfileId, Verdict};
use crate::link::receipt::press_id;
use crate::link::ticket::browser_hash;
use crate::link::{Binding, Invitation, Queued, Receipt, Subject, Ticket};
use crate::record::{Event, Line};
use crate::site::{Conclusion, KeysUnavailable, NoLook, Site};
use crate::world::{micros, moment};

/// An invitation that may be used, and what it is about.
struct Opened<'a> {
    invitation: Invitation,
    chain: Option<&'a Chain>,
    first: &'a ConfiguredApp,
    apps: Vec<&'a ConfiguredApp>,
}

/// Shows the page. No effect but a line that it was seen, perhaps by a mail scanner, and nobody is asked (law 4).
pub(super) async fn show(site: &Site, request: &Request, token: &str) -> Answer {
    let opened = match open(site, request, token).await {
        Ok(opened) => opened,
        Err(answer) => return answer,
    };
    if let Err(error) = site.records.write(&opened.line(site, request, Event::Seen)) {
        return not_recorded(site, request, &error);
    }
    let address = format!("{}/i/{token}", site.issuer());
    reply::leading_away(reply::html(StatusCode::OK, opened.page(site, &address)))
}

/// The button: asks whether it is approved already, else makes the ticket and leads to Microsoft.
pub(super) async fn start(site: &Site, request: &Request, token: &str) -> Answer {
    let arrived = site.clock.now();
    let opened = match open(site, request, token).await {
        Ok(opened) => opened,
        Err(answer) => return answer,
    };
    let Some(app) = opened.chosen(request) else {
        return turn_away(site, request, Outcome::LinkDamaged, "unknown_step", None);
    };
    let started = opened.line(site, request, Event::Started).of_app(&app.profile.id, app.profile.client_id);
    if let Err(error) = site.records.write(&started) {
        return not_recorded(site, request, &error);
    }
    let tenant = opened.invitation.tenant;
    if let ExpectedTenant::Tenant(tenant) = tenant {
        let look = site.look_before(app, tenant).await;
        let assessment = look.as_ref().ok().map(|look| look.finding.assess(&app.profile));
        // Where only the worker asks, nothing is seen here.
        let verdict = assessment.as_ref().map_or(Verdict::NothingSeen, |assessment| assessment.verdict);
        // Approving again can take earlier permissions away (protocol reference §1.9), so whoever has everything is not sent there.
        let approved = matches!(verdict, Verdict::AllRequired | Verdict::Excess);
        if approved || app.companion.is_some() {
            let receipt = |outcome| opened.receipt(site, &app.profile.id, outcome, arrived);
            let is_new = look.as_ref().map_or_else(|no_look| *no_look == NoLook::NotHere, |look| look.fresh);
            if !is_new {
                // An earlier look leads to the page, which looks for itself; nothing is concluded from it.
                let room = if app.companion.is_some() { "w" } else { "r" };
                return to_receipt(site, request, room, &receipt(Outcome::Pending)).await;
            }
            let outcome = conclude(&Claim::Silent, verdict, std::time::Duration::ZERO, None);
            let mut receipt = receipt(outcome);
            // What the page is about to say was concluded here, of a companion as of an approval that was there already.
            let line = visitor_line(site, request, Event::Concluded)
                .of_ticket(receipt.ticket, &receipt.expectation, receipt.binding, false)
                .of_client(app.profile.client_id)
                .with_claim(&Claim::Silent, false, None)
                .with_outcome(receipt.ticket, receipt.callback_at, 0, None, outcome);
            let line = match (&look, &assessment) {
                (Ok(look), Some(assessment)) => look.recorded_on(line, assessment).took(look.took_millis, Some(look.took_millis)),
                _ => line,
            };
            if let Err(error) = site.records.write(&line) {
                return not_recorded(site, request, &error);
            }
            let seen = look.as_deref().ok().zip(assessment.as_ref());
            let done = Conclusion { remembered: &receipt, before: None, app, seen, at: site.clock.now() };
            (receipt.queued, receipt.event) = match site.hand_over(&line, done).await {
                Ok(handed) => handed,
                Err(error) => return not_recorded(site, request, &error),
            };
            return to_receipt(site, request, if approved { "r" } else { "w" }, &receipt).await;
        }
    } else if app.companion.is_some() {
        // Nobody comes back from there, so without a tenant nothing could ever be said.
        return turn_away(site, request, Outcome::LinkDamaged, "companion_without_tenant", None);
    }
    to_microsoft(site, request, &opened, app).await
}

async fn to_receipt(site: &Site, request: &Request, room: &str, receipt: &Receipt) -> Answer {
    match site.receipt_address(room, receipt).await {
        Some(address) => reply::see_other(&address),
        None => keys_unavailable(site, request),
    }
}

/// Makes the ticket for this browser and leads to Microsoft's page of the expected tenant.
async fn to_microsoft(site: &Site, request: &Request, opened: &Opened<'_>, app: &ConfiguredApp) -> Answer {
    let Ok(keys) = site.keys_at_hand().await else {
        return keys_unavailable(site, request);
    };
    let seal = site.seal(&keys);
    let secret = cookie::kept(request).map_or_else(|| site.new_secret(), str::to_owned);
    let id = site.new_id();
    let ticket = Ticket {
        id,
        issued_at: seal.now,
        expires_at: seal.now.saturating_add(site.config.links.ticket.as_secs()),
        expectation: opened.invitation.expectation(app.profile.id.clone()),
        browser: Some(browser_hash(&secret, id)),
    };
    let Ok(state) = ticket.issue(seal) else {
        return turn_away(site, request, Outcome::LinkDamaged, "ticket_too_long", None);
    };
    let mut answer = reply::see_other(site.consent_address(app, opened.invitation.tenant, &state).as_str());
    let lives = site.config.links.ticket.as_secs().saturating_add(site.config.links.late.as_secs());
    if let Some(value) = cookie::set(&secret, lives) {
        answer.headers_mut().insert(SET_COOKIE, value);
    }
    answer
}

async fn open<'a>(site: &'a Site, request: &Request, token: &str) -> Result<Opened<'a>, Answer> {
    let invitation = match site.open(|seal| Invitation::open(token, seal)).await {
        Ok(Ok(invitation)) => invitation,
        Ok(Err(flaw)) => return Err(turn_away(site, request, Outcome::LinkDamaged, flaw.reason(), None)),
        Err(KeysUnavailable(_)) => return Err(keys_unavailable(site, request)),
    };
    let refuse = |outcome, reason| turn_away_with(site, request, refused(site, request, &invitation), outcome, reason, None);
    if site.is_taken_back(&[invitation.id], invitation.issued_at) {
        return Err(refuse(Outcome::LinkRevoked, "link_revoked"));
    }
    if site.clock.now_unix() > invitation.expires_at.saturating_add(site.config.links.leeway.as_secs()) {
        return Err(refuse(Outcome::LinkExpired, "link_expired"));
    }
    let (chain, apps) = match &invitation.subject {
        Subject::App(app) => (None, site.config.app(app).map(|app| vec![app])),
        Subject::Chain(id) => {
            let chain = site.config.chain(id);
            (chain, chain.and_then(|chain| chain.steps.iter().map(|step| site.config.app(step)).collect()))
        }
    };
    let apps: Vec<&ConfiguredApp> = apps.unwrap_or_default();
    match apps.first().copied() {
        Some(first) => Ok(Opened { invitation, chain, first, apps }),
        None => Err(refuse(Outcome::LinkRevoked, "app_not_configured")),
    }
}

/// The line of an invitation that is genuine and may not be used: whose it is helps whoever is called about it.
fn refused(site: &Site, request: &Request, invitation: &Invitation) -> Line {
    let (Subject::App(id) | Subject::Chain(id)) = &invitation.subject;
    let line = visitor_line(site, request, Event::Rejected).of_invitation(&invitation.expectation(id.clone()));
    match site.config.app(id) {
        Some(app) => line.of_app(&app.profile.id, app.profile.client_id),
        None => line,
    }
}

impl<'a> Opened<'a> {
    fn line(&self, site: &Site, request: &Request, event: Event) -> Line {
        let line = visitor_line(site, request, event).of_invitation(&self.invitation.expectation(self.first.profile.id.clone()));
        match self.invitation.subject {
            Subject::App(_) => line.of_app(&self.first.profile.id, self.first.profile.client_id),
            Subject::Chain(_) => line,
        }
    }

    /// The app of the pressed button; the only one, where there is one.
    fn chosen(&self, request: &Request) -> Option<&'a ConfiguredApp> {
        let form = url::form_urlencoded::parse(&request.body);
        let step = form.into_iter().find(|(name, _)| name == "step").map(|(_, step)| step.into_owned());
        match (step, self.apps.as_slice()) {
            (Some(step), apps) => apps.iter().find(|app| app.profile.id.as_str() == step).copied(),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// What the result page of a step without a callback shows. Presses of one button within a while find the same thing, so they are one
    /// matter: whoever presses it without end causes one transition, one order and one event.
    fn receipt(&self, site: &Site, app: &ProfileId, outcome: Outcome, arrived: OffsetDateTime) -> Receipt {
        Receipt {
            ticket: press_id(self.invitation.id, app, site.clock.now_unix()),
            expectation: self.invitation.expectation(app.clone()),
            claim: Claim::Silent,
            outcome,
            callback_at: site.clock.now_unix(),
            counts_from: micros(arrived),
            binding: Binding::None,
            late: false,
            signed_at: self.invitation.issued_at,
            step: 0,
            queued: Queued::No,
            event: None,
        }
    }

    fn page(&self, site: &Site, address: &str) -> Markup {
        let page = InvitationPage {
            imprint: reply::imprint(site),
            organisation: self.invitation.label.as_ref().map(|label| label.as_str()),
            address,
            expires_at: moment(self.invitation.expires_at),
            chain: self.chain.map(|chain| &*chain.name),
            steps: self.apps.iter().map(|app| step(app)).collect(),
            // One host for every step: the configuration refuses a chain across clouds.
            login_host: self.first.endpoints.authority.host_str().unwrap_or_default(),
        };
        invitation_page::invitation(&page)
    }
}

fn step(app: &ConfiguredApp) -> Step<'_> {
    Step {
        id: app.profile.id.as_str(),
        app: &app.profile.name,
        client_id: app.profile.client_id,
        purpose: app.profile.wording.purpose.as_deref(),
        permissions: &app.profile.expected,
        asked_by_name: app.scope.names_each(),
        role: role_needed(&app.profile.expected),
        companion: app.companion.as_ref().map(CompanionStep::of),
    }
}
