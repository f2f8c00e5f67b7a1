//! What a result page shows.

use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use url::Url;

use super::Branding;
use crate::consent::callback::TraceId;
use crate::consent::permissions::NamedPermission;
use crate::consent::{AadstsCode, Outcome, Owner, ResourceId, aadsts};
use crate::installation::Informed;
use crate::web::request::STOP_RELOADING;
use crate::web::users_approval::UsersMayApprove;
use crate::web::words::{self, Because, CodeFrom, Names, OUTCOMES, Words};

/// The source of an organisation's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// Microsoft Graph, in this verification.
    Graph,
    /// The operator, in the link. The page says that the name comes from the operator.
    Operator,
}

/// The organisation that the link is for.
#[derive(Debug, Clone, Copy)]
pub struct Organisation<'a> {
    /// The name, from the source in `named_by`.
    pub name: &'a str,
    /// The source of the name.
    pub named_by: NamedBy,
}

/// An AADSTS code and its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedCode {
    /// The code as Microsoft sent it.
    pub code: AadstsCode,
    /// The meaning of the code at this source.
    pub entry: aadsts::Entry,
    /// The source of the code.
    pub from: CodeFrom,
}

/// Automatic checks of a page, by the HTTP `Refresh` header.
#[derive(Debug, Clone, Copy)]
pub struct RefreshPlan {
    /// Seconds until the browser loads the same address again.
    pub seconds: u32,
    /// The same page without automatic checks: a path on our host.
    pub stop_href: &'static str,
}

impl RefreshPlan {
    pub(in crate::web) fn of(seconds: u32) -> Self {
        Self { seconds, stop_href: STOP_RELOADING }
    }
}

/// The chain of an approval, in one line.
#[derive(Debug, Clone, Copy)]
pub struct ChainLine<'a> {
    /// The chain's name from the configuration.
    pub name: &'a str,
    /// The number of apps that are done; `None` if only the worker can check them.
    pub done: Option<usize>,
    /// The number of apps in the chain.
    pub total: usize,
    /// Where to continue: a path on our host. `None` if nothing is left to do.
    pub continue_href: Option<&'a str>,
}

/// What happens after the page. Each variant says only what is already true when the page is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Closing {
    /// The page promises nothing.
    #[default]
    Nothing,
    /// The next check is queued, so the reader can close the page.
    KeepsLooking,
    /// The next check is queued. Its result goes to the operator's records only, never to this page.
    WillConfirm,
    /// The next check could not be queued. A reload tries again.
    PleaseReload,
    /// The record of the outcome is written. Contains how far the operator was informed.
    Concluded(Informed),
}

/// The content of a result page. Fields that the reader may not see are empty.
#[derive(Debug, Clone)]
pub struct ResultPage<'a> {
    /// The operator's details.
    pub branding: Branding<'a>,
    /// Decides the words, the tone and the status.
    pub outcome: Outcome,
    /// The app's name as people know it. `None` if no genuine ticket named the app.
    pub app: Option<&'a str>,
    /// The operator's sentence about the purpose of the app.
    pub purpose: Option<&'a str>,
    /// The operator's sentence about what happens after the approval. The page shows it only for [`Outcome::Granted`].
    pub afterwards: Option<&'a str>,
    /// The organisation, only if the reader may see it.
    pub organisation: Option<Organisation<'a>>,
    /// The code, from the callback or from our check.
    pub code: Option<ReportedCode>,
    /// The resource that the app needs and that the tenant lacks, or has switched off.
    pub missing_resource: Option<&'a str>,
    /// The application id of the missing resource.
    pub missing_resource_id: Option<ResourceId>,
    /// Microsoft refused our check for a reason that we do not know.
    pub is_check_refused: bool,
    /// With the error that led to the outcome, Microsoft sent another tenant than the ticket's.
    pub other_tenant: bool,
    /// Microsoft does not show the verifier yet.
    pub awaits_verifier: bool,
    /// Microsoft's trace id, for support requests.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id, for support requests.
    pub correlation_id: Option<TraceId>,
    /// Granted permissions. Shown only for [`Outcome::Granted`].
    pub granted: &'a [NamedPermission],
    /// Required permissions that a check showed to be absent.
    pub missing: &'a [NamedPermission],
    /// Required permissions that the check could not see.
    pub unseen: &'a [NamedPermission],
    /// Granted permissions that are not on the operator's list.
    pub unexpected: &'a [NamedPermission],
    /// Granted permissions that the operator forbids.
    pub forbidden: &'a [NamedPermission],
    /// Optional permissions that a check showed to be absent.
    pub optional_absent: &'a [NamedPermission],
    /// Whether users may approve the app themselves; `None` if unknown.
    pub users_may_approve: Option<UsersMayApprove>,
    /// The time of the last check at Microsoft.
    pub looked_at: Option<OffsetDateTime>,
    /// The time of the callback, or of the press that needed none.
    pub came_back_at: Option<OffsetDateTime>,
    /// How old the last check at Microsoft is.
    pub age: Option<Duration>,
    /// Whether another check can change the outcome.
    pub provisional: bool,
    /// The plan for automatic checks.
    pub refresh: Option<RefreshPlan>,
    /// Where the reader can start a check: a path on our host.
    pub check_again_href: Option<&'a str>,
    /// The complete address of the invitation, only for the browser that pressed its button. See [`Self::can_try_again`].
    pub again_href: Option<&'a str>,
    /// Microsoft's sign-out page. Set if another account can help.
    pub sign_out_href: Option<&'a Url>,
    /// The Enterprise apps in the Microsoft Entra admin centre of the app's cloud.
    pub centre_href: Option<&'a str>,
    /// A mail with the invitation to an administrator, only for the browser that pressed its button. Set if another person can help.
    pub pass_on_href: Option<&'a str>,
    /// The chain that the approval is part of.
    pub chain: Option<ChainLine<'a>>,
    /// What happens after the page.
    pub closing: Closing,
    /// No check runs while the browser waits: the worker checks, and the operator gets the result.
    pub verified_later: bool,
    /// No callback arrived, so no record shows an action of the reader.
    pub unopened: bool,
    /// The button found the app approved, and so did not lead to Microsoft.
    pub already_approved: bool,
    /// The operator's reference for this customer.
    pub reference: Option<&'a str>,
    /// The id of this visit in the records. Not set for damaged links, because all of them get the same answer.
    pub record_id: Option<&'a str>,
    /// Whether a button asks the operator for another link.
    pub can_ask: bool,
    /// The page's new address, for a program.
    pub address: Option<&'a str>,
}

impl<'a> ResultPage<'a> {
    /// A page that shows the outcome and nothing else.
    #[must_use]
    pub fn new(branding: Branding<'a>, outcome: Outcome) -> Self {
        Self {
            branding,
            outcome,
            app: None,
            purpose: None,
            afterwards: None,
            organisation: None,
            code: None,
            missing_resource: None,
            missing_resource_id: None,
            is_check_refused: false,
            other_tenant: false,
            awaits_verifier: false,
            trace_id: None,
            correlation_id: None,
            granted: &[],
            missing: &[],
            unseen: &[],
            unexpected: &[],
            forbidden: &[],
            optional_absent: &[],
            users_may_approve: None,
            looked_at: None,
            came_back_at: None,
            age: None,
            provisional: false,
            refresh: None,
            check_again_href: None,
            again_href: None,
            sign_out_href: None,
            centre_href: None,
            pass_on_href: None,
            chain: None,
            closing: Closing::Nothing,
            verified_later: false,
            unopened: false,
            already_approved: false,
            reference: None,
            can_ask: false,
            address: None,
            record_id: None,
        }
    }

    pub(in crate::web) fn names(&self) -> Names<'a> {
        Names { app: self.app, resource: self.missing_resource, resource_id: self.missing_resource_id, ..self.branding.names() }
    }

    pub(in crate::web) fn because(&self) -> Because<'a> {
        let entry = self.code.map(|reported| (reported.entry, reported.from));
        let ResultPage { missing_resource, is_check_refused, awaits_verifier, .. } = *self;
        Because { entry, missing_resource, is_check_refused, awaits_verifier }
    }

    pub(in crate::web) fn words(&self) -> Words {
        if self.shows_no_result() {
            return if self.closing == Closing::PleaseReload { words::not_arranged() } else { words::confirmed_later() };
        }
        let mut words = words::words_because(self.outcome, self.because());
        if self.other_tenant {
            // The sentence does not name this tenant, because the callback can name any.
            words.hint = Some(OUTCOMES.text("other-tenant-hint"));
        }
        if self.may_still_arrive() {
            words.next = words.next.variant("soon");
        } else if !self.forbidden.is_empty() {
            words.next = words.next.variant("forbidden");
        }
        if self.goes_on() {
            words.next = OUTCOMES.text("next-app");
            words.turn = Owner::Visitor;
        }
        match self {
            Self { unopened: true, .. } => words::unopened(words),
            Self { already_approved: true, .. } => words::already(words),
            _ => words,
        }
    }

    /// Whether the app is approved, and the chain has another one.
    pub(in crate::web) fn goes_on(&self) -> bool {
        self.outcome.was_complete() && self.chain.is_some_and(|chain| chain.continue_href.is_some())
    }

    /// Whether no check has run yet, so that the page has no result to show.
    pub(super) fn shows_no_result(&self) -> bool {
        self.verified_later && self.outcome == Outcome::Pending
    }

    /// Whether Microsoft's replicas may still lack permissions that were approved.
    pub(super) fn may_still_arrive(&self) -> bool {
        self.outcome == Outcome::GrantedInPart && self.provisional
    }

    /// Whether another attempt with the same invitation can help.
    pub(super) fn can_try_again(&self, words: &Words) -> bool {
        match self.outcome {
            Outcome::ApprovalRequested | Outcome::OperatorFault | Outcome::Unavailable | Outcome::ReportedUnverified => false,
            Outcome::AppMisconfigured => words.asks_reader(),
            outcome => outcome.facts().approving_helps,
        }
    }

    /// Whether only the operator can help.
    pub(super) fn asks_operator(&self) -> bool {
        matches!(self.outcome, Outcome::LinkExpired | Outcome::LinkRevoked | Outcome::LinkDamaged | Outcome::TenantGone)
    }

    /// Whether a service that the app needs is switched off.
    pub(super) fn is_switched_off(&self) -> bool {
        self.missing_resource.is_some()
            && self.code.is_some_and(|reported| matches!(reported.entry.token, aadsts::Obstacle::ResourceDisabled(_)))
    }

    pub(super) fn granted_now(&self) -> &'a [NamedPermission] {
        if self.outcome == Outcome::Granted { self.granted } else { &[] }
    }

    pub(in crate::web) fn afterwards_if_granted(&self) -> Option<&'a str> {
        self.afterwards.filter(|_| self.outcome == Outcome::Granted)
    }
}
