//! The receipt routes: the result page, the watch page and the report of a chain.

use std::time::Instant;

use super::invitation_page::{CompanionStep, WATCH_EVERY_SECONDS, WATCH_FOR, WatchPage};
use super::pages::{RefreshPlan, ResultPage};
use super::rejection::refused;
use super::reply::{self, Answer};
use super::request::STOP_RELOADING;
use super::shown::Shown;
use super::{Request, chain, words};
use crate::approval::revisit::{RevisitReply, View, revisit};
use crate::config::Companion;
use crate::consent::finding::Visible;
use crate::consent::{ExpectedTenant, Outcome, TenantId};
use crate::installation::Installation;

/// Answers a visit. `token` is the last segment of the request's path.
pub(super) async fn answer(installation: &Installation, request: &Request, token: &str, view: View) -> Answer {
    let started = Instant::now();
    match revisit(installation, &request.visitor(), token, view, started).await {
        Ok(RevisitReply::Approval(approval)) => {
            let shown = Shown::new(installation, &approval);
            match (view, &approval.app.companion, approval.state.expectation.tenant) {
                (View::Watch, Some(companion), ExpectedTenant::Tenant(tenant)) => {
                    let step = CompanionStep::of(approval.app, companion, installation.clock.now());
                    watch(&shown, request, companion, step, tenant)
                }
                _ => shown.answer(request),
            }
        }
        Ok(RevisitReply::Renewed(address)) => {
            let query = if request.stops_reloading() { STOP_RELOADING } else { "" };
            reply::see_other(&(address + query))
        }
        Ok(RevisitReply::Chain(report)) => chain::answer(installation, request, &report),
        Err(refusal) => refused(installation, request, refusal),
    }
}

/// The page that stays open while an administrator approves a companion app in another tab. It checks every 15 s as long as replication lag
/// can explain a missing approval.
fn watch(shown: &Shown<'_>, request: &Request, companion: &Companion, step: CompanionStep<'_>, tenant: TenantId) -> Answer {
    let Some(consent_url) = companion.consent_address(ExpectedTenant::Tenant(tenant)) else {
        return shown.answer(request);
    };
    let open = !matches!(shown.view.outcome, Outcome::Granted | Outcome::ReportedUnverified);
    let waits = open && shown.age() < WATCH_FOR && !request.stops_reloading();
    let result = ResultPage { refresh: waits.then_some(RefreshPlan::of(WATCH_EVERY_SECONDS)), ..shown.page() };
    let listed = match shown.view.check.as_ref().map(|check| &check.timed.finding.service_principal) {
        Some(Visible::Seen(_) | Visible::Partly(_)) => Some(true),
        Some(Visible::Absent) => Some(false),
        _ => None,
    };
    let login_host = consent_url.host_str().unwrap_or_default();
    let page = WatchPage { result, listed, consent_url: &consent_url, login_host, companion: step };
    reply::watch_answer(request, words::status(shown.view.outcome), &page)
}
