//! The report of a chain: the state of each app.

use maud::{Markup, Render as _, html};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::consent::outcome::Tone;
use crate::consent::{Outcome, Owner};
use crate::web::pages::{Branding, Icon, Moment, NamedBy, Organisation, PageMarks, ResultPage, lists, result_json, shell, verdict};
use crate::web::words::{INVITATION, Names, PageText};

/// One step of a chain, with its state.
#[derive(Debug, Clone)]
pub struct ReportStep<'a> {
    /// The app profile's id: the value of the form field `step`.
    pub id: &'a str,
    /// The app's name as people know it.
    pub app: &'a str,
    /// The result of the step. `None` if no callback arrived and no check saw an approval.
    pub result: Option<ResultPage<'a>>,
    /// Whether Microsoft answered a check.
    pub checked: bool,
    /// The verifier, if a person must approve it before we can check this app.
    pub verifier: Option<&'a str>,
    /// The verifier was approved, and Microsoft does not show it yet.
    pub awaits_verifier: bool,
    /// The step is optional, and the tenant lacks what it needs: the chain goes on without it.
    pub skipped: bool,
}

impl ReportStep<'_> {
    pub(in crate::web) fn outcome(&self) -> Option<Outcome> {
        self.result.as_ref().map(|result| result.outcome)
    }
}

/// The report of a chain: all apps on one page.
#[derive(Debug, Clone)]
pub struct ReportPage<'a> {
    /// The operator's details.
    pub branding: Branding<'a>,
    /// The chain's name from the configuration.
    pub chain: &'a str,
    /// The organisation, only if the reader may see it.
    pub organisation: Option<Organisation<'a>>,
    /// At least one app, in order.
    pub steps: Vec<ReportStep<'a>>,
    /// The invitation's address, where each step has its button. `None` if the invitation is no longer valid, or the reader never had it.
    pub invitation_href: Option<&'a str>,
    /// Whether the invitation is valid.
    pub is_open: bool,
    /// When the invitation expires.
    pub expires_at: Option<OffsetDateTime>,
}

crate::consent::named! {
    /// The progress of a chain.
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum ChainState {
        /// No step has a known state.
        NotStarted = "not_started",
        /// At least one step has a known state, and none is done.
        Started = "started",
        /// Some steps are done, but not all.
        HalfDone = "half_done",
        /// A check saw every required permission of every app.
        Done = "done",
    }
}

impl ChainState {
    /// Derives the state of a chain from the outcomes of its steps; `None` is a step with an unknown state.
    #[must_use]
    pub fn of(steps: impl IntoIterator<Item = Option<Outcome>>) -> Self {
        let steps: Vec<_> = steps.into_iter().collect();
        if steps.iter().all(|step| step.is_some_and(Outcome::was_complete)) {
            Self::Done
        } else if steps.iter().all(Option::is_none) {
            Self::NotStarted
        } else if steps.iter().flatten().any(|outcome| outcome.was_complete()) {
            Self::HalfDone
        } else {
            Self::Started
        }
    }
}

impl<'a> ReportPage<'a> {
    /// The steps without the skipped ones.
    pub(in crate::web) fn needed(&self) -> impl Iterator<Item = &ReportStep<'a>> {
        self.steps.iter().filter(|step| !step.skipped)
    }

    fn outcomes(&self) -> impl Iterator<Item = Option<Outcome>> {
        self.needed().map(ReportStep::outcome)
    }

    fn state(&self) -> ChainState {
        ChainState::of(self.outcomes())
    }

    fn done(&self) -> usize {
        self.outcomes().flatten().filter(|outcome| outcome.was_complete()).count()
    }

    fn title(&self) -> PageText<'static> {
        match self.state() {
            ChainState::NotStarted | ChainState::Started | ChainState::HalfDone => {
                INVITATION.text("report-progress").with("done", self.done()).with("total", self.needed().count())
            }
            ChainState::Done => INVITATION.text("report-done"),
        }
    }

    /// The first step in which the reader has to act, with its number.
    fn next_step(&self) -> Option<(usize, &ReportStep<'a>)> {
        (1..).zip(&self.steps).filter(|(_, step)| !step.skipped).find(|(_, step)| match &step.result {
            None => true,
            Some(result) => result.words().asks_reader() && !result.outcome.was_complete(),
        })
    }
}

impl ChainState {
    fn tone(self) -> Tone {
        match self {
            Self::NotStarted | Self::Started => Tone::Start,
            Self::HalfDone => Tone::Partly,
            Self::Done => Tone::Good,
        }
    }
}

/// Renders the report of a chain. The report links to the steps of the invitation and has no button, so its policy allows no forms.
#[must_use]
pub fn report(page: &ReportPage<'_>) -> Markup {
    let state = page.state();
    let (title, names) = (page.title(), page.branding.names());
    let next = page.next_step();
    let body = html! {
        (verdict(state.tone(), &title, names, Some(html! { bdi { (page.chain) } })))
        @if page.needed().any(|step| !step.checked) { p.lead { (INVITATION.text("report-unchecked")) } }
        (what_is_left(page, next))
        @if let Some(organisation) = page.organisation {
            dl.facts {
                dt { (INVITATION.text("report-organisation")) }
                dd {
                    bdi { (organisation.name) }
                    @if organisation.named_by == NamedBy::Operator {
                        " " span.quiet { (INVITATION.text("named-by-operator").fill(names)) }
                    }
                }
            }
        }
        @for (number, step) in (1..).zip(&page.steps) {
            (reported_step(page, number, step, next.is_some_and(|(next, _)| next == number)))
        }
    };
    let marks = PageMarks { page: Some("report"), chain: Some(state.name()), ..PageMarks::default() };
    shell(page.branding, &title, names, marks, state.tone(), &body)
}

/// A link to a step of the invitation. The step shows its permissions and its button.
fn to_step(invitation: &str, number: usize, label: &Markup, primary: bool) -> Markup {
    html! { p { a.button.primary[primary] href={ (invitation) "#step-" (number) } { (label) } } }
}

fn what_is_left(page: &ReportPage<'_>, next: Option<(usize, &ReportStep<'_>)>) -> Markup {
    let names = page.branding.names();
    let turn = match (page.state(), next) {
        (ChainState::Done, _) => Owner::Nobody,
        (_, Some(_)) => Owner::Visitor,
        (_, None) => Owner::Operator,
    };
    html! {
        section.next data-turn=(turn.name()) aria-labelledby="next" {
            @match (turn, next) {
                (Owner::Nobody, _) => {
                    h2 #next { (turn.heading().fill(names)) }
                    p { (INVITATION.text("report-part-done")) }
                }
                (_, Some((number, step))) => {
                    h2 #next { (turn.heading().fill(names)) }
                    @match page.invitation_href {
                        Some(href) => {
                            @let names = Names { app: Some(step.app), ..names };
                            p { (INVITATION.text("report-go-on").fill(names)) }
                            (to_step(href, number, &INVITATION.text("report-continue").fill(names), true))
                            p.quiet {
                                @match page.expires_at.and_then(Moment::of) {
                                    Some(end) => (INVITATION.text("report-another-day-until").with("end", end.render())),
                                    None => (INVITATION.text("report-another-day")),
                                }
                            }
                        }
                        None => {
                            p { (INVITATION.text(if page.is_open { "report-open-link" } else { "report-link-ended" }).fill(names)) }
                        }
                    }
                }
                (_, None) => {
                    h2 #next { (INVITATION.text("report-nothing-to-do")) }
                    p { (INVITATION.text("report-whose-turn")) }
                }
            }
        }
    }
}

fn reported_step(page: &ReportPage<'_>, number: usize, step: &ReportStep<'_>, is_next: bool) -> Markup {
    let names = step.result.as_ref().map_or(Names { app: Some(step.app), ..page.branding.names() }, ResultPage::names);
    let outcome = step.result.as_ref().map(|result| result.outcome);
    let tone =
        step.result.as_ref().map_or(Tone::Note, |result| if result.forbidden.is_empty() { result.words().tone } else { Tone::Alarm });
    html! {
        section.step.reported.(tone.class()) data-step=(step.id) data-outcome=[outcome.map(Outcome::name)] {
            h2 { span.number { @match outcome { Some(outcome) => (Icon::of(outcome, tone)), None => (number) } } " " bdi { (step.app) } }
            @match &step.result {
                None if step.checked => p.standing { (INVITATION.text("report-not-approved")) },
                None => {
                    p.standing { (INVITATION.text("report-not-checked")) }
                    p {
                        (INVITATION.text(match step.verifier {
                            Some(_) if step.awaits_verifier => "report-once-shown",
                            Some(_) => "report-once-approved",
                            None => "report-not-shown",
                        }).with("verifier", step.verifier.unwrap_or_default()).fill(names))
                    }
                }
                Some(result) => {
                    p.standing { (result.words().title.fill(names)) }
                    p { (result.words().sentence.fill(names)) }
                    @if step.skipped {
                        p { (INVITATION.text("report-skipped")) }
                    } @else if !result.outcome.was_complete() {
                        p { strong { (result.words().turn.heading().fill(names)) ": " } (result.words().next.fill(names)) }
                    }
                    (lists(result, true))
                    @if let Some(looked) = result.looked_at.and_then(Moment::of) { p.quiet { (INVITATION.text("report-last-checked").with("moment", looked.render())) } }
                }
            }
            // The next step has its link at the top.
            @if let Some(href) = page.invitation_href.filter(|_| !is_next) {
                @let label = INVITATION.text(if outcome.is_some() { "report-open-step-again" } else { "report-open-step" });
                (to_step(href, number, &label.fill(names), false))
            }
        }
    }
}

/// The report of a chain as JSON.
#[must_use]
pub fn report_json(page: &ReportPage<'_>) -> Value {
    let steps: Vec<_> = page
        .steps
        .iter()
        .map(|step| json!({ "id": step.id, "app": step.app, "checked": step.checked, "skipped": step.skipped, "result": step.result.as_ref().map(result_json) }))
        .collect();
    json!({
        "chain": { "name": page.chain, "done": page.done(), "total": page.needed().count() },
        "state": page.state(),
        "next": page.next_step().map(|(_, step)| step.id),
        "steps": steps,
        "organisation": page.organisation.map(|organisation| json!({ "name": organisation.name, "named_by": organisation.named_by })),
        "expires_at": page.expires_at.and_then(Moment::of).map(|moment| moment.machine),
        "operator": page.branding.operator,
        "support": page.branding.support,
        "privacy_url": page.branding.privacy_url,
    })
}
