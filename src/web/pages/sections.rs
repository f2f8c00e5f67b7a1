//! The parts of a result page. Other pages use some of them too.

use maud::{Markup, html};

use super::result_page::{ChainLine, Closing, NamedBy, ResultPage};
use super::{Ago, Count, Moment, copyable, opens_as_page};
use crate::consent::permissions::NamedPermission;
use crate::consent::{Outcome, Owner, Right};
use crate::installation::Informed;
use crate::web::words::{CodeFrom, Template, Words};

/// Most permissions that a page shows in one list. The list ends with the number of the others, and JSON contains all of them.
const SHOWN: usize = 40;

pub(in crate::web) fn meaning(page: &ResultPage<'_>) -> Markup {
    let told = page.code.zip(page.because().meaning(page.outcome));
    html! {
        @if let Some((reported, (meaning, from))) = told {
            p.meaning {
                @match from {
                    CodeFrom::Callback => "Microsoft's page reported ",
                    CodeFrom::Check => "Microsoft answered our check with ",
                }
                code { (reported.code) } ": " (meaning.fill(page.names()))
            }
        }
    }
}

/// Whether users can approve the app without the administrator. Shown while an approval is missing.
pub(in crate::web) fn users_approval(page: &ResultPage<'_>) -> Markup {
    let known = page.users_may_approve.filter(|_| page.outcome.facts().approving_helps);
    html! { @if let Some(known) = known { p.users data-users-may-approve=(known.name()) { (known.words()) } } }
}

/// How to open the same link with another account: in a private window, or after signing out.
pub(super) fn right_account(page: &ResultPage<'_>) -> Markup {
    let names = page.names();
    let sign_out = page.sign_out_href.filter(|url| opens_as_page(url));
    let open_here = html! {
        @if let Some(address) = page.again_href { a href=(address) { "open the link in this window" } } @else { "open the link again" }
    };
    let other_account = matches!(page.outcome, Outcome::WrongTenant | Outcome::WrongAccount);
    html! {
        @if page.again_href.is_some() || sign_out.is_some() {
            section.account aria-labelledby="account" {
                h2 #account { "Try again with the right account" }
                @if let Some(address) = page.again_href {
                    p { "Open the same link in a private window (also called InPrivate or Incognito). Copy this address:" }
                    (copyable(address))
                }
                @if let Some(url) = sign_out {
                    p { "Or sign out first. This signs you out of Microsoft 365 in every tab of this browser, Outlook and Teams included, so save what you have open there." }
                    p { a.button href=(url) target="_blank" rel="noopener noreferrer" { "Sign out at Microsoft" } }
                    p { "Afterwards, " (open_here) "." }
                } @else {
                    p { "Or " (open_here) " and choose another account there." }
                }
            }
        }
        @if other_account {
            p.quiet.partner {
                (Template("If you manage this organisation as a partner (GDAP): an account of your own company often does not work here. Use an account of the organisation itself, or grant {app} with your partner tools and tell {operator}.").fill(names))
            }
        }
    }
}

/// The progress of the chain that an approval is part of.
pub(in crate::web) fn chain_line(chain: Option<ChainLine<'_>>) -> Markup {
    html! {
        @if let Some(chain) = chain {
            div.chain {
                p {
                    bdi { (chain.name) } ": "
                    @match chain.done {
                        Some(done) => strong { (done) " of " (chain.total) " approved" },
                        None => strong { (chain.total) " apps" },
                    }
                }
                @if let Some(href) = chain.continue_href {
                    p { a.button href=(href) { "Continue" } }
                }
            }
        }
    }
}

pub(super) fn check_again(page: &ResultPage<'_>) -> Markup {
    html! {
        @if let Some(plan) = page.refresh {
            p.again {
                "This page reloads by itself in " (Count(u64::from(plan.seconds), "second")) "; Microsoft is asked again at most every 30\u{a0}seconds. "
                a href=(plan.stop_href) { "Stop reloading" }
            }
        } @else if let Some(href) = page.check_again_href {
            p.again { a.button href=(href) { "Check again" } }
        }
    }
}

pub(super) struct ShownPermissions<'a> {
    pub(super) name: &'static str,
    heading: Template,
    note: Option<Template>,
    pub(super) permissions: &'a [NamedPermission],
}

pub(super) fn lists_of<'a>(page: &ResultPage<'a>) -> [ShownPermissions<'a>; 5] {
    let list = |name, heading, note: Option<&'static str>, permissions| ShownPermissions {
        name,
        heading: Template(heading),
        note: note.map(Template),
        permissions,
    };
    let right = Right::to_see(page.unseen).map(|right| match right {
        Right::Applications => "The Microsoft Graph permission Application.Read.All would show them to {operator}.",
        _ => "The Microsoft Graph permission Directory.Read.All would show them to {operator}.",
    });
    [
        list("forbidden", "Permissions that {operator} does not want", Some("Microsoft shows them as approved."), page.forbidden),
        list("missing", "Missing permissions", None, page.missing),
        list("unseen", "Permissions that we could not see", right, page.unseen),
        list(
            "unexpected",
            "Additional permissions",
            Some("Microsoft shows them as approved. They are not on the list of {operator}."),
            page.unexpected,
        ),
        list("optional_absent", "Optional permissions, not approved", Some("They are not required."), page.optional_absent),
    ]
}

/// The lists of permissions. `nested`: below a second-level heading.
pub(in crate::web) fn lists(page: &ResultPage<'_>, nested: bool) -> Markup {
    let names = page.names();
    html! {
        @for list in lists_of(page).iter().filter(|list| !list.permissions.is_empty()) {
            section.permissions data-list=(list.name) {
                @if nested { h3 { (list.heading.fill(names)) } } @else { h2 { (list.heading.fill(names)) } }
                @if let Some(note) = list.note { p.quiet { (note.fill(names)) } }
                ul {
                    @for permission in list.permissions.iter().take(SHOWN) {
                        li {
                            bdi.value { (permission.value) } " "
                            span.quiet { bdi { (permission.resource) } ", " (permission.kind.name()) " permission" }
                        }
                    }
                }
                @if let Some(more) = list.permissions.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                    p.quiet { "and " (more) " more" }
                }
            }
        }
    }
}

pub(in crate::web) fn facts(page: &ResultPage<'_>) -> Markup {
    let names = page.names();
    let looked = page.looked_at.and_then(Moment::of);
    html! {
        @if page.app.is_some() || page.organisation.is_some() || looked.is_some() {
            dl.facts {
                @if let Some(app) = page.app {
                    dt { "App" }
                    dd {
                        bdi { (app) }
                        @if let Some(purpose) = page.purpose { br; span.quiet { bdi { (purpose) } } }
                    }
                }
                @if let Some(organisation) = page.organisation {
                    dt { @if page.outcome == Outcome::WrongTenant { "The link is for" } @else { "Organisation" } }
                    dd {
                        bdi { (organisation.name) }
                        @if organisation.named_by == NamedBy::Operator {
                            " " span.quiet { (Template("(as named by {operator})").fill(names)) }
                        }
                    }
                }
                @if let Some(looked) = &looked {
                    dt { "Last checked" }
                    dd {
                        (looked)
                        @if let Some(age) = page.age { ", " (Ago(age)) }
                    }
                }
            }
        }
    }
}

/// The end of the page. If the reader has to act next, the text does not suggest closing the page.
pub(in crate::web) fn closing(page: &ResultPage<'_>, words: &Words) -> Markup {
    let told = match page.closing {
        Closing::Nothing => return html! {},
        Closing::KeepsLooking => "We keep checking.",
        Closing::WillConfirm => "We keep checking, and {operator} can see the answer in its records.",
        Closing::PleaseReload => "Please reload this page in a minute: this is not your doing, we could not arrange for another check yet.",
        Closing::Concluded(Informed::Yes) => "{operator} has been informed.",
        Closing::Concluded(Informed::Underway) => "{operator} is being informed.",
        Closing::Concluded(Informed::Unknown) => "{operator} can see this in its records.",
    };
    let goes_on = page.closing == Closing::PleaseReload || page.chain.is_some_and(|chain| chain.continue_href.is_some());
    let may_close = !goes_on && !words.asks_reader() && matches!(words.turn, Owner::Nobody | Owner::Operator | Owner::Microsoft);
    html! { p.closing { @if may_close { "You can close this page. " } (Template(told).fill(page.names())) } }
}

pub(in crate::web) fn details(page: &ResultPage<'_>) -> Markup {
    html! {
        details {
            summary { (Template("Details for {operator}").fill(page.names())) }
            dl {
                dt { "Outcome" }
                dd { code { (page.outcome.name()) } }
                @if let Some(reported) = page.code {
                    dt { "Microsoft's code" }
                    dd {
                        code { (reported.code) }
                        @match reported.from {
                            CodeFrom::Callback => " (came with the browser)",
                            CodeFrom::Check => " (answered to our check)",
                        }
                    }
                }
                @if let Some(id) = page.trace_id {
                    dt { "Microsoft's trace id" }
                    dd { code { (id) } }
                }
                @if let Some(id) = page.correlation_id {
                    dt { "Microsoft's correlation id" }
                    dd { code { (id) } }
                }
                @if let Some(reference) = page.reference {
                    dt { "Reference" }
                    dd { bdi { (reference) } }
                }
                @if let Some(id) = page.record_id {
                    dt { "Record" }
                    dd { code { (id) } }
                }
            }
        }
    }
}
