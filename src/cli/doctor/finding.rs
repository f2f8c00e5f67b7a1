//! The findings of `doctor`: what, why it matters, and what to do.

use std::io::{self, Write};

use serde::Serialize;

use super::super::output::{self, Column, Format, LINE, PrintedRow, wrapped, write_labelled};
use crate::consent::ProfileId;

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
    const ALL: [Self; 4] = [Self::Wrong, Self::Warning, Self::Unseen, Self::Fine];

    const fn name(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Warning => "warning",
            Self::Unseen => "unseen",
            Self::Fine => "fine",
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

    /// The number of findings for each level, in words.
    pub(super) fn summary(&self) -> String {
        let count = |severity| self.0.iter().filter(|finding| finding.severity == severity).count();
        FindingSeverity::ALL.map(|severity| format!("{} {}", count(severity), severity.name())).join(", ")
    }

    /// Prints all findings, the most serious first.
    pub(super) fn print(&mut self, format: Format, mut out: impl Write) -> io::Result<()> {
        self.0.sort_by_key(|finding| finding.severity);
        if format != Format::Table {
            return output::all(format, &self.0, out);
        }
        for finding in &self.0 {
            let app = finding.app.as_ref().map(|app| format!("{app}: ")).unwrap_or_default();
            let parts = [
                (finding.severity.name().to_uppercase(), format!("{app}{}", finding.what)),
                ("  why".to_owned(), finding.why.to_owned()),
                ("  do".to_owned(), finding.remedy.clone()),
            ];
            for (label, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
                let lines =
                    text.lines().flat_map(|line| if is_command(line) { vec![line.to_owned()] } else { wrapped(line, LINE - LABEL) });
                write_labelled(&mut out, &label, LABEL, lines.collect())?;
            }
        }
        out.flush()
    }
}

/// Columns before a finding's text.
const LABEL: usize = 9;

/// Whether a person will copy the line into a shell, so that it must stay on one line.
fn is_command(line: &str) -> bool {
    ["az ", "chmod ", "entra-consent "].iter().any(|program| line.starts_with(program))
}
