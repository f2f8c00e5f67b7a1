//! The result page: shows how an approval stands, looks again when it is visited again, and needs no session for either.

use std::time::{Duration, Instant};

use super::Request;
use super::callback::{keys_unavailable, not_recorded};
use super::pages::{Closing, NamedBy, Organisation, RefreshPlan, ReportedCode, ResultPage};
use super::router::{self, Answer, turn_away, visitor_line};
use super::words::{self, CodeFrom};
use crate::config::ConfiguredApp;
use crate::consent::finding::Obstacle;
use crate::consent::{Assessment, Outcome, Verdict};
use crate::link::{Binding, Receipt};
use crate::record::Event;
use crate::site::{KeysUnavailable, Site};
use crate::verify::Look;

/// Seconds until a pending page looks again by itself; after the last it only offers to.
const REFRESH_SECONDS: [u32; 5] = [5, 10, 20, 40, 60];

/// Answers a visit to a result page. `token` is the last part of its path.
pub(super) async fn answer(site: &Site, request: &Request, token: &str) -> Answer {
    let started = Instant::now();
    let (receipt, ends) = match site.open(|seal| Receipt::open(token, seal)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(flaw)) => return turn_away(site, request, Outcome::LinkDamaged, flaw.reason(), None),
        Err(KeysUnavailable(_)) => return keys_unavailable(site, request),
    };
    let expectation = &receipt.expectation;
    if site.is_revoked(receipt.ticket, expectation.invitation, receipt.signed_at) {
        return turn_away(site, request, Outcome::LinkRevoked, "link_revoked", None);
    }
    if site.clock.now_unix() > ends.saturating_add(site.config.links.leeway.as_secs()) {
        return turn_away(site, request, Outcome::LinkExpired, "receipt_expired", None);
    }
    let Some(app) = site.config.app(&expectation.app) else {
        return turn_away(site, request, Outcome::LinkRevoked, "app_not_configured", None);
    };
    let step = refresh_step(request);
    let Some(again) = site.look_again(&receipt, started).await else {
        let shown = Shown { site, app, receipt: &receipt, outcome: receipt.outcome, look: None, assessment: None };
        return shown.answer(request, step);
    };
    if let Err(error) = site.record_again(visitor_line(site, request, Event::Concluded), &receipt, &again) {
        return not_recorded(site, request, &error);
    }
    if again.outcome != receipt.outcome && !router::wants_json(&request.headers) {
        // The next look is held against this outcome and not against the first one, so the address has to remember it.
        if let Some(address) = site.receipt_address(&receipt.changed_to(again.outcome)).await {
            let query = step.filter(|step| *step > 0).map_or_else(String::new, |step| format!("?n={step}"));
            return router::see_other(&(address + &query));
        }
    }
    let (outcome, look, assessment) = (again.outcome, Some(&*again.look), Some(&again.assessment));
    Shown { site, app, receipt: &receipt, outcome, look, assessment }.answer(request, step)
}

/// The time since the callback.
fn age(site: &Site, receipt: &Receipt) -> Duration {
    Duration::from_secs(site.clock.now_unix().saturating_sub(receipt.callback_at))
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
}

impl Shown<'_> {
    /// The page, or its JSON twin. `step` counts the visits the page made by itself; `None` where it does not.
    pub(super) fn answer(&self, request: &Request, step: Option<usize>) -> Answer {
        let Self { site, app, receipt, outcome, look, assessment } = self;
        let provisional = outcome.can_change(age(site, receipt));
        let next = step.map_or_else(String::new, |step| format!("?n={}", step.saturating_add(1)));
        let waits =
            provisional && matches!(outcome, Outcome::Pending | Outcome::ApprovalRequested | Outcome::Unavailable | Outcome::OperatorFault);
        let refresh = step.filter(|_| waits).and_then(|step| REFRESH_SECONDS.get(step)).map(|seconds| RefreshPlan {
            seconds: *seconds,
            next_href: &next,
            stop_href: "?n=stop",
        });
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
        let (code, trace_id, correlation_id) = match assessment.map(|assessment| assessment.verdict) {
            // Nothing was seen, so it is the claim that is told; that our look was refused for it is what "nothing seen" means.
            Some(Verdict::NothingSeen | Verdict::RequestOpen | Verdict::NobodyMayLook) | None => by_callback(),
            Some(_) => by_look(),
        }
        .unwrap_or_default();
        let missing_resource = look.and_then(|look| match look.finding.obstacle {
            Some(Obstacle::ResourceMissing(resource)) => app.profile.on(resource).map(|expected| &*expected.name),
            _ => None,
        });
        let ticket = receipt.ticket.to_string();
        let page = ResultPage {
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
            looked_at: look.map(|look| look.at),
            age: look.map(|look| site.clock.since(look.at)),
            provisional,
            refresh,
            check_again_href: (look.is_some() && *outcome != Outcome::Granted).then_some("?n=0"),
            closing: if !waits { Closing::Informed } else { Closing::Nothing },
            reference: receipt.expectation.reference.as_ref().map(|reference| reference.as_str()),
            record_id: Some(&ticket),
            ..ResultPage::new(site.imprint(), *outcome)
        };
        router::result_answer(request, words::status(*outcome), &page)
    }

    /// The organisation, only for the browser that set out from our page: whoever holds a direct link need not learn its name.
    fn organisation(&self) -> Option<Organisation<'_>> {
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
