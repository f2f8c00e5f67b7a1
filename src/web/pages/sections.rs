//! The parts of a result page. Other pages use some of them too.

use maud::{Markup, Render as _, html};

use super::result_page::{ChainLine, Closing, NamedBy, ResultPage};
use super::{Ago, Moment, contact, opens_as_page};
use crate::consent::permission_table::{self, PermissionKind};
use crate::consent::permissions::NamedPermission;
use crate::consent::{Outcome, Owner, ResourceId, Right};
use crate::installation::Informed;
use crate::web::words::{self, CodeFrom, PAGES, PageText, Words};

/// The form field of the button that asks for another link.
pub(in crate::web) const ASK: &str = "ask";

/// Most permissions that a page shows in one list. The list ends with the number of the others, and JSON contains all of them.
const SHOWN: usize = 40;

pub(in crate::web) fn meaning(page: &ResultPage<'_>) -> Markup {
    let told = page.code.zip(page.because().meaning(page.outcome));
    html! {
        @if let Some((reported, (meaning, from))) = told {
            p.meaning {
                (PAGES.text(match from {
                    CodeFrom::Callback => "reported-by-page",
                    CodeFrom::Check => "reported-to-check",
                }).with("code", html! { code { (reported.code) } }).with("meaning", meaning.fill(page.names())))
            }
        }
    }
}

/// Whether users can approve the app without the administrator. Shown while an approval is missing.
pub(in crate::web) fn users_approval(page: &ResultPage<'_>) -> Markup {
    let known = page.users_may_approve.filter(|_| page.outcome.facts().approving_helps);
    html! { @if let Some(known) = known { p.users data-users-may-approve=(known.name()) { (known.words()) } } }
}

/// The same invitation again, as the primary button if the next step is the reader's. Without it, the page says who to ask.
pub(super) fn try_again(page: &ResultPage<'_>, words: &Words) -> Markup {
    let names = page.names();
    let other_account = matches!(page.outcome, Outcome::WrongTenant | Outcome::WrongAccount);
    let as_admin = other_account || page.outcome == Outcome::NotAnAdmin;
    // If Microsoft itself blocked the sign-in or the organisation, the organisation has no rule that a person could change.
    let has_rule = page.outcome == Outcome::BlockedByPolicy && page.outcome.cause(page.code.map(|reported| reported.entry.token)).is_none();
    let policy_mail = (has_rule && !matches!(words.turn, Owner::Microsoft | Owner::Operator)).then(|| contact::mail_about_policy(page));
    let primary = words.asks_reader() && !page.may_still_arrive() && policy_mail.is_none();
    html! {
        @if page.can_try_again(words) {
            div.cta {
                @if let Some(mail) = &policy_mail { p { a.button.primary href=(mail) { (PAGES.text("policy-mail")) } } }
                @if let Some(address) = page.again_href {
                    p { a.button.primary[primary] href=(address) { (PAGES.text(if as_admin { "try-again-as-admin" } else { "try-again" })) } }
                    @if other_account { p.quiet { (PAGES.text("try-again-private-window")) } }
                    @if let Some(mail) = page.pass_on_href { p { a.button href=(mail) { (PAGES.text("pass-on-mail")) } } }
                } @else {
                    p.quiet { (PAGES.text("try-again-ask").fill(names)) }
                    (contact::buttons(page, primary))
                }
            }
        } @else if page.asks_operator() || !page.forbidden.is_empty() {
            div.cta {
                @if page.can_ask {
                    form method="post" { button.button.primary name=(ASK) value="renewal" { (PAGES.text("ask-for-link").fill(names)) } }
                }
                (contact::buttons(page, words.asks_reader() && !page.can_ask))
            }
        }
        @if let Some(url) = page.sign_out_href.filter(|url| opens_as_page(url)) {
            details {
                summary { (PAGES.text("sign-out-first")) }
                p { (PAGES.text("sign-out-everywhere")) }
                p { a.button href=(url) target="_blank" rel="noopener noreferrer" { (PAGES.text("sign-out")) } }
            }
        }
        @if other_account {
            details.partner {
                summary { (PAGES.text("partner")) }
                p { (PAGES.text("partner-account").fill(names)) }
            }
        }
    }
}

/// The progress of the chain that an approval is part of.
pub(in crate::web) fn chain_line(chain: Option<ChainLine<'_>>, primary: bool) -> Markup {
    html! {
        @if let Some(chain) = chain {
            div.chain {
                @let progress = PAGES.text(if chain.done.is_some() { "chain-progress" } else { "chain-total" })
                    .with("done", chain.done.unwrap_or_default()).with("total", chain.total);
                p { (PAGES.text("chain-line").with("chain", chain.name).with("progress", html! { strong { (progress) } })) }
                @if let Some(href) = chain.continue_href {
                    p { a.button.primary[primary] href=(href) { (PAGES.text("chain-continue")) } }
                }
            }
        }
    }
}

/// How a waiting page reloads, and the button that stops it. Comes before the text, so that readers reach the button before the page reloads.
pub(super) fn reloading(page: &ResultPage<'_>) -> Markup {
    html! {
        @if let Some(plan) = page.refresh {
            div.again {
                a.button href=(plan.stop_href) { (PAGES.text("reloads-stop")) }
                p { (PAGES.text("reloads-in").with("seconds", u64::from(plan.seconds))) }
            }
        }
    }
}

pub(super) fn check_again(page: &ResultPage<'_>, words: &Words) -> Markup {
    let primary =
        words.asks_reader() && !page.goes_on() && (page.may_still_arrive() || !(page.can_try_again(words) || page.asks_operator()));
    html! {
        @if page.refresh.is_none() && let Some(href) = page.check_again_href {
            p.again { a.button.primary[primary] href=(href) { (PAGES.text("check-again")) } }
        }
    }
}

pub(super) struct ShownPermissions<'a> {
    pub(super) name: &'static str,
    heading: PageText<'static>,
    note: Option<PageText<'static>>,
    pub(super) permissions: &'a [NamedPermission],
}

pub(super) fn lists_of<'a>(page: &ResultPage<'a>) -> [ShownPermissions<'a>; 6] {
    let list = |name, heading, note, permissions| ShownPermissions { name, heading, note, permissions };
    let right = Right::to_see(page.unseen).map(|right| PAGES.text("list-unseen-note").with("permission", right.permission()));
    [
        list("granted", PAGES.text("list-granted"), None, page.granted_now()),
        list("forbidden", PAGES.text("list-forbidden"), Some(PAGES.text("list-forbidden-note")), page.forbidden),
        list("missing", PAGES.text("list-missing"), None, page.missing),
        list("unseen", PAGES.text("list-unseen"), right, page.unseen),
        list("unexpected", PAGES.text("list-unexpected"), Some(PAGES.text("list-unexpected-note")), page.unexpected),
        list("optional_absent", PAGES.text("list-optional-absent"), Some(PAGES.text("list-optional-absent-note")), page.optional_absent),
    ]
}

/// The lists of permissions. `nested`: below a second-level heading.
pub(in crate::web) fn lists(page: &ResultPage<'_>, nested: bool) -> Markup {
    let names = page.names();
    html! {
        // The report of a chain has one line for each approved app.
        @for list in lists_of(page).iter().filter(|list| !(list.permissions.is_empty() || nested && list.name == "granted")) {
            section.permissions data-list=(list.name) {
                @if nested { h3 { (list.heading.fill(names)) } } @else { h2 { (list.heading.fill(names)) } }
                @if let Some(note) = &list.note { p.quiet { (note.fill(names)) } }
                ul {
                    @for permission in list.permissions.iter().take(SHOWN) {
                        li {
                            @if let Some(words) = words_of(permission) { p { (words) } }
                            bdi.value { (permission.value) } " "
                            span.quiet {
                                (PAGES.text(match permission.kind {
                                    PermissionKind::Application => "permission-application",
                                    PermissionKind::Delegated => "permission-delegated",
                                }).with("resource", &*permission.resource))
                            }
                        }
                    }
                }
                @if let Some(more) = list.permissions.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                    p.quiet { (PAGES.text("list-more").with("count", more)) }
                }
            }
        }
    }
}

/// What a permission lets an app do. [`NamedPermission`] has these names only for Microsoft's own resources.
fn words_of(permission: &NamedPermission) -> Option<PageText<'static>> {
    let known = [ResourceId::GRAPH, ResourceId::EXCHANGE_ONLINE];
    let resource = known.into_iter().find(|id| permission_table::resource_name(*id) == Some(&*permission.resource))?;
    words::permission_words(resource, permission.kind, &permission.value)
}

pub(in crate::web) fn facts(page: &ResultPage<'_>) -> Markup {
    let names = page.names();
    let looked = page.looked_at.and_then(Moment::of);
    html! {
        @if page.app.is_some() || page.organisation.is_some() || looked.is_some() {
            dl.facts {
                @if let Some(app) = page.app {
                    dt { (PAGES.text("facts-app")) }
                    dd {
                        bdi { (app) }
                        @if let Some(purpose) = page.purpose { br; span.quiet { bdi { (purpose) } } }
                    }
                }
                @if let Some(organisation) = page.organisation {
                    dt { (PAGES.text(if page.outcome == Outcome::WrongTenant { "facts-link-is-for" } else { "facts-organisation" })) }
                    dd {
                        bdi { (organisation.name) }
                        @if organisation.named_by == NamedBy::Operator {
                            " " span.quiet { (PAGES.text("named-by-operator").fill(names)) }
                        }
                    }
                }
                @if let Some(looked) = &looked {
                    dt { (PAGES.text("facts-last-checked")) }
                    dd {
                        @match page.age {
                            Some(age) => (PAGES.text("facts-checked-ago").with("moment", looked.render()).with("ago", Ago(age).render())),
                            None => (looked),
                        }
                    }
                }
            }
        }
    }
}

/// The end of the page. If the reader has to act next, the text does not suggest closing the page.
pub(in crate::web) fn closing(page: &ResultPage<'_>, words: &Words) -> Markup {
    let told = PAGES.text(match page.closing {
        Closing::Nothing => return html! {},
        Closing::KeepsLooking => "closing-keeps-looking",
        Closing::WillConfirm => "closing-will-confirm",
        Closing::PleaseReload => "closing-please-reload",
        Closing::Concluded(Informed::Yes) => "closing-informed",
        Closing::Concluded(Informed::Underway) => "closing-being-informed",
        Closing::Concluded(Informed::Unknown) => "closing-in-records",
    });
    let goes_on = page.closing == Closing::PleaseReload || page.chain.is_some_and(|chain| chain.continue_href.is_some());
    let may_close = !goes_on && !words.asks_reader() && matches!(words.turn, Owner::Nobody | Owner::Operator | Owner::Microsoft);
    html! { p.closing { @if may_close { (PAGES.text("closing-may-close")) " " } (told.fill(page.names())) } }
}

/// The way to Enterprise apps in the Microsoft Entra admin centre, as the first of numbered steps.
pub(in crate::web) fn open_enterprise_apps(page: &ResultPage<'_>) -> PageText<'static> {
    let label = PAGES.text("centre");
    let centre = match page.centre_href {
        Some(href) => html! { a href=(href) target="_blank" rel="noopener noreferrer" { (label) } },
        None => label.render(),
    };
    PAGES.text("centre-open").with("centre", centre)
}

/// The places in the Microsoft Entra admin centre where the reader can act, as numbered steps. Folded if they are no part of the next step.
pub(super) fn admin_centre(page: &ResultPage<'_>) -> Markup {
    let names = page.names();
    let app =
        PAGES.text("centre-choose").with("name", page.missing_resource.filter(|_| page.is_switched_off()).or(page.app).unwrap_or_default());
    let (heading, steps): (_, &[PageText<'_>]) = match page.outcome {
        Outcome::Granted => (PAGES.text("centre-undo"), &[app, PAGES.text("centre-delete"), PAGES.text("centre-pause")]),
        Outcome::WrongTenant => (PAGES.text("centre-remove"), &[app, PAGES.text("centre-delete")]),
        outcome if outcome == Outcome::Disabled || (outcome == Outcome::AppMisconfigured && page.is_switched_off()) => {
            (PAGES.text("centre-enable"), &[app, PAGES.text("centre-properties")])
        }
        Outcome::ApprovalRequested => (PAGES.text("centre-decide"), &[PAGES.text("centre-requests"), PAGES.text("centre-review")]),
        _ => return html! {},
    };
    let steps = html! { ol { @for step in [open_enterprise_apps(page)].iter().chain(steps) { li { (step.fill(names)) } } } };
    html! {
        @if page.app.is_some() {
            @if matches!(page.outcome, Outcome::Granted | Outcome::WrongTenant) {
                details.centre { summary { span { (heading.fill(names)) } } (steps) }
            } @else {
                section.centre aria-labelledby="centre" { h2 #centre { (heading.fill(names)) } (steps) }
            }
        }
    }
}

/// What support asks for, as one block that a reader can select, without an address or a token.
pub(in crate::web) fn details(page: &ResultPage<'_>) -> Markup {
    let line = |label, value: Markup| html! { (label) ": " (value) "\n" };
    let time = page.looked_at.or(page.came_back_at).and_then(Moment::of);
    html! {
        details.support open[matches!(page.outcome, Outcome::AppMisconfigured | Outcome::BlockedByPolicy | Outcome::Unknown)] {
            summary { (PAGES.text("details-heading")) }
            pre tabindex="0" {
                (line(PAGES.text("details-outcome"), html! { code { (page.outcome.name()) } }))
                @if let Some(reported) = page.code {
                    (line(PAGES.text("details-code"), PAGES.text(match reported.from {
                        CodeFrom::Callback => "details-code-by-browser",
                        CodeFrom::Check => "details-code-to-check",
                    }).with("code", html! { code { (reported.code) } }).render()))
                }
                @if let Some(id) = page.record_id { (line(PAGES.text("details-record"), html! { code { (id) } })) }
                @if let Some(reference) = page.reference { (line(PAGES.text("details-reference"), html! { bdi { (reference) } })) }
                @if let Some(time) = time { (line(PAGES.text("details-time"), html! { code { (time.machine) } })) }
                @if let Some(id) = page.correlation_id { (line(PAGES.text("details-correlation-id"), html! { code { (id) } })) }
                @if let Some(id) = page.trace_id { (line(PAGES.text("details-trace-id"), html! { code { (id) } })) }
            }
        }
    }
}
