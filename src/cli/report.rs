//! The report: one HTML file without scripts, for people who decide which customers to call next. Its unit is the customer.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IntoInnerError, Write as _};
use std::path::Path;

use maud::{Markup, html};
use time::OffsetDateTime;

use super::document::document;
use super::mail::addresses;
use super::timestamp::{exact, minute};
use crate::consent::outcome::Tone;
use crate::consent::{Owner, TenantStatus};
use crate::file::{self, Readers};
use crate::web::pages::encoded;

/// Whose move it is: the owner's stable name, the heading and the tone, in the order of the report.
pub(super) const GROUPS: [(&str, &str, Tone); 4] = [
    ("customer", "The customer's move", Tone::Act),
    ("operator", "Your move", Tone::Ours),
    ("nobody_yet", "Wait, then check again", Tone::Wait),
    ("nobody", "Complete", Tone::Good),
];

/// The tone of a status, by the party that has to act.
pub(super) fn tone(status: TenantStatus) -> Tone {
    match status.turn() {
        Owner::Nobody => Tone::Good,
        _ if status.was_seen() => Tone::Partly,
        Owner::Visitor | Owner::Admin | Owner::Organisation => Tone::Act,
        Owner::Operator | Owner::AppOwner => Tone::Ours,
        Owner::Microsoft => Tone::Wait,
    }
}

/// The group of a customer: the first one of its approvals in the order of [`GROUPS`].
pub(super) fn group_of<'w>(owners: impl Iterator<Item = &'w str>) -> usize {
    owners.filter_map(|who| GROUPS.iter().position(|(name, ..)| *name == who)).min().unwrap_or(GROUPS.len() - 1)
}

/// A customer in the report.
#[derive(Debug, Default)]
pub(super) struct ReportedCustomer {
    pub(super) name: Box<str>,
    /// The customer's label, reference and tenant.
    pub(super) lines: Vec<Box<str>>,
    pub(super) contact: Option<Box<str>>,
    pub(super) approvals: Vec<ReportedApproval>,
}

/// The approval of one app.
#[derive(Debug)]
pub(super) struct ReportedApproval {
    pub(super) app: Box<str>,
    /// The outcome, or the last step.
    pub(super) state: Box<str>,
    pub(super) tone: Tone,
    /// [`Owner::for_operator`]
    pub(super) who: &'static str,
    /// The next action, in one sentence.
    pub(super) next: Box<str>,
    pub(super) details: Vec<Box<str>>,
    pub(super) at: Option<OffsetDateTime>,
}

/// The details at the top of a report.
pub(super) struct About<'a> {
    /// The operator's name, from the configuration.
    pub(super) operator: &'a str,
    /// The names of the apps.
    pub(super) apps: &'a [&'a str],
    /// The time of the report.
    pub(super) at: OffsetDateTime,
    /// Whether the run was stopped before all checks were done.
    pub(super) is_stopped: bool,
}

/// Writes the report. An existing file at its path stays until the new report is complete.
///
/// # Errors
/// Those of the disk.
pub(super) fn write(path: &Path, about: &About<'_>, customers: &[ReportedCustomer]) -> io::Result<()> {
    let mut groups: BTreeMap<usize, Vec<&ReportedCustomer>> = BTreeMap::new();
    for customer in customers {
        groups.entry(group_of(customer.approvals.iter().map(|approval| approval.who))).or_default().push(customer);
    }
    let groups: Vec<_> = groups.into_iter().filter_map(|(at, customers)| Some((*GROUPS.get(at)?, customers))).collect();
    let mut out = BufWriter::new(file::unfinished(path, Readers::Owner)?);
    out.write_all(page(about, customers.len(), &groups).into_string().as_bytes())?;
    file::finish(out.into_inner().map_err(IntoInnerError::into_error)?, path)
}

type Group<'c> = ((&'static str, &'static str, Tone), Vec<&'c ReportedCustomer>);

fn page(about: &About<'_>, all: usize, groups: &[Group<'_>]) -> Markup {
    let complete = groups.iter().find(|((who, ..), _)| *who == "nobody").map_or(0, |(_, customers)| customers.len());
    let title = format!("Approvals of {}, {} UTC", about.operator, minute(about.at));
    let body = html! {
        body.report {
            main {
                header {
                    p.eyebrow { (about.operator) }
                    h1 { (complete) " of " (all) (if all == 1 { " customer is" } else { " customers are" }) " complete" }
                    p.quiet {
                        (if about.apps.len() == 1 { "App: " } else { "Apps: " }) (about.apps.join(", "))
                        " · " (minute(about.at)) " UTC"
                        @if about.is_stopped { " · stopped before all were checked" }
                    }
                }
                nav aria-label="Whose move it is" {
                    ul.groups {
                        @for ((who, title, tone), customers) in groups {
                            li class=(tone.class()) { a href={ "#" (who) } { span.count { (customers.len()) } " " (title) } }
                        }
                    }
                }
                @for ((who, title, tone), customers) in groups {
                    section id=(who) class=(tone.class()) {
                        h2 { (title) " (" (customers.len()) ")" }
                        table {
                            thead { tr { th scope="col" { "Customer" } th scope="col" { "Apps" } th scope="col" { "Next" } } }
                            tbody { @for customer in customers { (row(customer, who)) } }
                        }
                    }
                }
            }
            footer {
                p { "Made by entra-consent " (env!("CARGO_PKG_VERSION")) ". A customer is complete when Microsoft showed every required permission of each app." }
            }
        }
    };
    document(&title, &body)
}

/// A shape for each tone, so that a reader without colours can tell them apart.
fn mark(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "✓",
        Tone::Partly => "◐",
        Tone::Wait | Tone::Note => "…",
        Tone::Act | Tone::Start => "→",
        Tone::Ours | Tone::Alarm => "!",
    }
}

fn row(customer: &ReportedCustomer, who: &str) -> Markup {
    let mut lines: Vec<&str> = customer.lines.iter().map(|line| &**line).filter(|line| *line != &*customer.name).collect();
    lines.dedup();
    let mut next: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for approval in customer.approvals.iter().filter(|approval| approval.who != "nobody") {
        match next.iter_mut().find(|(_, sentence, _)| *sentence == &*approval.next) {
            Some((.., apps)) => apps.push(&approval.app),
            None => next.push((approval.who, &approval.next, vec![&approval.app])),
        }
    }
    next.sort_by_key(|(owner, ..)| *owner != who);
    let others = |owner| GROUPS.iter().find(|(name, ..)| *name == owner && owner != who).map(|(_, title, _)| title.to_lowercase());
    html! {
        tr {
            th scope="row" {
                bdi { (customer.name) }
                @for line in lines { span.small { bdi { (line) } } }
            }
            td {
                ul.apps {
                    @for ReportedApproval { app, state, tone, details, at, .. } in &customer.approvals {
                        li class=(tone.class()) {
                            span.sign aria-hidden="true" { (mark(*tone)) }
                            span {
                                strong { (app) } " " (state.replace('_', " "))
                                @for detail in details { span.small { (detail) } }
                                @if let Some(at) = at { time.small datetime=(exact(*at)) { (minute(*at)) } }
                            }
                        }
                    }
                }
            }
            td {
                @for (owner, sentence, apps) in &next {
                    p {
                        @if customer.approvals.len() > 1 {
                            span.small { (apps.join(", ")) @if let Some(other) = others(*owner) { " · " (other) } }
                        }
                        (sentence)
                    }
                }
                @if let Some(contact) = &customer.contact {
                    p {
                        @if let Some(address) = mail_address(contact) { a href=(address) { bdi { (contact) } } } @else { bdi { (contact) } }
                    }
                }
            }
        }
    }
}

/// The first mail address in a contact, as the address of a mail.
fn mail_address(contact: &str) -> Option<String> {
    let address = addresses(contact).into_iter().next()?;
    let (name, host) = address.split_once('@')?;
    Some(format!("mailto:{}@{}", encoded(name), encoded(host)))
}
