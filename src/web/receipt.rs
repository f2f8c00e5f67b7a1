//! The result page: shows how an approval stands, looks again when it is visited again, and needs no session for either.

use std::time::{Duration, Instant};

use url::Url;

use super::invitation_page::{CompanionStep, WATCH_EVERY_SECONDS, WATCH_FOR, WatchPage};
use super::pages::{Closing, NamedBy, Organisation, RefreshPlan, ReportedCode, ResultPage};
use super::rejection::{keys_unavailable, not_recorded, turn_away, turn_away_with, visitor_line};
use super::reply::{self, Answer};
use super::users_approval::UsersMayApprove;
use super::words::{self, CodeFrom};
use super::{Request, chain};
use crate::config::{Companion, ConfiguredApp};
use crate::consent::finding::{Obstacle, Visible};
use crate::consent::profile::VerifyIn;
use crate::consent::{Assessment, ExpectedTenant, Outcome, TenantId};
use crate::link::{Binding, Queued, Receipt};
use crate::record::{Event, Line};
use crate::site::{Conclusion, Informed, KeysUnavailable, Site};
use crate::verify::Look;

/// What a visit to a receipt shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// How one app stands.
    Result,
    /// How a companion app stands, while it is approved in another tab.
    Watch,
    /// How every app of a chain stands.
    Chain,
}

/// Seconds until a pending page looks again by itself; after the last it only offers to.
const REFRESH_SECONDS: [u32; 5] = [5, 10, 20, 40, 60];

/// Answers a visit to a result page. `token` is the last part of its path.
pub(super) async fn answer(site: &Site, request: &Request, token: &str, view: View) -> Answer {
    let started = Instant::now();
    let (receipt, ends) = match site.open(|seal| Receipt::open(token, seal)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(flaw)) => return turn_away(site, request, Outcome::LinkDamaged, flaw.reason(), None),
        Err(KeysUnavailable(_)) => return keys_unavailable(site, request),
    };
    let expectation = &receipt.expectation;
    let refuse = |outcome, reason| {
        let line = visitor_line(site, request, Event::Rejected).of_ticket(receipt.ticket, expectation, receipt.binding, receipt.late);
        turn_away_with(site, request, line, outcome, reason, None)
    };
    if site.is_revoked(receipt.ticket, expectation, receipt.signed_at) {
        return refuse(Outcome::LinkRevoked, "link_revoked");
    }
    if site.clock.now_unix() > ends.saturating_add(site.config.links.leeway.as_secs()) {
        return refuse(Outcome::LinkExpired, "receipt_expired");
    }
    let Some(app) = site.config.app(&expectation.app) else {
        return refuse(Outcome::LinkRevoked, "app_not_configured");
    };
    let step = refresh_step(request);
    let chain = expectation.invitation.as_ref().and_then(|origin| site.config.chain(origin.chain.as_ref()?));
    let chain = chain.filter(|_| receipt.askable().is_some());
    if let (View::Chain, Some(chain)) = (view, chain) {
        return chain::answer(site, request, &receipt, chain, started).await;
    }
    let Ok(again) = site.look_again(&receipt, started).await else {
        return answer_without_look(site, request, app, receipt, view, step).await;
    };
    let line = match site.record_again(visitor_line(site, request, Event::Concluded), &receipt, &again) {
        Ok(line) => line,
        Err(error) => return not_recorded(site, request, &error),
    };
    let mut renewed = if line.is_some() { receipt.changed_to(again.outcome) } else { receipt.clone() };
    // An order that the queue refused is sent again; otherwise only what changed is told (law 4: a visit can be repeated at will).
    let line = line.or_else(|| waits_for_queue(site, &receipt).then(|| repeated_line(site, request, app, &receipt)));
    if let Some(line) = line {
        let before = (again.outcome != receipt.outcome).then_some(receipt.outcome);
        let seen = Some((&*again.look, &again.assessment));
        let done = Conclusion { remembered: &renewed, before, app, seen, at: site.clock.now() };
        (renewed.queued, renewed.event) = match site.hand_over(&line, done).await {
            Ok(handed) => handed,
            Err(error) => return not_recorded(site, request, &error),
        };
    }
    if renewed != receipt
        && let Some(answer) = renew(site, request, &renewed, view, step).await
    {
        return answer;
    }
    // A page never says more than the look behind it saw, and one look that saw less takes nothing back.
    let mut shown = Shown::new(site, app, &renewed, again.seen);
    (shown.look, shown.assessment) = (Some(&*again.look), Some(&again.assessment));
    shown.again = site.invitation_again(expectation).await;
    if let Some(chain) = chain {
        shown.chain = Some(chain::Progress::of(site, &renewed, chain, token, started).await);
    }
    match (view, &app.companion, expectation.tenant) {
        (View::Watch, Some(companion), ExpectedTenant::Tenant(tenant)) => watch(&shown, request, companion, tenant),
        _ => shown.answer(request, step),
    }
}

/// A visit without a look: nothing can change this outcome, or only the worker looks, or it is too soon for the next look.
async fn answer_without_look(
    site: &Site,
    request: &Request,
    app: &ConfiguredApp,
    receipt: Receipt,
    view: View,
    step: Option<usize>,
) -> Answer {
    let mut renewed = receipt.clone();
    if waits_for_queue(site, &receipt) {
        let line = repeated_line(site, request, app, &receipt);
        let done = Conclusion { remembered: &receipt, before: None, app, seen: None, at: site.clock.now() };
        (renewed.queued, renewed.event) = match site.hand_over(&line, done).await {
            Ok(handed) => handed,
            Err(error) => return not_recorded(site, request, &error),
        };
        if renewed != receipt
            && let Some(answer) = renew(site, request, &renewed, view, step).await
        {
            return answer;
        }
    }
    // That an approval was seen is only ever said by whoever sees it.
    let outcome = if receipt.outcome.was_seen() { Outcome::Pending } else { receipt.outcome };
    let mut shown = Shown::new(site, app, &renewed, outcome);
    shown.again = site.invitation_again(&receipt.expectation).await;
    match (view, &app.companion, receipt.expectation.tenant) {
        (View::Watch, Some(companion), ExpectedTenant::Tenant(tenant)) => watch(&shown, request, companion, tenant),
        _ => shown.answer(request, step),
    }
}

/// Whether an order is to be sent again that the queue refused. For what no look can change there never was one, so whoever says so made
/// the receipt with a stolen key, and nobody is told what it claims.
fn waits_for_queue(site: &Site, receipt: &Receipt) -> bool {
    receipt.queued == Queued::Refused && receipt.outcome.can_change(receipt.age(site.clock.now_unix()))
}

/// What the line of a conclusion said whose order is sent again now. It is not written again itself.
fn repeated_line(site: &Site, request: &Request, app: &ConfiguredApp, receipt: &Receipt) -> Line {
    visitor_line(site, request, Event::Concluded)
        .of_ticket(receipt.ticket, &receipt.expectation, receipt.binding, receipt.late)
        .of_client(app.profile.client_id)
        .with_outcome(receipt.ticket, receipt.callback_at, receipt.step, None, receipt.outcome)
}

/// Leads to the address that remembers what has changed: the next look is held against that and not against the first outcome. `None`
/// where a program asks, and where no key can be had.
async fn renew(site: &Site, request: &Request, renewed: &Receipt, view: View, step: Option<usize>) -> Option<Answer> {
    if reply::wants_json(&request.headers) {
        return None;
    }
    let room = if view == View::Watch { "w" } else { "r" };
    let address = site.receipt_address(room, renewed).await?;
    let query = step.filter(|step| *step > 0).map_or_else(String::new, |step| format!("?n={step}"));
    Some(reply::see_other(&(address + &query)))
}

/// The page beside the tab in which a companion app is approved: it looks every 15 s as long as an absence may be a replica's lag.
fn watch(shown: &Shown<'_>, request: &Request, companion: &Companion, tenant: TenantId) -> Answer {
    let Some(consent_url) = companion.consent_address(ExpectedTenant::Tenant(tenant)) else {
        return shown.answer(request, None);
    };
    let open = !matches!(shown.outcome, Outcome::Granted | Outcome::ReportedUnverified);
    let waits = open && shown.age() < WATCH_FOR && refresh_step(request).is_some();
    let result = ResultPage {
        refresh: waits.then_some(RefreshPlan { seconds: WATCH_EVERY_SECONDS, next_href: "?n=1", stop_href: "?n=stop" }),
        ..shown.page(None)
    };
    let listed = match &shown.look.map(|look| &look.finding.service_principal) {
        Some(Visible::Seen(_) | Visible::Partly(_)) => Some(true),
        Some(Visible::Absent) => Some(false),
        _ => None,
    };
    let login_host = consent_url.host_str().unwrap_or_default();
    let page = WatchPage { result, listed, consent_url: &consent_url, login_host, companion: CompanionStep::of(companion) };
    reply::watch_answer(request, words::status(shown.outcome), &page)
}

/// How often the page has looked by itself, from `?n=`; anything else stops it.
fn refresh_step(request: &Request) -> Option<usize> {
    match request.query.as_slice() {
        b"" => Some(0),
        [b'n', b'=', digit @ b'0'..=b'9'] => Some(usize::from(digit - b'0')),
        _ => None,
    }
}

/// An outcome on its way to a page. Its line was flushed.
pub(super) struct Shown<'a> {
    pub(super) site: &'a Site,
    pub(super) app: &'a ConfiguredApp,
    pub(super) receipt: &'a Receipt,
    pub(super) outcome: Outcome,
    pub(super) look: Option<&'a Look>,
    pub(super) assessment: Option<&'a Assessment>,
    /// The invitation's address, for another try.
    pub(super) again: Option<String>,
    pub(super) chain: Option<chain::Progress<'a>>,
    ticket: String,
    sign_out: Url,
}

impl<'a> Shown<'a> {
    /// An outcome whose line was flushed, without a look.
    pub(super) fn new(site: &'a Site, app: &'a ConfiguredApp, receipt: &'a Receipt, outcome: Outcome) -> Self {
        let ticket = receipt.ticket.to_string();
        let sign_out = app.endpoints.sign_out_url();
        Self { site, app, receipt, outcome, look: None, assessment: None, again: None, chain: None, ticket, sign_out }
    }

    /// The page, or its JSON twin. `step` counts the visits the page made by itself; `None` where it does not.
    pub(super) fn answer(&self, request: &Request, step: Option<usize>) -> Answer {
        let next = step.map_or_else(String::new, |step| format!("?n={}", step.saturating_add(1)));
        let refresh = step.filter(|_| self.waits()).and_then(|step| REFRESH_SECONDS.get(step)).map(|seconds| RefreshPlan {
            seconds: *seconds,
            next_href: &next,
            stop_href: "?n=stop",
        });
        reply::result_answer(request, words::status(self.outcome), &self.page(refresh))
    }

    /// The time since the callback.
    fn age(&self) -> Duration {
        self.receipt.age(self.site.clock.now_unix())
    }

    /// Whether whoever reads the page waits for another outcome.
    fn waits(&self) -> bool {
        self.outcome.is_waited_for() && !self.is_verified_later() && self.outcome.can_change(self.age())
    }

    /// Whether only the worker asks about this app.
    fn is_verified_later(&self) -> bool {
        self.app.profile.verify_in == VerifyIn::Worker
    }

    /// Whether visiting the page again can show more.
    fn can_be_looked_at(&self) -> bool {
        self.look.is_some() || (self.receipt.askable().is_some() && !self.is_verified_later())
    }

    fn closing(&self) -> Closing {
        let can_change = self.outcome.can_change(self.age());
        match self.receipt.queued {
            Queued::Refused if can_change => Closing::PleaseReload,
            Queued::Sent if can_change && self.is_verified_later() => Closing::WillConfirm,
            Queued::Sent if self.waits() => Closing::KeepsLooking,
            _ if self.waits() => Closing::Nothing,
            _ => Closing::Concluded(self.informed()),
        }
    }

    /// Whether the operator has been informed of the outcome that the page shows.
    fn informed(&self) -> Informed {
        let event = self.receipt.event.as_deref().filter(|_| self.outcome == self.receipt.outcome);
        event.zip(self.site.outbox()).map(|(event, outbox)| outbox.informed(event)).unwrap_or_default()
    }

    /// Everything the page tells.
    pub(super) fn page<'p>(&'p self, refresh: Option<RefreshPlan<'p>>) -> ResultPage<'p> {
        let Self { site, app, receipt, outcome, look, assessment, .. } = self;
        let claimed = receipt.claim.error();
        let by_callback = || {
            let code = claimed?.code.map(|code| ReportedCode { code, from: CodeFrom::Callback });
            Some((code, claimed?.trace_id, claimed?.correlation_id))
        };
        let by_look = || {
            let look = (*look)?;
            let code = look.finding.code.map(|code| ReportedCode { code, from: CodeFrom::Look });
            Some((code, look.trace_id, look.correlation_id))
        };
        let rests_on_claim = assessment.is_none_or(|assessment| assessment.verdict.leaves_it_to_the_claim());
        let (code, trace_id, correlation_id) = if rests_on_claim { by_callback() } else { by_look() }.unwrap_or_default();
        let missing_resource = look.and_then(|look| match look.finding.obstacle {
            Some(Obstacle::ResourceMissing(resource)) => app.profile.on(resource).map(|expected| &*expected.name),
            _ => None,
        });
        let astray = matches!(outcome, Outcome::WrongTenant | Outcome::WrongAccount);
        ResultPage {
            app: Some(&app.profile.name),
            purpose: app.profile.wording.purpose.as_deref(),
            afterwards: app.profile.wording.afterwards.as_deref(),
            organisation: self.organisation(),
            code,
            missing_resource,
            trace_id,
            correlation_id,
            missing: assessment.map_or(&[], |assessment| &assessment.difference.missing),
            unseen: assessment.map_or(&[], |assessment| &assessment.difference.unseen),
            unexpected: assessment.map_or(&[], |assessment| &assessment.difference.unexpected),
            forbidden: assessment.map_or(&[], |assessment| &assessment.difference.forbidden),
            optional_absent: assessment.map_or(&[], |assessment| &assessment.difference.optional_absent),
            users_may_approve: app.companion.as_ref().and_then(|companion| {
                let policy = look.and_then(|look| look.finding.users_may_consent.seen().copied());
                UsersMayApprove::of(policy, companion.users_may_approve)
            }),
            looked_at: look.map(|look| look.at),
            age: look.map(|look| site.clock.since(look.at)),
            provisional: outcome.can_change(self.age()),
            refresh,
            check_again_href: (self.can_be_looked_at() && *outcome != Outcome::Granted).then_some("?n=0"),
            again_href: self.again.as_deref().filter(|_| astray),
            sign_out_href: astray.then_some(&self.sign_out),
            chain: self.chain.as_ref().map(chain::Progress::line),
            closing: self.closing(),
            verified_later: self.is_verified_later(),
            reference: receipt.expectation.reference.as_ref().map(|reference| reference.as_str()),
            record_id: Some(&self.ticket),
            ..ResultPage::new(reply::imprint(site), *outcome)
        }
    }

    /// The organisation, only for the browser that set out from our page: whoever holds a direct link need not learn its name.
    pub(super) fn organisation(&self) -> Option<Organisation<'_>> {
        if self.receipt.binding != Binding::Browser {
            return None;
        }
        let graph = self.look.and_then(|look| look.finding.tenant_name.as_ref());
        let label = self.receipt.expectation.label.as_ref();
        graph
            .map(|name| Organisation { name: name.as_str(), named_by: NamedBy::Graph })
            .or_else(|| label.map(|label| Organisation { name: label.as_str(), named_by: NamedBy::Operator }))
    }
}
