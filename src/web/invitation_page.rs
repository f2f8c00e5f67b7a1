//! The invitation page and the watch page: data in, markup out.

use std::time::Duration;

use maud::{Markup, html};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use url::Url;

use super::pages::{Imprint, Organisation, ResultPage};
use super::words;
use crate::consent::Outcome;
use crate::consent::ids::ClientId;
use crate::consent::outcome::PROVISIONAL;
use crate::consent::profile::ExpectedResource;
use crate::consent::roles::RoleNeeded;

/// What an invitation asks for, one app.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The app profile's id: the value of the form field `step`.
    pub id: &'a str,
    /// Its name.
    pub app: &'a str,
    /// Its application id, for whoever compares.
    pub client_id: ClientId,
    /// What it is for, in the operator's words.
    pub purpose: Option<&'a str>,
    /// What Microsoft will list.
    pub permissions: &'a [ExpectedResource],
    /// Who has to approve it.
    pub role: RoleNeeded,
    /// Set for an app of somebody else.
    pub companion: Option<CompanionStep<'a>>,
}

/// What is particular to an app of somebody else.
#[derive(Debug, Clone, Copy)]
pub struct CompanionStep<'a> {
    /// Who publishes it.
    pub publisher: Option<&'a str>,
    /// Users may be able to approve it themselves.
    pub users_may_approve: bool,
    /// It uses Exchange Web Services.
    pub uses_ews: bool,
}

/// Everything the invitation page tells.
#[derive(Debug, Clone)]
pub struct InvitationPage<'a> {
    /// Who runs this.
    pub imprint: Imprint<'a>,
    /// The organisation as the operator named it; `None` where the link names none.
    pub organisation: Option<&'a str>,
    /// This page's address, to copy or to pass on.
    pub address: &'a str,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// The name of the chain, where there are several apps.
    pub chain: Option<&'a str>,
    /// The apps, at least one.
    pub steps: Vec<Step<'a>>,
    /// The host that the next page must be at.
    pub login_host: &'a str,
}

/// Seconds between two looks of the watch page by itself.
pub const WATCH_EVERY_SECONDS: u32 = 15;
/// How long the watch page looks by itself: as long as an absence may be a replica's lag.
pub const WATCH_FOR: Duration = PROVISIONAL;

/// What the watch page tells: a companion app, approved in another tab, and what has been seen of it so far.
#[derive(Debug, Clone)]
pub struct WatchPage<'a> {
    /// How it stands, as on any result page; its `chain` says where to go on.
    pub result: ResultPage<'a>,
    /// Whether the tenant lists the app under Enterprise applications; `None` where nobody could see. A listed app may still lack the
    /// approval for everybody: one user's own approval lists it too (protocol reference §5.2).
    pub listed: Option<bool>,
    /// Microsoft's address for the approval, opened in a new tab.
    pub consent_url: &'a Url,
    /// The host of that address.
    pub login_host: &'a str,
    /// What is particular to the app.
    pub companion: CompanionStep<'a>,
}

/// One step of a chain, as it stands.
#[derive(Debug, Clone)]
pub struct ReportStep<'a> {
    /// The app profile's id: the value of the form field `step`.
    pub id: &'a str,
    /// The app's name.
    pub app: &'a str,
    /// How it stands; `None` where nobody has started it.
    pub result: Option<ResultPage<'a>>,
}

/// The report of a chain: every app of it on one page.
#[derive(Debug, Clone)]
pub struct ReportPage<'a> {
    /// Who runs this.
    pub imprint: Imprint<'a>,
    /// The chain's name.
    pub chain: &'a str,
    /// The organisation, only where it may be shown.
    pub organisation: Option<Organisation<'a>>,
    /// The apps in their order, at least one.
    pub steps: Vec<ReportStep<'a>>,
    /// Where the buttons post to: the invitation's address. `None` where it can no longer be used.
    pub invitation_href: Option<&'a str>,
    /// When the invitation ends.
    pub expires_at: Option<OffsetDateTime>,
}

/// How far a chain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainState {
    /// No step has been started.
    NotStarted,
    /// Some step has been started, and not every one is done.
    HalfDone,
    /// Every required permission of every app was seen.
    Done,
}

impl ChainState {
    /// The state of a chain from the outcome of each step; `None` for a step that nobody has started.
    #[must_use]
    pub fn of(steps: impl IntoIterator<Item = Option<Outcome>>) -> Self {
        let steps: Vec<_> = steps.into_iter().collect();
        if steps.iter().all(|step| step.is_some_and(words::is_done)) {
            Self::Done
        } else if steps.iter().all(Option::is_none) {
            Self::NotStarted
        } else {
            Self::HalfDone
        }
    }

    /// The stable name, in `data-chain` and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::HalfDone => "half_done",
            Self::Done => "done",
        }
    }
}

/// The page of an invitation. Its answer needs [`super::headers::Forms::LeadAway`].
#[must_use]
pub fn invitation(page: &InvitationPage<'_>) -> Markup {
    let _ = page;
    html! {}
}

/// The page that watches a companion app.
#[must_use]
pub fn watch(page: &WatchPage<'_>) -> Markup {
    let _ = page;
    html! {}
}

/// The watch page as JSON.
#[must_use]
pub fn watch_json(page: &WatchPage<'_>) -> Value {
    super::pages::result_json(&page.result)
}

/// The report of a chain. Its answer needs [`super::headers::Forms::LeadAway`].
#[must_use]
pub fn report(page: &ReportPage<'_>) -> Markup {
    let _ = page;
    html! {}
}

/// The report of a chain as JSON.
#[must_use]
pub fn report_json(page: &ReportPage<'_>) -> Value {
    let state = ChainState::of(page.steps.iter().map(|step| step.result.as_ref().map(|result| result.outcome)));
    serde_json::json!({ "chain": { "name": page.chain, "state": state } })
}
