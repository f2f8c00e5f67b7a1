//! A chain of apps: how far it has come, and its report.

use std::time::Instant;

use http::StatusCode;

use super::Request;
use super::invitation_page::{ChainState, ReportPage, ReportStep};
use super::pages::ChainLine;
use super::receipt::Shown;
use super::router::{self, Answer};
use crate::config::{Chain, ConfiguredApp};
use crate::consent::outcome::conclude;
use crate::consent::{Claim, Expectation, Outcome, ProfileId, TenantId};
use crate::link::{Binding, Receipt};
use crate::site::{Site, TimedLook};
use crate::verify::Occasion;

/// How far a chain has come, for one line of a result page.
pub(super) struct Progress<'a> {
    chain: &'a Chain,
    /// `None` where it takes the worker to know.
    done: Option<usize>,
    report: String,
}

impl<'a> Progress<'a> {
    /// Looks at every app of the chain; what was looked at within 30 s is not asked for again. `own` is the app of the page and how it
    /// stands there.
    pub(super) async fn of(
        site: &Site,
        chain: &'a Chain,
        tenant: TenantId,
        token: &str,
        own: (&ProfileId, Outcome),
        asked: Instant,
    ) -> Self {
        let looks = look_at_all(site, chain, tenant, asked).await;
        let stands = |app: &ConfiguredApp, look: &Option<TimedLook>| match own {
            (id, outcome) if *id == app.profile.id => Some(outcome),
            _ => look.as_ref().map(|look| standing(app, look)),
        };
        let outcomes: Option<Vec<_>> = looks.iter().map(|(app, look)| stands(app, look)).collect();
        let done = outcomes.map(|outcomes| outcomes.into_iter().filter(|outcome| outcome.was_complete()).count());
        Self { chain, done, report: format!("{}/r/{token}/chain", site.issuer()) }
    }

    pub(super) fn line(&self) -> ChainLine<'_> {
        let total = self.chain.steps.len();
        let continue_href = self.done.is_none_or(|done| done < total).then_some(&*self.report);
        ChainLine { name: &self.chain.name, done: self.done, total, continue_href }
    }
}

/// One page for all apps of the chain, each with a button of its own as long as the invitation lives.
pub(super) async fn answer(site: &Site, request: &Request, receipt: &Receipt, chain: &Chain, tenant: TenantId, asked: Instant) -> Answer {
    let looks = look_at_all(site, chain, tenant, asked).await;
    let outcome = |app: &ConfiguredApp, look: &Option<TimedLook>| look.as_ref().map_or(Outcome::Pending, |look| standing(app, look));
    let receipts: Vec<Receipt> = looks.iter().map(|(app, look)| step_receipt(receipt, app, outcome(app, look), site)).collect();
    let assessments: Vec<_> = looks.iter().map(|(app, look)| Some(look.as_ref()?.finding.assess(&app.profile))).collect();
    let mut shown = Vec::new();
    for (((app, look), receipt), assessment) in looks.iter().zip(&receipts).zip(&assessments) {
        let mut step = Shown::new(site, app, receipt, receipt.outcome);
        (step.look, step.assessment) = (look.as_deref(), assessment.as_ref());
        shown.push(step);
    }
    let again = site.invitation_again(&receipt.expectation).await;
    let steps: Vec<ReportStep<'_>> = shown
        .iter()
        .map(|step| ReportStep {
            id: step.app.profile.id.as_str(),
            app: &step.app.profile.name,
            // Nothing seen says that nobody has approved it here yet, not that somebody tried.
            result: (step.outcome != Outcome::Pending).then(|| step.page(None)),
        })
        .collect();
    let page = ReportPage {
        imprint: site.imprint(),
        chain: &chain.name,
        organisation: shown.first().and_then(Shown::organisation),
        steps,
        invitation_href: again.as_deref(),
        expires_at: receipt.expectation.invitation.as_ref().map(|origin| crate::world::moment(origin.expires_at)),
    };
    let state = ChainState::of(page.steps.iter().map(|step| step.result.as_ref().map(|result| result.outcome)));
    let status = if state == ChainState::Done { StatusCode::OK } else { StatusCode::ACCEPTED };
    router::report_answer(request, status, &page)
}

async fn look_at_all<'a>(site: &'a Site, chain: &Chain, tenant: TenantId, asked: Instant) -> Vec<(&'a ConfiguredApp, Option<TimedLook>)> {
    let apps = chain.steps.iter().filter_map(|step| site.config.app(step));
    futures_util::future::join_all(apps.map(async |app| (app, site.look(app, tenant, Occasion::Overview, asked).await.ok()))).await
}

/// How an app stands without a claim of anybody's.
fn standing(app: &ConfiguredApp, look: &TimedLook) -> Outcome {
    conclude(&Claim::Silent, look.finding.assess(&app.profile).verdict, std::time::Duration::ZERO, None)
}

/// A step's receipt for showing: the same visit, another app, no claim.
fn step_receipt(receipt: &Receipt, app: &ConfiguredApp, outcome: Outcome, site: &Site) -> Receipt {
    Receipt {
        expectation: Expectation { app: app.profile.id.clone(), ..receipt.expectation.clone() },
        claim: Claim::Silent,
        outcome,
        callback_at: site.clock.now_unix(),
        binding: if receipt.binding == Binding::Browser { Binding::Browser } else { Binding::None },
        ..receipt.clone()
    }
}
