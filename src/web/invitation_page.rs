//! The invitation page and the watch page: data in, markup out.

use time::OffsetDateTime;
use url::Url;

use super::pages::Imprint;
use crate::consent::ids::ClientId;
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

/// What the watch page tells: a companion app, approved in another tab, and what has been seen of it so far.
#[derive(Debug, Clone)]
pub struct WatchPage<'a> {
    /// How it stands, as on any result page.
    pub result: super::pages::ResultPage<'a>,
    /// Microsoft's address for the approval, opened in a new tab.
    pub consent_url: &'a Url,
    /// The host of that address.
    pub login_host: &'a str,
    /// What is particular to the app.
    pub companion: CompanionStep<'a>,
    /// Where to go on with a chain, where there is more: a path of ours.
    pub continue_href: Option<&'a str>,
}

/// STAND-IN until the pages branch is merged.
#[must_use]
pub fn invitation(page: &InvitationPage<'_>) -> maud::Markup {
    maud::html! { main data-page="invitation" { h1 { (page.imprint.operator) } @for step in &page.steps { form method="post" { input type="hidden" name="step" value=(step.id); button { (step.app) } } } } }
}
