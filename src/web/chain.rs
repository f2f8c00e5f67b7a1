//! A chain of apps: how far it has come, and its report.

use std::time::Instant;

use http::StatusCode;

use super::Request;
use super::invitation_page::{ChainState, ReportPage, ReportStep};
use super::pages::{ChainLine, ResultPage};
use super::receipt::Shown;
use super::reply::{self, Answer};
use crate::config::{Chain, ConfiguredApp};
use crate::consent::finding::Obstacle;
use crate::consent::{Claim, Expectation, Outcome};
use crate::link::{Binding, Queued, Receipt};
use crate::site::{Again, Site};

/// How far a chain has come, for one line of a result page.
pub(super) struct Progress<'a> {
    chain: &'a Chain,
    /// `None` where it takes the worker to know.
    done: Option<usize>,
    report: String,
}

impl<'a> Progress<'a> {
    /// Looks at every app of the chain; what was looked at within 30 s is not asked for again.
    pub(super) async fn of(site: &Site, receipt: &Receipt, chain: &'a Chain, token: &str, asked: Instant) -> Self {
        let steps = look_at_all(site, receipt, chain, asked).await;
        let seen: Option<Vec<_>> = steps.iter().map(|step| Some(step.again.as_ref()?.seen)).collect();
        let done = seen.map(|seen| seen.into_iter().filter(|outcome| outcome.was_complete()).count());
        Self { chain, done, report: format!("{}/r/{token}/chain", site.issuer()) }
    }

    pub(super) fn line(&self) -> ChainLine<'_> {
        let total = self.chain.steps.len();
        let continue_href = self.done.is_none_or(|done| done < total).then_some(&*self.report);
        ChainLine { name: &self.chain.name, done: self.done, total, continue_href }
    }
}

/// One page for all apps of the chain, each with a button of its own as long as the invitation lives.
pub(super) async fn answer(site: &Site, request: &Request, receipt: &Receipt, chain: &Chain, asked: Instant) -> Answer {
    let looked = look_at_all(site, receipt, chain, asked).await;
    let shown: Vec<Shown<'_>> = looked
        .iter()
        .map(|step| {
            let mut shown = Shown::new(site, step.app, &step.receipt, step.outcome());
            (shown.look, shown.assessment) = step.again.as_ref().map(|again| (&*again.look, &again.assessment)).unzip();
            shown
        })
        .collect();
    let again = site.invitation_again(&receipt.expectation).await;
    let steps: Vec<ReportStep<'_>> = looked.iter().zip(&shown).map(|(step, shown)| step.reported(site, shown)).collect();
    let page = ReportPage {
        imprint: reply::imprint(site),
        chain: &chain.name,
        organisation: shown.first().and_then(Shown::organisation),
        steps,
        invitation_href: again.as_deref(),
        expires_at: receipt.expectation.invitation.as_ref().map(|origin| crate::world::moment(origin.expires_at)),
    };
    let state = ChainState::of(page.steps.iter().map(|step| step.result.as_ref().map(|result| result.outcome)));
    let status = if state == ChainState::Done { StatusCode::OK } else { StatusCode::ACCEPTED };
    reply::report_answer(request, status, &page)
}

/// A step, as the visit's own receipt and a look show it.
struct Step<'a> {
    app: &'a ConfiguredApp,
    receipt: Receipt,
    /// `None` where only the worker looks.
    again: Option<Again>,
}

async fn look_at_all<'a>(site: &'a Site, receipt: &Receipt, chain: &Chain, asked: Instant) -> Vec<Step<'a>> {
    let apps = chain.steps.iter().filter_map(|step| site.config.app(step));
    let steps = apps.map(async |app| {
        let is_own = receipt.expectation.app == app.profile.id;
        let receipt = step_receipt(receipt, app, site);
        let again = if is_own { site.look_again(&receipt, asked).await } else { site.look_over(&receipt, asked).await };
        Step { app, again: again.ok(), receipt }
    });
    futures_util::future::join_all(steps).await
}

impl Step<'_> {
    fn outcome(&self) -> Outcome {
        match &self.again {
            Some(again) => again.seen,
            // That an approval was seen is only ever said by whoever sees it.
            None if self.receipt.outcome.was_seen() => Outcome::Pending,
            None => self.receipt.outcome,
        }
    }

    /// Without a callback of this step, nothing of it was recorded, and an absence means no more than that.
    fn reported<'p>(&'p self, site: &'p Site, shown: &'p Shown<'_>) -> ReportStep<'p> {
        let unopened = self.receipt.claim == Claim::Silent;
        let nothing = unopened && matches!(shown.outcome, Outcome::Pending | Outcome::ReportedUnverified);
        let waits_for = self.again.as_ref().filter(|again| again.look.finding.obstacle == Some(Obstacle::VerifierNotGranted));
        ReportStep {
            id: self.app.profile.id.as_str(),
            app: &self.app.profile.name,
            result: (!nothing).then(|| ResultPage { unopened, ..shown.page(None) }),
            checked: self.again.is_some() && shown.outcome != Outcome::ReportedUnverified,
            verifier: waits_for.and_then(|_| site.config.verifier_of(self.app)).map(|verifier| &*verifier.profile.name),
        }
    }
}

/// The receipt of this visit for its own step; for another one the same visit, of which nothing came back.
fn step_receipt(receipt: &Receipt, app: &ConfiguredApp, site: &Site) -> Receipt {
    if receipt.expectation.app == app.profile.id {
        return receipt.clone();
    }
    Receipt {
        expectation: Expectation { app: app.profile.id.clone(), ..receipt.expectation.clone() },
        claim: Claim::Silent,
        outcome: Outcome::Pending,
        callback_at: site.clock.now_unix(),
        binding: if receipt.binding == Binding::Browser { Binding::Browser } else { Binding::None },
        step: 0,
        queued: Queued::No,
        event: None,
        ..receipt.clone()
    }
}
