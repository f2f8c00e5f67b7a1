//! The report: one self-contained HTML file, for people who decide which customers to call next. The chart of all rows comes before the
//! first row, so each row waits on disk until the chart is complete.

use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Seek as _, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use time::OffsetDateTime;
use time::macros::format_description;

use super::super::timestamp::{exact, minute};
use super::row::ResultRow;
use super::summary::{OutcomeSummary, meaning};
use crate::consent::Owner;
use crate::file::{self, Readers};

/// The report's own style sheet, allowed by its hash.
const STYLE: &str = include_str!("report.css");

/// A report during writing.
pub(super) struct Report {
    path: PathBuf,
    /// The rows that need action, and the other rows.
    open: Spool,
    granted: Spool,
}

/// Rows in an unnamed file, in the folder of the report.
struct Spool(BufWriter<File>);

impl Spool {
    fn new(report: &Path) -> io::Result<Self> {
        file::nameless(report).map(|file| Self(BufWriter::new(file)))
    }

    fn pour(&mut self, into: &mut impl Write) -> io::Result<()> {
        self.0.rewind()?;
        io::copy(self.0.get_mut(), into).map(|_| ())
    }
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

impl Report {
    /// Starts a report for `path`.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), open: Spool::new(path)?, granted: Spool::new(path)? })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn add(&mut self, row: &ResultRow) -> io::Result<()> {
        let (_, turn, _) = meaning(&row.outcome);
        let spool = if turn == Owner::Nobody { &mut self.granted } else { &mut self.open };
        writeln!(spool.0, "{}", line(row).into_string())
    }

    /// Writes the report. An existing file at its path stays until the new report is complete.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn finish(mut self, about: &About<'_>, summary: &OutcomeSummary) -> io::Result<()> {
        let mut out = BufWriter::new(file::unfinished(&self.path, Readers::Owner)?);
        // The rows replace this marker between head and end of the page.
        const ROWS: &str = "<!--rows-->";
        let page = page(about, summary, &html! { (PreEscaped(ROWS)) }).into_string();
        let (head, end) = page.split_once(ROWS).unwrap_or((&page, ""));
        out.write_all(head.as_bytes())?;
        self.open.pour(&mut out)?;
        self.granted.pour(&mut out)?;
        out.write_all(end.as_bytes())?;
        file::finish(out.into_inner().map_err(IntoInnerError::into_error)?, &self.path)
    }
}

fn short(at: OffsetDateTime) -> String {
    at.format(format_description!("[month]-[day] [hour]:[minute]")).unwrap_or_default()
}

fn page(about: &About<'_>, summary: &OutcomeSummary, rows: &Markup) -> Markup {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
    let (granted, all) = (summary.granted(), summary.rows());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="referrer" content="no-referrer";
                title { "Approvals of " (about.operator) ", " (minute(about.at)) " UTC" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.operator { (about.operator) }
                    h1 { (granted) " of " (all) (if all == 1 { " approval is" } else { " approvals are" }) " granted" }
                    p.quiet {
                        (if about.apps.len() == 1 { "App: " } else { "Apps: " }) (about.apps.join(", "))
                        " · as Microsoft showed it until " (minute(about.at)) " UTC"
                        @if about.is_stopped { " · stopped before all were asked" }
                    }
                }
                main {
                    (picture(summary))
                    (who_moves(summary))
                    section {
                        h2 { "Tenants" }
                        table {
                            thead { tr { th scope="col" { "Tenant" } th scope="col" { "App" } th scope="col" { "Outcome" } th scope="col" { "What" } th scope="col" { "Checked (UTC)" } } }
                            tbody { (rows) }
                        }
                    }
                }
                footer {
                    p.quiet {
                        "Made by entra-consent " (env!("CARGO_PKG_VERSION"))
                        ". Granted means that every required permission was seen at Microsoft. Nothing here is known from a customer's word."
                    }
                }
            }
        }
    }
}

/// The bar of all rows, with the same numbers in words below the bar.
fn picture(summary: &OutcomeSummary) -> Markup {
    const WIDTH: u64 = 1_000;
    let all = summary.rows();
    let categories = summary.categories();
    let words: Vec<String> = categories.iter().map(|category| format!("{} {}", category.count, category.outcome)).collect();
    let told = if words.is_empty() { "No rows.".to_owned() } else { format!("Of {all}: {}.", words.join(", ")) };
    let mut before = 0;
    let segments: Vec<_> = categories
        .iter()
        .map(|category| {
            let at = |count: u64| u64::try_from(u128::from(count) * u128::from(WIDTH) / u128::from(all.max(1))).unwrap_or(WIDTH);
            let start = at(before);
            before += category.count;
            // A minimum width keeps small categories visible.
            (start, at(before).saturating_sub(start).max(3), category.tone.class())
        })
        .collect();
    html! {
        section {
            h2 id="progress" { "How far it is" }
            figure {
                svg.bar role="img" aria-labelledby="progress told" viewBox={ "0 0 " (WIDTH) " 32" } preserveAspectRatio="none" {
                    desc id="told" { (told) }
                    rect.none x="0" y="0" width=(WIDTH) height="32" {}
                    @for (start, width, class) in &segments {
                        rect class=(class) x=(start) y="0" width=(width) height="32" {}
                        @if *start > 0 { rect.gap x=(start) y="0" width="2" height="32" {} }
                    }
                }
                figcaption {
                    ul.counts {
                        @for category in &categories {
                            li {
                                span class={ "dot " (category.tone.class()) } {}
                                span.what { span.number { (category.count) } " " (words_of(category.outcome)) }
                                span.quiet { (category.line) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn who_moves(summary: &OutcomeSummary) -> Markup {
    let categories = summary.categories();
    let of = |who: &'static str| categories.iter().filter(move |category| category.turn.for_operator() == who);
    let all = [
        ("customer", "A customer's administrator"),
        ("operator", "You"),
        ("nobody_yet", "Nobody yet: ask again later"),
        ("nobody", "Nobody: all is granted"),
    ];
    html! {
        section {
            h2 { "Who has to act" }
            dl.who {
                @for (who, title) in all {
                    @if of(who).next().is_some() {
                        div {
                            dt { (title) }
                            dd {
                                (of(who).map(|category| category.count).sum::<u64>())
                                span.quiet { (of(who).map(|category| format!("{} {}", category.count, words_of(category.outcome))).collect::<Vec<_>>().join(", ")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn words_of(outcome: &str) -> String {
    outcome.replace('_', " ")
}

fn line(row: &ResultRow) -> Markup {
    let (_, _, tone) = meaning(&row.outcome);
    let lists = [("Missing", &row.missing), ("Unseen", &row.unseen), ("Forbidden", &row.forbidden), ("Unexpected", &row.unexpected)];
    let called = row.called();
    let id = row.tenant_id.map_or_else(|| row.tenant.to_string(), |id| id.to_string());
    let label = row.label.as_deref().filter(|label| *label != called);
    html! {
        tr {
            td {
                bdi.name { (called) }
                @for text in [label, row.reference.as_deref()].into_iter().flatten() { span.quiet.line { (text) } }
                @if id != called { span.id.quiet.line { (id) } }
            }
            td { (row.app) }
            td {
                span.badge { span class={ "dot " (tone.class()) } {} span { (words_of(&row.outcome)) } }
                @if let Some(before) = row.before.as_deref() { span.quiet.line { "before: " (words_of(before)) } }
            }
            td {
                ul {
                    @for (name, list) in lists {
                        @if !list.is_empty() {
                            @for entry in list { li { span.key { (name) ": " } (entry) } }
                        }
                    }
                    @if let Some(problem) = row.problem.as_deref() { li { (problem) } }
                }
            }
            td { @if let Some(at) = row.checked_at { time.quiet datetime=(exact(at)) { (short(at)) } } }
        }
    }
}
