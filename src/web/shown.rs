//! An approval as its page shows it.

use std::time::Duration;

use url::Url;

use super::Request;
use super::invitation_page::Letter;
use super::pages::{ChainLine, Closing, NamedBy, Organisation, RefreshPlan, ReportedCode, ResultPage};
use super::reply::{self, Answer};
use super::users_approval::UsersMayApprove;
use super::words::{self, CodeFrom};
use crate::approval::ApprovalView;
use crate::consent::finding::Obstacle;
use crate::consent::permissions::{self, NamedPermission};
use crate::consent::profile::VerifyIn;
use crate::consent::roles::role_needed;
use crate::consent::{ApprovalState, Binding, Outcome, Owner, Queued, ResourceId, Verdict, aadsts};
use crate::installation::{Informed, Installation};
use crate::token::ticket::press_id;

/// The delay in seconds before each automatic check of a waiting page. After the last check, the page only offers a button.
const REFRESH_SECONDS: [u32; 5] = [15, 15, 20, 40, 60];

/// The page's own address without a query, so that a page that was stopped reloads again.
const CHECK_AGAIN: &str = "?";

/// When the page reloads next. The approval's age decides, so that every reload has the same address and adds nothing to the history.
fn seconds_to_reload(age: Duration) -> Option<u32> {
    let ends = REFRESH_SECONDS.iter().scan(0, |end: &mut u32, seconds| {
        *end = end.saturating_add(*seconds);
        Some((*end, *seconds))
    });
    ends.into_iter().find(|(end, _)| age.as_secs() < u64::from(*end)).map(|(_, seconds)| seconds)
}

/// A mail with the invitation to an administrator, for a reader who may lack the role.
fn pass_on(installation: &Installation, view: &ApprovalView<'_>) -> Option<String> {
    let helps = matches!(view.outcome, Outcome::NotAnAdmin | Outcome::Declined) && view.state.binding == Binding::Browser;
    let address = view.invitation.as_deref().filter(|_| helps)?;
    let expected = &view.state.expectation;
    let letter = Letter {
        organisation: expected.label.as_ref().map(|label| label.as_str()),
        role: role_needed(&view.app.profile.expected),
        address,
        expires_at: crate::env::moment(expected.invitation.as_ref()?.expires_at),
    };
    letter.mail(reply::branding(installation).names(), &view.app.profile.name)
}

/// An approval, ready to render.
pub(super) struct Shown<'a> {
    pub(super) view: &'a ApprovalView<'a>,
    installation: &'a Installation,
    ticket: String,
    /// The name of the resource that is missing or disabled in the tenant.
    resource: Option<(String, ResourceId)>,
    sign_out: Url,
    centre: String,
    pass_on: Option<String>,
    granted: Vec<NamedPermission>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(installation: &'a Installation, view: &'a ApprovalView<'a>) -> Self {
        let name = |resource| match view.app.profile.on(resource) {
            Some(expected) => expected.name.to_string(),
            None => resource.to_string(),
        };
        Self {
            view,
            installation,
            ticket: view.state.ticket.to_string(),
            resource: view.missing_resource().map(|resource| (name(resource), resource)),
            sign_out: view.app.endpoints.sign_out_url(),
            centre: view.app.endpoints.enterprise_apps_url(),
            pass_on: pass_on(installation, view),
            granted: view.check.as_ref().map(|check| permissions::granted(&view.app.profile, &check.timed.finding)).unwrap_or_default(),
        }
    }

    /// The page, or its JSON twin.
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let page = self.page();
        // A person takes longer than the page reloads.
        let waits = self.waits() && page.words().turn == Owner::Microsoft && !request.stops_reloading();
        let seconds = if waits { seconds_to_reload(self.age()) } else { None };
        let page = ResultPage { refresh: seconds.map(RefreshPlan::of), ..page };
        reply::result_answer(request, words::status(self.view.outcome), &page)
    }

    /// The time since the callback.
    pub(super) fn age(&self) -> Duration {
        self.view.state.age(self.installation.clock.now_unix())
    }

    /// Whether the check saw nothing because Microsoft does not show the verifier yet.
    pub(super) fn awaits_verifier(&self) -> bool {
        let ApprovalView { outcome, check, .. } = self.view;
        *outcome == Outcome::Pending && check.as_ref().is_some_and(|check| check.assessment.verdict == Verdict::NoVerifier)
    }

    /// Whether the page still expects another outcome.
    fn waits(&self) -> bool {
        self.view.outcome.is_waited_for() && !self.is_verified_later() && self.view.outcome.can_change(self.age())
    }

    /// Whether a button led to this page, without a trip to Microsoft. For a companion, the reader may have gone there since.
    fn is_of_press(&self) -> bool {
        let ApprovalState { ticket, expectation, callback_at, .. } = &self.view.state;
        expectation.invitation.as_ref().is_some_and(|origin| *ticket == press_id(origin.id, &expectation.app, *callback_at))
    }

    /// Whether only the worker can check this app.
    fn is_verified_later(&self) -> bool {
        self.view.app.profile.verify_in == VerifyIn::Worker
    }

    /// Whether another visit to the page can show more.
    fn can_be_checked(&self) -> bool {
        self.view.check.is_some() || (self.view.state.askable().is_some() && !self.is_verified_later())
    }

    fn closing(&self) -> Closing {
        let can_change = self.view.outcome.can_change(self.age());
        match self.view.state.queued {
            Queued::Refused if can_change => Closing::PleaseReload,
            Queued::Sent if can_change && self.is_verified_later() => Closing::WillConfirm,
            Queued::Sent if self.waits() => Closing::KeepsLooking,
            _ if self.waits() => Closing::Nothing,
            _ => Closing::Concluded(self.informed()),
        }
    }

    /// Whether the event that reports the outcome on the page has reached the operator. Unknown if no event reports this outcome.
    fn informed(&self) -> Informed {
        let event = self.view.state.event.as_deref().filter(|_| self.view.outcome == self.view.state.outcome);
        event.zip(self.installation.outbox()).map(|(event, outbox)| outbox.informed(event)).unwrap_or_default()
    }

    /// The complete page.
    pub(super) fn page(&self) -> ResultPage<'_> {
        let ApprovalView { app, state, outcome, check, address, invitation, chain } = self.view;
        let timed = check.as_ref().map(|check| &*check.timed);
        let assessment = check.as_ref().map(|check| &check.assessment);
        let claimed = state.claim.error();
        let by_callback = || {
            let claimed = claimed?;
            let entry = |code| aadsts::lookup_in_callback(code, claimed.class);
            let code = claimed.code.map(|code| ReportedCode { code, entry: entry(code), from: CodeFrom::Callback });
            Some((code, claimed.trace_id, claimed.correlation_id))
        };
        let by_check = || {
            let timed = timed?;
            let code = timed.finding.code.map(|code| ReportedCode { code, entry: aadsts::lookup(code), from: CodeFrom::Check });
            Some((code, timed.trace_id, timed.correlation_id))
        };
        let rests_on_claim = assessment.is_none_or(|assessment| assessment.verdict.leaves_it_to_the_claim());
        let (code, trace_id, correlation_id) = if rests_on_claim { by_callback() } else { by_check() }.unwrap_or_default();
        let astray = matches!(outcome, Outcome::WrongTenant | Outcome::WrongAccount);
        ResultPage {
            app: Some(&app.profile.name),
            purpose: app.profile.wording.purpose.as_deref(),
            afterwards: app.profile.wording.afterwards.as_deref(),
            organisation: self.organisation(),
            code,
            missing_resource: self.resource.as_ref().map(|(name, _)| &**name),
            missing_resource_id: self.resource.as_ref().map(|(_, id)| *id),
            is_check_refused: timed.is_some_and(|timed| timed.finding.obstacle == Some(Obstacle::UnknownRefusal)),
            other_tenant: rests_on_claim && claimed.is_some_and(|error| error.other_tenant),
            awaits_verifier: self.awaits_verifier(),
            trace_id,
            correlation_id,
            granted: &self.granted,
            missing: assessment.map_or(&[], |assessment| &assessment.difference.missing),
            unseen: assessment.map_or(&[], |assessment| &assessment.difference.unseen),
            unexpected: assessment.map_or(&[], |assessment| &assessment.difference.unexpected),
            forbidden: assessment.map_or(&[], |assessment| &assessment.difference.forbidden),
            optional_absent: assessment.map_or(&[], |assessment| &assessment.difference.optional_absent),
            users_may_approve: app.companion.as_ref().and_then(|companion| {
                let policy = timed.and_then(|timed| timed.finding.users_may_consent.seen().copied());
                UsersMayApprove::of(policy, companion.users_may_approve)
            }),
            looked_at: timed.map(|timed| timed.at),
            came_back_at: Some(crate::env::moment(state.callback_at)),
            age: timed.map(|timed| self.installation.clock.since(timed.at)),
            provisional: outcome.can_change(self.age()),
            check_again_href: (self.can_be_checked() && *outcome != Outcome::Granted).then_some(CHECK_AGAIN),
            again_href: invitation.as_deref().filter(|_| state.binding == Binding::Browser),
            centre_href: Some(&self.centre),
            pass_on_href: self.pass_on.as_deref(),
            sign_out_href: astray.then_some(&self.sign_out),
            chain: chain.as_ref().map(|progress| {
                let continue_href = progress.done.is_none_or(|done| done < progress.total).then_some(&*progress.report);
                ChainLine { name: &progress.chain.name, done: progress.done, total: progress.total, continue_href }
            }),
            closing: self.closing(),
            verified_later: self.is_verified_later(),
            already_approved: self.is_of_press() && app.companion.is_none() && outcome.was_complete(),
            reference: state.expectation.reference.as_ref().map(|reference| reference.as_str()),
            address: address.as_deref(),
            record_id: Some(&self.ticket),
            ..ResultPage::new(reply::branding(self.installation), *outcome)
        }
    }

    /// The organisation, only for the browser that pressed the button. A person with a direct link or the page's address does not learn the
    /// organisation's name.
    pub(super) fn organisation(&self) -> Option<Organisation<'_>> {
        if self.view.state.binding != Binding::Browser {
            return None;
        }
        let graph = self.view.check.as_ref().and_then(|check| check.timed.finding.tenant_name.as_ref());
        let label = self.view.state.expectation.label.as_ref();
        graph
            .map(|name| Organisation { name: name.as_str(), named_by: NamedBy::Graph })
            .or_else(|| label.map(|label| Organisation { name: label.as_str(), named_by: NamedBy::Operator }))
    }
}
