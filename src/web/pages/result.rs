//! The page of an outcome and its JSON twin.

use std::time::Duration;

use maud::{Markup, html};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

use super::sections::{chain_line, check_again, closing, details, facts, lists, lists_of, meaning, right_account, users_approval};
use super::{Branding, Marks, Moment, next_section, shell, verdict};
use crate::consent::callback::TraceId;
use crate::consent::outcome::Tone;
use crate::consent::permissions::NamedPermission;
use crate::consent::{AadstsCode, Outcome, Owner, Right, aadsts};
use crate::installation::Informed;
use crate::web::users_approval::UsersMayApprove;
use crate::web::words::{self, Because, CodeFrom, Names, Template, Words};

/// Who says what an organisation is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// Microsoft Graph, in this verification.
    Graph,
    /// The operator, in the link: shown as theirs.
    Operator,
}

/// The organisation a link was made for.
#[derive(Debug, Clone, Copy)]
pub struct Organisation<'a> {
    /// Its name.
    pub name: &'a str,
    /// Who calls it so.
    pub named_by: NamedBy,
}

/// An AADSTS code with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedCode {
    /// The code.
    pub code: AadstsCode,
    /// Where it came from.
    pub from: CodeFrom,
}

/// A page that looks again by itself, by the HTTP `Refresh` header.
#[derive(Debug, Clone, Copy)]
pub struct RefreshPlan<'a> {
    /// Seconds until the browser goes to `next_href`.
    pub seconds: u32,
    /// The address of the next look: a path of ours.
    pub next_href: &'a str,
    /// The same page without the header: a path of ours.
    pub stop_href: &'a str,
}

/// The chain that an approval belongs to, in one line.
#[derive(Debug, Clone, Copy)]
pub struct ChainLine<'a> {
    /// The chain's name.
    pub name: &'a str,
    /// How many of its apps are done; `None` where it takes the worker to know.
    pub done: Option<usize>,
    /// How many apps it has.
    pub total: usize,
    /// Where to go on: a path of ours. `None` where nothing is left.
    pub continue_href: Option<&'a str>,
}

/// What becomes of the visit after the page. Each says only what is already true when the page is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Closing {
    /// Nothing is promised.
    #[default]
    Nothing,
    /// Another look is queued, so the page need not stay open.
    KeepsLooking,
    /// Another look is queued, and the operator's records will have what it shows: this page never will.
    WillConfirm,
    /// Another look could not be queued: reloading tries again.
    PleaseReload,
    /// The outcome's record was written, and so much is known of the operator.
    Concluded(Informed),
}

/// Everything a page tells about an outcome. What may not be shown is not given.
#[derive(Debug, Clone)]
pub struct ResultPage<'a> {
    /// Who runs this.
    pub branding: Branding<'a>,
    /// The outcome.
    pub outcome: Outcome,
    /// The app as people know it. `None` where no ticket told which.
    pub app: Option<&'a str>,
    /// The operator's sentence on what the app is for.
    pub purpose: Option<&'a str>,
    /// The operator's sentence on what happens after the approval. Shown for [`Outcome::Granted`] alone.
    pub afterwards: Option<&'a str>,
    /// The organisation, only where it may be shown.
    pub organisation: Option<Organisation<'a>>,
    /// The AADSTS code.
    pub code: Option<ReportedCode>,
    /// The resource the app needs and the tenant lacks.
    pub missing_resource: Option<&'a str>,
    /// Microsoft's trace id.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id.
    pub correlation_id: Option<TraceId>,
    /// Required, and shown to be absent.
    pub missing: &'a [NamedPermission],
    /// Required, and not visible to us.
    pub unseen: &'a [NamedPermission],
    /// Granted, and not on the operator's list.
    pub unexpected: &'a [NamedPermission],
    /// Granted, and forbidden by the operator.
    pub forbidden: &'a [NamedPermission],
    /// Optional, and shown to be absent.
    pub optional_absent: &'a [NamedPermission],
    /// What is known of whether users may approve the app themselves; `None` where nothing is.
    pub users_may_approve: Option<UsersMayApprove>,
    /// When Microsoft was last asked.
    pub looked_at: Option<OffsetDateTime>,
    /// How long ago that was.
    pub age: Option<Duration>,
    /// Whether looking again can change the outcome.
    pub provisional: bool,
    /// How the page looks again by itself.
    pub refresh: Option<RefreshPlan<'a>>,
    /// Where to look again by hand: a path of ours.
    pub check_again_href: Option<&'a str>,
    /// The address of the invitation again, whole, for another window. For [`Outcome::WrongTenant`] and [`Outcome::WrongAccount`].
    pub again_href: Option<&'a str>,
    /// Microsoft's page for signing out. For the same outcomes.
    pub sign_out_href: Option<&'a Url>,
    /// The chain it is part of.
    pub chain: Option<ChainLine<'a>>,
    /// What becomes of it.
    pub closing: Closing,
    /// Nobody is asked while the browser waits: the worker asks, and the operator is told.
    pub verified_later: bool,
    /// No callback came of it, so that nothing the reader did was recorded.
    pub unopened: bool,
    /// The operator's reference for this customer.
    pub reference: Option<&'a str>,
    /// The id under which this visit is recorded. Not given for damaged links, which all answer alike.
    pub record_id: Option<&'a str>,
}

impl<'a> ResultPage<'a> {
    /// A page that tells the outcome and nothing else.
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
            trace_id: None,
            correlation_id: None,
            missing: &[],
            unseen: &[],
            unexpected: &[],
            forbidden: &[],
            optional_absent: &[],
            users_may_approve: None,
            looked_at: None,
            age: None,
            provisional: false,
            refresh: None,
            check_again_href: None,
            again_href: None,
            sign_out_href: None,
            chain: None,
            closing: Closing::Nothing,
            verified_later: false,
            unopened: false,
            reference: None,
            record_id: None,
        }
    }

    pub(in crate::web) fn names(&self) -> Names<'a> {
        Names { app: self.app, resource: self.missing_resource, ..self.branding.names() }
    }

    pub(in crate::web) fn because(&self) -> Because<'a> {
        let entry = self.code.map(|reported| (aadsts::lookup(reported.code), reported.from));
        Because { entry, missing_resource: self.missing_resource }
    }

    pub(in crate::web) fn words(&self) -> Words {
        if self.shows_no_result() {
            return if self.closing == Closing::PleaseReload { words::not_arranged() } else { words::confirmed_later() };
        }
        let words = words::words_because(self.outcome, self.because());
        if self.unopened { words::unopened(words) } else { words }
    }

    /// Whether nobody has asked Microsoft yet, so that there is no result that the page could show.
    fn shows_no_result(&self) -> bool {
        self.verified_later && self.outcome == Outcome::Pending
    }

    pub(in crate::web) fn afterwards_if_granted(&self) -> Option<&'a str> {
        self.afterwards.filter(|_| self.outcome == Outcome::Granted)
    }
}

/// The page of an outcome.
#[must_use]
pub fn result(page: &ResultPage<'_>) -> Markup {
    let words = page.words();
    let names = page.names();
    let tone = if page.forbidden.is_empty() { words.tone } else { Tone::Alarm };
    let body = html! {
        (verdict(tone, words.title, names, eyebrow(page)))
        p.lead { (words.sentence.fill(names)) }
        (meaning(page))
        (next_section(words.turn, words.next, words.hint, page.afterwards_if_granted(), names))
        (right_account(page))
        (users_approval(page))
        (chain_line(page.chain))
        // Where Microsoft's turn it is, the next step says as much.
        @if page.provisional && !page.shows_no_result() && words.turn != Owner::Microsoft { p.quiet { (can_still_change(page.outcome)) } }
        (check_again(page))
        (lists(page, false))
        (facts(page))
        (details(page))
        (closing(page, &words))
    };
    shell(page.branding, words.title, names, Marks { outcome: Some(page.outcome), ..Marks::default() }, tone, &body)
}

/// What stands above the title of a page about one app.
pub(in crate::web) fn eyebrow(page: &ResultPage<'_>) -> Option<Markup> {
    page.app.is_some().then(|| html! { (Template("Approval of {app}").fill(page.names())) })
}

/// Why a result can still change: a replica's lag, or something that somebody has to set right first.
fn can_still_change(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OperatorFault | Outcome::TenantNotFound | Outcome::AppMisconfigured | Outcome::BlockedByPolicy | Outcome::Disabled => {
            "This result can still change once that has been set right."
        }
        _ => "Changes at Microsoft take some minutes to show everywhere, so this result can still change.",
    }
}

/// The page of an outcome as JSON: the same truth, field by field. Documented in `docs/outcomes.md`.
#[must_use]
pub fn result_json(page: &ResultPage<'_>) -> Value {
    result_json_in(page, page.words())
}

/// The same in the words of another page.
pub(in crate::web) fn result_json_in(page: &ResultPage<'_>, words: Words) -> Value {
    let names = page.names();
    let permissions: serde_json::Map<String, Value> =
        lists_of(page).iter().map(|list| (list.name.to_owned(), permissions_json(list.permissions))).collect();
    json!({
        "outcome": page.outcome,
        "title": words.title.plain(names),
        "sentence": words.sentence.plain(names),
        "next_step": words.next.plain(names),
        "turn": words.turn.name(),
        "hint": words.hint.map(|hint| hint.plain(names)),
        "severity": page.outcome.severity(),
        "provisional": page.provisional,
        "keeps_looking": matches!(page.closing, Closing::KeepsLooking | Closing::WillConfirm),
        "confirmed_to_operator": page.verified_later,
        "please_reload": page.closing == Closing::PleaseReload,
        "operator_informed": page.closing == Closing::Concluded(Informed::Yes),
        "app": page.app,
        "afterwards": page.afterwards_if_granted(),
        "organisation": page.organisation.map(|organisation| json!({ "name": organisation.name, "named_by": organisation.named_by })),
        "permissions": permissions,
        "right_to_see_unseen": Right::to_see(page.unseen).map(Right::permission),
        "users_may_approve": page.users_may_approve.map(UsersMayApprove::name),
        "code": page.code.map(|reported| json!({
            "code": reported.code.to_string(),
            "from": reported.from,
            "meaning": page.because().meaning(page.outcome).map(|(meaning, _)| meaning.plain(names)),
        })),
        "missing_resource": page.missing_resource,
        "trace_id": page.trace_id,
        "correlation_id": page.correlation_id,
        "looked_at": page.looked_at.and_then(Moment::of).map(|moment| moment.machine),
        "age_seconds": page.age.map(|age| age.as_secs()),
        "refresh_after_seconds": page.refresh.map(|plan| plan.seconds),
        "again": page.again_href,
        "sign_out": page.sign_out_href,
        "chain": page.chain.map(|chain| json!({ "name": chain.name, "done": chain.done, "total": chain.total })),
        "reference": page.reference,
        "record_id": page.record_id,
        "operator": page.branding.operator,
        "support": page.branding.support,
        "privacy_url": page.branding.privacy_url,
    })
}

fn permissions_json(permissions: &[NamedPermission]) -> Value {
    permissions
        .iter()
        .map(|permission| json!({ "resource": permission.resource, "kind": permission.kind.name(), "value": permission.value }))
        .collect()
}
