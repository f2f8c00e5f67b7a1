//! Writes `docs/outcomes.md` from the words, and tests that both are the same.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Names, PageText, confirmed_later, status, words};
use crate::consent::Outcome;
use crate::consent::outcome::{GIVE_UP, PROVISIONAL, Severity};

/// When an outcome applies, for `docs/outcomes.md`.
fn when(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Granted => "Every required permission was seen at Microsoft, whatever the callback claimed.",
        Outcome::GrantedInPart => "Some required permissions were seen, others are absent. Wins over an excess; both lists are recorded.",
        Outcome::GrantedInExcess => {
            "Every required permission was seen, and others that the profile forbids or does not list. `User.Read` and the sign-in permissions (`openid`, `profile`, `email`, `offline_access`) count only where the profile forbids them."
        }
        Outcome::GrantedUnseen => {
            "The service principal was seen; required permissions are not visible to the verifier (403). Never counted as granted."
        }
        Outcome::Disabled => "The service principal of the app is disabled, or of a service that it needs (AADSTS500014).",
        Outcome::Pending => "Nothing was seen, and the callback claimed success or nothing. Less than 24 hours old.",
        Outcome::NotFound => "As `pending`, 24 hours after the callback.",
        Outcome::Declined => "Nothing was seen, and the callback carried a cancel. Microsoft sends the same for a request for approval.",
        Outcome::NotAnAdmin => "Nothing was seen, and the callback said that the account may not approve.",
        Outcome::WrongAccount => "Nothing was seen, and the callback said that the account is of another tenant or could not sign in.",
        Outcome::BlockedByPolicy => {
            "Nothing was seen, and the callback said that a policy stopped the approval; or a policy stopped our look, or Microsoft blocks the directory (AADSTS5000224, 5000225: the cause is `tenant_blocked`)."
        }
        Outcome::AppMisconfigured => {
            "Nothing was seen, and the callback blamed the link or the registration; or a resource is missing in the tenant."
        }
        Outcome::Unknown => "Nothing was seen, and the callback's error says nothing lasting, or is in no table.",
        Outcome::ApprovalRequested => "Nothing was seen but an open admin consent request.",
        Outcome::OperatorFault => "Microsoft refused our credential, settings or request, or we could not read our own credential.",
        Outcome::TenantNotFound => "The tenant of the link does not exist in this cloud.",
        Outcome::Unavailable => "Microsoft did not answer, left a part unanswered, or refused our check for a reason that we do not know.",
        Outcome::WrongTenant => {
            "A callback without an error names another tenant than the ticket. We check neither. With an error, the ticket's tenant counts."
        }
        Outcome::LinkExpired => "A genuine ticket, more than a day past its end.",
        Outcome::LinkDamaged => "The ticket cannot be read: damaged, cut, forged, or signed with an unknown key. One answer for all.",
        Outcome::LinkRevoked => "A genuine ticket that the operator took back.",
        Outcome::Unsolicited => "A callback without a ticket.",
        Outcome::Revoked => "A later look: it was seen before, and nothing is seen now.",
        Outcome::Reduced => "A later look: it was complete before, and required permissions are gone.",
        Outcome::Enlarged => "A later look: it was granted before, and now holds more than the profile lists.",
        Outcome::TenantGone => "A later check: the tenant existed, and does not exist any more.",
        Outcome::AwaitingConfirmation => "A link for any tenant came back, without an error.",
        Outcome::ReportedUnverified => "No error was claimed, and no verifier of ours may look in this tenant.",
    }
}

/// A text with the names of its arguments.
fn raw(text: &PageText<'_>) -> String {
    let app = Some("{app}");
    text.plain(Names { operator: "{operator}", support: "{support}", app, resource: Some("{resource}"), resource_id: None })
}

fn document() -> String {
    let mut text = String::from(
        "# Outcomes\n\n\
         Where an approval stands. Written from `src/web/words` by `UPDATE_DOCS=1 cargo test outcomes`; a test holds both equal.\n\n\
         * **Status**: of the result page and of its JSON. 503 comes with `Retry-After`.\n\
         * **Page**: title and sentence. **Next step**: whose turn it is, and what to do. Both are more exact where an AADSTS code from the\n  \
           callback led to the outcome (see [aadsts.md](aadsts.md)), where a policy stopped our own look, and where a resource is missing.\n\
         * **Severity**: what a ticket system does: `open` one, `update` it, `close` it.\n\
         * **Can change**: how long after the callback looking again can change it.\n\
         * `{operator}`, `{support}`, `{app}`, `{resource}` are filled in.\n\n\
         Where an app is verified in the worker (`verify_in = \"worker\"`), the page knows the claim alone, which says\n\
         nothing about an approval. Whatever it is, the outcome is `pending` until the worker has looked, and the page reads:\n\n\
         Pages carry the outcome in `<main data-outcome=\"...\">`, JSON in the field `outcome`.\n\n\
         | Outcome | When | Status | Severity | Can change | Page | Next step | For the operator |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let later = confirmed_later();
    let row = format!("> **{}.** {} *{}:* {}\n\nPages carry", raw(&later.title), raw(&later.sentence), later.turn.name(), raw(&later.next));
    text = text.replacen("Pages carry", &row, 1);
    for outcome in Outcome::ALL {
        let words = words(*outcome);
        let severity = match outcome.severity() {
            Severity::Open => "open",
            Severity::Update => "update",
            Severity::Close => "close",
        };
        let can_change = match (outcome.can_change(Duration::ZERO), outcome.can_change(PROVISIONAL), outcome.can_change(GIVE_UP)) {
            (_, _, true) => "always",
            (_, true, false) => "24 h",
            (true, false, false) => "20 min",
            (false, false, false) => "no",
        };
        writeln!(
            text,
            "| `{}` | {} | {} | {severity} | {can_change} | **{}.** {} | *{}:* {} | {} |",
            outcome.name(),
            when(*outcome),
            status(*outcome).as_u16(),
            raw(&words.title),
            raw(&words.sentence),
            words.turn.name(),
            raw(&words.next),
            outcome.msp_line(),
        )
        .unwrap();
    }
    text.push_str(FIELDS);
    text
}

const FIELDS: &str = r#"
## JSON

With `Accept: application/json` the same truth comes as one object. Unknown fields may be added; none changes its meaning. A field
without a value is `null`.

| Field | Meaning |
| --- | --- |
| `outcome` | the outcome's name; `null` where the request told none (404, 405, 413, 415, 503 for the keys) |
| `cause` | `tenant_blocked` where Microsoft itself blocked the directory (with `blocked_by_policy`); the event has it too |
| `title`, `sentence`, `next_step`, `hint` | the page's words, filled in |
| `turn` | whose the next step is: `you` (the person in the browser), `organisation`, `operator`, `app_owner`, `microsoft`, `nobody` |
| `severity` | `open`, `update`, `close`; `open` too where Microsoft refused our check for a reason that we do not know |
| `provisional` | whether looking again can still change the outcome |
| `keeps_looking` | whether another look is queued |
| `confirmed_to_operator` | whether the app is verified in the worker: then this page never shows the result, and the operator's records will have it |
| `please_reload` | whether another look could not be queued: reloading tries again |
| `operator_informed` | whether an event about this outcome has reached a receiver that the operator configured: the webhook answered 2xx, or the event bus took it and `events.receiver` says who receives it. `false` while a delivery waits, while another look is waited for, and where this is not known |
| `app` | the app's name |
| `afterwards` | what happens next, in the operator's words; with `granted` alone |
| `organisation` | `{"name", "named_by"}`; `named_by` is `graph` or `operator`. Only for the browser that pressed the button, by its cookie at this visit |
| `permissions` | lists `granted`, `missing`, `unseen`, `unexpected`, `forbidden`, `optional_absent` of `{"resource", "kind", "value"}`; `kind` is `application` or `delegated` |
| `right_to_see_unseen` | the least Graph permission with which the verifier would see all of `unseen` |
| `users_may_approve` | of an app of somebody else, whether users may approve it themselves: `yes` or `no` where the tenant's policy was seen, `perhaps` where it was not and Microsoft's default lets them, else `null` |
| `code` | `{"code", "from", "meaning"}`: the AADSTS code, from the `callback` (a claim) or from our own `look`; `meaning` where it led to the outcome |
| `missing_resource` | the resource that the tenant lacks, or has switched off |
| `trace_id`, `correlation_id` | Microsoft's ids for its support |
| `looked_at`, `age_seconds` | when Microsoft was last asked (RFC 3339, UTC), and how long ago that was when this was answered |
| `refresh_after_seconds` | when the page looks again by itself |
| `again` | the address of the same invitation, for another window: with `wrong_tenant` and `wrong_account` |
| `sign_out` | Microsoft's page for signing out, with the same outcomes |
| `chain` | `{"name", "done", "total"}`: the chain it is part of. A step is done when every required permission was seen; `done` is `null` where it takes the worker to know |
| `reference`, `record_id` | the operator's reference; the id of the record |
| `address` | the result page's new address, which remembers this outcome: ask there next time. `null` if the address is still the same |
| `operator`, `support`, `privacy_url` | who runs this |
| `notice`, `for_operator` | in place of an outcome's fields, where the request told none: `root`, `no_such_page`, `method_not_allowed`, `too_large`, `unsupported_media_type`, `keys_unavailable`, `renewal_requested`, `renewal_not_sent`; `nothing_arrived` is `unsolicited` without any parameter |

The page that watches an app of somebody else has the same fields, and:

| Field | Meaning |
| --- | --- |
| `watch` | `{"listed", "consent_url", "login_host", "publisher", "uses_ews"}`; `listed` says whether the tenant lists the app under Enterprise applications, `null` where nobody could see |

The report of a chain:

| Field | Meaning |
| --- | --- |
| `chain` | as above |
| `state` | `not_started` (nothing is known of any step), `started` (none is done), `half_done` (some are done), `done`; the page carries it in `<main data-chain="...">` |
| `next` | the id of the step that waits for the person in the browser |
| `steps` | a list of `{"id", "app", "checked", "skipped", "result"}`; `checked` says whether Microsoft was asked and could say; `skipped` whether the step is optional and the tenant lacks what it needs, so that `total` leaves it out; `result` is the object described above, `null` for a step without a callback and without an approval that was seen |
| `expires_at` | when the invitation ends |
| `organisation`, `operator`, `support`, `privacy_url` | as above |
"#;

#[test]
fn the_document_of_the_outcomes_says_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/outcomes.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, document()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == document(), "docs/outcomes.md is out of date: UPDATE_DOCS=1 cargo test outcomes");
}
