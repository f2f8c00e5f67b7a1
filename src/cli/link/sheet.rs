//! The table with the links: the customers' own columns, safe to open in a spreadsheet, and ours after them.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use time::format_description::well_known::Rfc3339;

use super::job::{Dead, Job, ends};
use crate::cli::customers::{Columns, Customer};
use crate::cli::formula::{harmless, harmless_at_start, harmless_within};
use crate::cli::mail::{Locale, Mail};
use crate::consent::TenantId;
use crate::site::SignedLink;

/// Our columns.
pub(super) const TENANT_ID: &str = "tenant_id";
pub(super) const LINK: &str = "link";
const LINK_ID: &str = "link_id";
const EXPIRES: &str = "expires";
pub(super) const STATUS: &str = "status";
const PROBLEM: &str = "problem";
const MAIL_SUBJECT: &str = "mail_subject";
const MAIL_TEXT: &str = "mail_text";
const OURS: [&str; 6] = [TENANT_ID, LINK, LINK_ID, EXPIRES, STATUS, PROBLEM];
const MAIL: [&str; 2] = [MAIL_SUBJECT, MAIL_TEXT];

/// The status of a row with a link.
pub(super) const MADE: &str = "made";
/// Those of a row with a link that nobody can use.
const EXPIRED: &str = "expired";
const REVOKED: &str = "revoked";

const fn status_of(dead: Dead) -> &'static str {
    match dead {
        Dead::Expired => EXPIRED,
        Dead::Revoked => REVOKED,
    }
}

/// Whether a row of this status has a link, of use or not.
pub(super) fn has_link(status: &str) -> bool {
    [MADE, EXPIRED, REVOKED].contains(&status)
}

/// Rows and time after which what was written is handed to the file: a kill costs no more than that.
const FLUSHED: (u32, Duration) = (256, Duration::from_secs(1));

/// Which columns the table has.
pub(super) struct Layout {
    /// Where the customers' own columns are in their table. Those that are called as ours are left out.
    kept: Vec<usize>,
    names: Vec<String>,
    mail: Option<Locale>,
}

impl Layout {
    /// `mail`: the language of mails whose row names none; `None` where no mail is wanted.
    ///
    /// # Errors
    /// [`Taken`] where a column of the customers' own is called as one of ours. A table that has all of ours is one that this command
    /// wrote: there they are replaced.
    pub(super) fn new(columns: &Columns, mail: Option<Locale>) -> Result<Self, Taken> {
        let is_written_here = OURS.iter().all(|our| columns.position(our).is_some());
        let mail_columns: &[&'static str] = if mail.is_some() || is_written_here { &MAIL } else { &[] };
        let our = |name: &str| OURS.iter().chain(mail_columns).copied().find(|our| Columns::is(name, our));
        if !is_written_here && let Some(taken) = columns.names().find_map(our) {
            return Err(Taken(taken));
        }
        let (kept, own): (Vec<usize>, Vec<&str>) = columns.names().enumerate().filter(|(_, name)| our(name).is_none()).unzip();
        let names = own.into_iter().map(|name| harmless(name).into_owned());
        let written = OURS.iter().chain(mail.iter().flat_map(|_| &MAIL));
        Ok(Self { kept, names: names.chain(written.map(|name| (*name).to_owned())).collect(), mail })
    }

    /// Whether a row of the customers stands in a row of ours as it is now.
    pub(super) fn keeps(&self, cells: &csv::StringRecord, written: &csv::StringRecord) -> bool {
        self.kept.iter().zip(written).all(|(at, written)| harmless(cells.get(*at).unwrap_or_default()) == written)
    }

    /// The header.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

/// A column of the customers' own has the name of one of ours.
#[derive(Debug, thiserror::Error)]
#[error("the column `{0}` is called as one that this command writes: rename it")]
pub(super) struct Taken(&'static str);

/// What a row gets.
pub(super) enum Entry<'r> {
    /// A link, and what somebody should know about it.
    Link { customer: &'r Customer, tenant: TenantId, link: &'r SignedLink<String>, remark: Option<String> },
    /// One of an earlier run that nobody can use.
    Dead { tenant: TenantId, link: &'r SignedLink<String>, dead: Dead, problem: &'r str },
    /// None, and why.
    None { status: &'static str, problem: Cow<'r, str> },
}

/// Writes the table.
pub(super) struct Sheet<'j> {
    csv: csv::Writer<Box<dyn Write>>,
    job: &'j Job<'j>,
    apps: Vec<&'j str>,
    layout: &'j Layout,
    unflushed: u32,
    flushed: Instant,
}

/// What a new table begins with.
pub(super) struct Opening {
    /// A byte order mark: Excel takes UTF-8 for something else without.
    pub(super) marked: bool,
    /// The header. A table that goes on has one.
    pub(super) header: bool,
}

impl<'j> Sheet<'j> {
    /// # Errors
    /// Those of `out`.
    pub(super) fn new(mut out: Box<dyn Write>, delimiter: u8, opening: &Opening, job: &'j Job<'j>, layout: &'j Layout) -> io::Result<Self> {
        if opening.marked {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let mut csv = csv::WriterBuilder::new().delimiter(delimiter).buffer_capacity(64 * 1024).from_writer(out);
        if opening.header {
            csv.write_record(layout.names())?;
        }
        Ok(Self { csv, job, apps: job.app_names(), layout, unflushed: 0, flushed: Instant::now() })
    }

    /// Writes a row. True where its link got a remark.
    ///
    /// # Errors
    /// Those of the output.
    pub(super) fn row(&mut self, cells: &csv::StringRecord, entry: &Entry<'_>) -> io::Result<bool> {
        let mut remarked = false;
        for at in &self.layout.kept {
            self.csv.write_field(harmless(cells.get(*at).unwrap_or_default()).as_bytes())?;
        }
        match entry {
            Entry::Link { customer, tenant, link, remark } => {
                let (tenant, id) = (tenant.to_string(), link.id.to_string());
                let expires = ends(link).format(&Rfc3339).unwrap_or_default();
                let mut remark = remark.clone().unwrap_or_default();
                let mail = self.layout.mail.map(|default| {
                    let mail = self.job.mail(&self.apps, link, customer.label.as_ref(), customer.reference.as_ref());
                    let [organisation, reference] = [mail.organisation, mail.reference].map(|words| words.map(harmless_within));
                    let mail = Mail { organisation: organisation.as_deref(), reference: reference.as_deref(), ..mail };
                    let locale = match customer.language.as_deref().map(str::parse::<Locale>) {
                        None => default,
                        Some(Ok(locale)) => locale,
                        Some(Err(error)) => {
                            let between = if remark.is_empty() { "" } else { "; " };
                            remark.push_str(&format!("{between}column language: {error}. The mail is in the language of --language"));
                            default
                        }
                    };
                    [mail.subject(locale), mail.text(locale)]
                });
                remarked = !remark.is_empty();
                for cell in [&*tenant, &link.address, &id, &expires, MADE, &remark] {
                    self.csv.write_field(harmless(cell).as_bytes())?;
                }
                for cell in mail.iter().flatten() {
                    self.csv.write_field(harmless_at_start(cell).as_bytes())?;
                }
            }
            Entry::Dead { tenant, link, dead, problem } => {
                let expires = ends(link).format(&Rfc3339).unwrap_or_default();
                self.without_mail([&tenant.to_string(), &link.address, &link.id.to_string(), &expires, status_of(*dead), problem])?;
            }
            Entry::None { status, problem } => self.without_mail(["", "", "", "", status, problem])?,
        }
        self.csv.write_record(None::<&[u8]>)?;
        self.unflushed += 1;
        if self.unflushed >= FLUSHED.0 || self.flushed.elapsed() >= FLUSHED.1 {
            self.flush()?;
        }
        Ok(remarked)
    }

    /// Our cells of a row that is not to be mailed.
    fn without_mail(&mut self, cells: [&str; OURS.len()]) -> io::Result<()> {
        for cell in cells {
            self.csv.write_field(harmless(cell).as_bytes())?;
        }
        for _ in self.layout.mail.iter().flat_map(|_| MAIL) {
            self.csv.write_field("")?;
        }
        Ok(())
    }

    /// Hands over what was written.
    ///
    /// # Errors
    /// Those of the output.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        (self.unflushed, self.flushed) = (0, Instant::now());
        self.csv.flush()
    }
}
