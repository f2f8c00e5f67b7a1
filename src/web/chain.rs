//! The report of a chain of apps.

use http::StatusCode;

use super::Request;
use super::invitation_page::{ChainState, ReportPage, ReportStep};
use super::pages::ResultPage;
use super::reply::{self, Answer};
use super::shown::Shown;
use crate::approval::chain::ChainReport;
use crate::approval::check::AssessedCheck;
use crate::consent::finding::Obstacle;
use crate::consent::{Binding, Claim, Outcome, Verdict};
use crate::installation::Installation;

/// One page for all apps of the chain. While the invitation is valid, each app has its own button.
pub(super) fn answer(installation: &Installation, request: &Request, report: &ChainReport<'_>) -> Answer {
    let shown: Vec<Shown<'_>> = report.steps.iter().map(|step| Shown::new(installation, step)).collect();
    // The address of a report can reach people who never had the invitation.
    let is_own = report.steps.iter().any(|step| step.state.binding == Binding::Browser);
    let page = ReportPage {
        branding: reply::branding(installation),
        chain: &report.chain.name,
        organisation: shown.first().and_then(Shown::organisation),
        steps: shown
            .iter()
            .map(|shown| ReportStep { skipped: shown.view.is_skipped(report.chain), ..reported(installation, shown) })
            .collect(),
        invitation_href: report.invitation.as_deref().filter(|_| is_own),
        is_open: report.invitation.is_some(),
        expires_at: report.expires_at.map(crate::env::moment),
    };
    let state = ChainState::of(page.needed().map(ReportStep::outcome));
    let status = if state == ChainState::Done { StatusCode::OK } else { StatusCode::ACCEPTED };
    reply::report_answer(request, status, &page)
}

/// One step of the report. Without a callback and without a visible approval, the step has no result yet.
fn reported<'p>(installation: &'p Installation, shown: &'p Shown<'_>) -> ReportStep<'p> {
    let view = shown.view;
    let unopened = view.state.claim == Claim::NoFlag;
    let nothing = unopened && matches!(view.outcome, Outcome::Pending | Outcome::ReportedUnverified);
    let unverified = view.check.as_ref().filter(|check| check.assessment.verdict == Verdict::NoVerifier);
    let waits = |check: &&AssessedCheck| shown.awaits_verifier() || check.timed.finding.obstacle == Some(Obstacle::VerifierNotGranted);
    ReportStep {
        id: view.app.profile.id.as_str(),
        app: &view.app.profile.name,
        result: (!nothing).then(|| ResultPage { unopened, already_approved: false, ..shown.page() }),
        checked: view.check.is_some() && unverified.is_none(),
        awaits_verifier: shown.awaits_verifier(),
        skipped: false,
        verifier: unverified.filter(waits).and_then(|_| installation.config.verifier_of(view.app)).map(|verifier| &*verifier.profile.name),
    }
}
