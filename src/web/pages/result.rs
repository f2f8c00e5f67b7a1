//! The page of an outcome, and its JSON twin.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::result_page::{Closing, ResultPage};
use super::sections::{
    admin_centre, chain_line, check_again, closing, details, facts, lists, lists_of, meaning, reloading, try_again, users_approval,
};
use super::{Icon, Moment, PageMarks, Room, next_section, shell, verdict};
use crate::consent::outcome::{Severity, Tone};
use crate::consent::permissions::NamedPermission;
use crate::consent::{Outcome, Owner, Right};
use crate::installation::Informed;
use crate::web::users_approval::UsersMayApprove;
use crate::web::words::{PAGES, PageText, Words};

/// Renders the page of an outcome.
#[must_use]
pub fn result(page: &ResultPage<'_>) -> Markup {
    let words = page.words();
    let names = page.names();
    let tone = if page.forbidden.is_empty() { words.tone } else { Tone::Alarm };
    let body = html! {
        (Room(4_096))
        (verdict(Icon::of(page.outcome, tone), &words.title, names, eyebrow(page)))
        (reloading(page))
        p.lead { (words.sentence.fill(names)) }
        (meaning(page))
        (next_section(words.turn, &words.heading(), &words.next, words.hint.as_ref(), page.afterwards_if_granted(), names))
        (try_again(page, &words))
        @if page.outcome != Outcome::Granted { (admin_centre(page)) }
        (users_approval(page))
        (chain_line(page.chain, page.goes_on()))
        // If Microsoft owns the next step, the text of that step already says this.
        @if page.provisional && !page.shows_no_result() && words.turn != Owner::Microsoft { p.quiet { (can_still_change(page.outcome)) } }
        (check_again(page, &words))
        (lists(page, false))
        (facts(page))
        @if page.outcome == Outcome::Granted { (admin_centre(page)) }
        (details(page))
        (closing(page, &words))
    };
    shell(page.branding, &words.title, names, PageMarks { outcome: Some(page.outcome), ..PageMarks::default() }, tone, &body)
}

/// The line above the title of a page about one app.
pub(in crate::web) fn eyebrow(page: &ResultPage<'_>) -> Option<Markup> {
    page.app.is_some().then(|| html! { (PAGES.text("approval-of").fill(page.names())) })
}

/// Why a result can still change: replication lag, or a problem that a person must fix first.
fn can_still_change(outcome: Outcome) -> PageText<'static> {
    PAGES.text(match outcome {
        Outcome::OperatorFault | Outcome::TenantNotFound | Outcome::AppMisconfigured | Outcome::BlockedByPolicy | Outcome::Disabled => {
            "can-change-once-fixed"
        }
        _ => "can-change-soon",
    })
}

/// The page of an outcome as JSON: the same facts, field by field. Documented in `docs/outcomes.md`.
#[must_use]
pub fn result_json(page: &ResultPage<'_>) -> Value {
    result_json_in(page, &page.words())
}

/// As [`result_json`], with the words of another page.
pub(in crate::web) fn result_json_in(page: &ResultPage<'_>, words: &Words) -> Value {
    let names = page.names();
    let permissions: serde_json::Map<String, Value> =
        lists_of(page).iter().map(|list| (list.name.to_owned(), permissions_json(list.permissions))).collect();
    json!({
        "outcome": page.outcome,
        "cause": page.outcome.cause(page.code.map(|reported| reported.entry.token)),
        "title": words.title.plain(names),
        "sentence": words.sentence.plain(names),
        "next_step": words.next.plain(names),
        "turn": words.turn.name(),
        "hint": words.hint.as_ref().map(|hint| hint.plain(names)),
        "severity": if page.is_check_refused { Severity::Open } else { page.outcome.severity() },
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
        "again": page.again_href.filter(|_| page.can_try_again(words)),
        "sign_out": page.sign_out_href,
        "chain": page.chain.map(|chain| json!({ "name": chain.name, "done": chain.done, "total": chain.total })),
        "reference": page.reference,
        "record_id": page.record_id,
        "address": page.address,
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
