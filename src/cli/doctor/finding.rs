//! The findings of `doctor`: what, why it matters, and what to do.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use super::super::output::{self, Column, Format, LINE, PrintedRow, wrapped};
use super::super::terminal::{Verbosity, colours, verbosity, width as terminal_width};
use crate::consent::{ProfileId, TenantId};

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FindingSeverity {
    /// The setup does not work, or a customer will see a fault.
    Wrong,
    /// The setup works, but the operator should act.
    Warning,
    /// The state is unknown: a permission was missing, no answer came, or doctor did not ask.
    Unseen,
    /// No action needed.
    Fine,
}

impl FindingSeverity {
    const fn name(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Warning => "warning",
            Self::Unseen => "unseen",
            Self::Fine => "fine",
        }
    }

    /// The mark at a terminal.
    const fn mark(self) -> (&'static str, AnsiColor) {
        match self {
            Self::Wrong => ("✗", AnsiColor::Red),
            Self::Warning => ("!", AnsiColor::Yellow),
            Self::Unseen => ("?", AnsiColor::Cyan),
            Self::Fine => ("✓", AnsiColor::Green),
        }
    }

    /// The word in place of a mark.
    const fn word(self) -> &'static str {
        match self {
            Self::Wrong => "WRONG",
            Self::Warning => "WARNING",
            Self::Unseen => "UNKNOWN",
            Self::Fine => "OK",
        }
    }
}

/// One line of the report.
#[derive(Debug, Serialize)]
pub(super) struct DoctorFinding {
    severity: FindingSeverity,
    /// The name of the check: a stable word for scripts.
    check: &'static str,
    /// `None` if the finding concerns the whole installation.
    app: Option<ProfileId>,
    what: String,
    /// Empty if all is well.
    why: &'static str,
    /// A command or a click path. Empty if all is well.
    remedy: String,
}

/// The check whose fine findings say what `--fix` wrote.
pub(super) const PERMISSION_ID: &str = "permission_id";
/// Checks that a person asked for with `--fix` or `--tenant`, so their fine findings are shown too.
const ASKED_FOR: [&str; 3] = [PERMISSION_ID, "customer", "customer_token"];

impl DoctorFinding {
    /// Whether only the count of such findings is shown.
    fn is_folded(&self) -> bool {
        self.severity == FindingSeverity::Fine && !ASKED_FOR.contains(&self.check)
    }
}

impl PrintedRow for DoctorFinding {
    const COLUMNS: &'static [Column<Self>] = &[
        ("severity", |finding| finding.severity.name().to_owned()),
        ("check", |finding| finding.check.to_owned()),
        ("app", |finding| finding.app.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("what", |finding| finding.what.clone()),
        ("why", |finding| finding.why.to_owned()),
        ("remedy", |finding| finding.remedy.clone()),
    ];
}

/// The subject of a finding.
#[derive(Debug, Clone, Copy)]
pub(super) struct FindingSubject<'a> {
    /// The name of the check.
    pub(super) check: &'static str,
    /// `None` for the installation as a whole.
    pub(super) app: Option<&'a ProfileId>,
}

impl FindingSubject<'static> {
    pub(super) const fn all(check: &'static str) -> Self {
        Self { check, app: None }
    }
}

impl<'a> FindingSubject<'a> {
    pub(super) const fn app(check: &'static str, app: &'a ProfileId) -> Self {
        Self { check, app: Some(app) }
    }
}

#[derive(Debug, Default)]
pub(super) struct Findings(Vec<DoctorFinding>);

impl Findings {
    /// Adds a finding with its explanation and its remedy.
    pub(super) fn note<W: Into<String>, R: Into<String>>(
        &mut self,
        severity: FindingSeverity,
        FindingSubject { check, app }: FindingSubject<'_>,
        what: W,
        why: &'static str,
        remedy: R,
    ) {
        self.0.push(DoctorFinding { severity, check, app: app.cloned(), what: what.into(), why, remedy: remedy.into() });
    }

    pub(super) fn wrong(&mut self, about: FindingSubject<'_>, what: impl Into<String>, why: &'static str, remedy: impl Into<String>) {
        self.note(FindingSeverity::Wrong, about, what, why, remedy);
    }

    /// Adds a finding that works today but should change.
    pub(super) fn warning(&mut self, about: FindingSubject<'_>, what: impl Into<String>, why: &'static str, remedy: impl Into<String>) {
        self.note(FindingSeverity::Warning, about, what, why, remedy);
    }

    /// Adds a finding whose state is unknown.
    pub(super) fn unseen(&mut self, about: FindingSubject<'_>, what: impl Into<String>, why: &'static str, remedy: impl Into<String>) {
        self.note(FindingSeverity::Unseen, about, what, why, remedy);
    }

    pub(super) fn fine(&mut self, about: FindingSubject<'_>, what: impl Into<String>) {
        self.note(FindingSeverity::Fine, about, what, "", "");
    }

    /// Whether the operator has to act.
    pub(super) fn need_somebody(&self) -> bool {
        self.0.iter().any(|finding| matches!(finding.severity, FindingSeverity::Wrong | FindingSeverity::Warning))
    }

    /// The number of findings for each level, in words: `18 passed, 2 warnings, 1 unknown`.
    pub(super) fn summary(&self) -> String {
        let count = |severity| self.0.iter().filter(|finding| finding.severity == severity).count();
        let (passed, warnings) = (count(FindingSeverity::Fine), count(FindingSeverity::Warning));
        let mut parts = vec![format!("{passed} passed")];
        let others = [(count(FindingSeverity::Wrong), "wrong"), (warnings, "warning"), (count(FindingSeverity::Unseen), "unknown")];
        parts.extend(others.into_iter().filter(|(count, _)| *count > 0).map(|(count, name)| {
            let plural = if name == "warning" && count > 1 { "s" } else { "" };
            format!("{count} {name}{plural}")
        }));
        parts.join(", ")
    }

    /// Prints all findings: for people by app, and otherwise the most serious first.
    pub(super) fn print(&mut self, format: Format, out: impl Write) -> io::Result<()> {
        if format == Format::Table {
            return self.print_groups(out);
        }
        self.0.sort_by_key(|finding| finding.severity);
        output::all(format, &self.0, out)
    }

    /// The installation comes first, then each app. What is fine is one line, unless `--verbose` asks for all.
    fn print_groups(&mut self, mut out: impl Write) -> io::Result<()> {
        let mut apps: Vec<Option<ProfileId>> = vec![None];
        for finding in &self.0 {
            if !apps.contains(&finding.app) {
                apps.push(finding.app.clone());
            }
        }
        self.0.sort_by_key(|finding| finding.severity);
        let is_verbose = verbosity() == Verbosity::Verbose;
        let mut given: HashMap<String, Vec<&str>> = HashMap::new();
        let mut explained = HashSet::new();
        let mut is_first = true;
        for app in apps {
            let of_app: Vec<&DoctorFinding> = self.0.iter().filter(|finding| finding.app == app).collect();
            let name = app.as_ref().map_or("Installation", ProfileId::as_str);
            if of_app.is_empty() {
                continue;
            }
            writeln!(out, "{}{name}", if is_first { "" } else { "\n" })?;
            is_first = false;
            for finding in of_app.iter().filter(|finding| is_verbose || !finding.is_folded()) {
                write_part(&mut out, Some(finding.severity), "", &finding.what)?;
                // One remedy often serves several apps or rights, with other names in it.
                let names: Vec<&str> = finding.remedy.split(' ').map(bare).filter(|word| is_name(word, name)).collect();
                let key: String = finding.remedy.split(' ').map(|word| if is_name(bare(word), name) { "" } else { word }).collect();
                if explained.insert(finding.why) {
                    write_part(&mut out, None, "why", finding.why)?;
                }
                match given.get(&key) {
                    Some(known) if !key.is_empty() => {
                        let others: Vec<&str> = names.into_iter().filter(|name| !known.contains(name)).collect();
                        let with = if others.is_empty() { String::new() } else { format!(", with {}", others.join(", ")) };
                        write_part(&mut out, None, "do", &format!("as above{with}"))?;
                    }
                    _ => {
                        write_part(&mut out, None, "do", &finding.remedy)?;
                        given.insert(key, names);
                    }
                }
            }
            let passed = of_app.iter().filter(|finding| finding.is_folded()).count();
            if passed > 0 && !is_verbose {
                let checks = if passed == 1 { "check" } else { "checks" };
                write_part(&mut out, Some(FindingSeverity::Fine), "", &format!("{passed} {checks} passed"))?;
            }
        }
        out.flush()
    }
}

/// A word without the punctuation around it.
fn bare(word: &str) -> &str {
    word.trim_matches([',', '.', ';', ':', '(', ')', '"'])
}

/// Whether a word of a remedy names a thing: the app, an id, a permission or a file.
fn is_name(word: &str, app: &str) -> bool {
    word == app || TenantId::parse(word).is_ok() || word.contains('.') && !word.contains('/')
}

/// Writes a text in lines that fit the terminal, after a mark or a label.
fn write_part(out: &mut impl Write, severity: Option<FindingSeverity>, label: &str, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let has_marks = colours();
    let (label, style) = match severity {
        Some(severity) if has_marks => {
            let (mark, colour) = severity.mark();
            (mark, colour.on_default())
        }
        Some(severity) => (severity.word(), Style::new()),
        None => (label, Style::new()),
    };
    // A mark needs less room than a word.
    let (indent, width) = if has_marks { (2, 4) } else { (2, 8) };
    let room = terminal_width().map_or(LINE, usize::from).clamp(60, 120).saturating_sub(indent + width);
    let lines = text.lines().flat_map(|line| if is_command(line) { vec![line.to_owned()] } else { wrapped(line, room) });
    for (line, label) in lines.zip(std::iter::once(label).chain(std::iter::repeat(""))) {
        writeln!(out, "  {style}{label:<width$}{style:#}{line}")?;
    }
    Ok(())
}

/// Whether a person will copy the line into a shell, so that it must stay on one line.
fn is_command(line: &str) -> bool {
    ["az ", "chmod ", "entra-consent "].iter().any(|program| line.starts_with(program))
}
