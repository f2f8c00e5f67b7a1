//! Which column has which field: the operator's choice (`--column`), or the column of the field's own name, or a heading of a known export.

use std::collections::{HashSet, VecDeque};
use std::str::FromStr;

use super::cells::{visible, without_braces};
use super::rows::RawRow;
use super::{COLUMNS, LABEL, TENANT, TableFault};
use crate::cli::csv_safe::bare;
use crate::consent::text::is_steering;
use crate::consent::{DisplayText, TenantId};
use crate::entra::discovery::TenantName;

/// Headings of known exports, best first, as [`letters`] spells them. Only a table without a column `tenant` is read by them, so that no
/// other column of the operator's own table gets into links.
///
/// | export | headings |
/// | --- | --- |
/// | Partner Center, Export customers ([documentation](https://learn.microsoft.com/partner-center/customers/see-your-customer-list)) | Microsoft ID, Company name, Primary domain name |
/// | Microsoft 365 Lighthouse, as Graph's `managedTenants/tenants` names them | tenantId, displayName, defaultDomainName |
/// | CIPP ([issue 1062](https://github.com/KelvinTegelaar/CIPP/issues/1062)) | customerId, displayName, defaultDomainName |
/// | PowerShell: `Get-MgContract`, `Get-MsolPartnerContract`, `Get-PartnerCustomer`, `Get-MgTenantRelationshipDelegatedAdminCustomer` | CustomerId or TenantId; DisplayName or Name; DefaultDomainName |
///
/// `tenant_id` is last, because it is also a column of our own.
const TENANT_HEADINGS: &str = "tenant customertenantid customerid microsoftid tenantid entratenantid azuretenantid directoryid \
    defaultdomainname defaultdomain primarydomainname primarydomain tenant_id";
const LABEL_HEADINGS: &str = "label customername companyname tenantname displayname name customer tenant";
const TENANT_ID: &str = "tenant_id";
/// Columns of `verify` and `status` that the operator's own tables do not have together.
const OF_RESULTS: [&str; 3] = ["app", "outcome", "checked_at"];

/// Normalises a column's name: removes white space, quotes and invisible characters, and converts to lower case.
pub(super) fn column_name(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '"' && !is_steering(*c)).flat_map(char::to_lowercase).collect()
}

/// The letters and digits of a heading, so that `Tenant-Id` and `tenant id` are one.
fn letters(text: &str) -> String {
    let name = column_name(text);
    if name == TENANT_ID { name } else { name.chars().filter(|c| c.is_alphanumeric()).collect() }
}

/// A column that the operator chose for a field, such as `tenant=customerId`.
#[derive(Debug, Clone)]
pub(in crate::cli) struct ColumnChoice {
    field: &'static str,
    heading: Box<str>,
}

impl FromStr for ColumnChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, heading) = text.split_once('=').unwrap_or((text, ""));
        let field = COLUMNS.iter().find(|known| **known == column_name(field));
        match field {
            Some(field) if !column_name(heading).is_empty() => Ok(Self { field, heading: heading.trim().into() }),
            _ => Err(format!("write FIELD=NAME, such as tenant=customerId; the fields are {}", COLUMNS.join(", "))),
        }
    }
}

/// How to read a customers' table.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Reading {
    /// `--column`.
    pub(in crate::cli) choices: Vec<ColumnChoice>,
    /// `site.home_tenant`, to recognise a column with the operator's own tenant.
    pub(in crate::cli) home: Option<TenantId>,
}

impl Reading {
    fn chosen(&self, field: &str) -> Option<&ColumnChoice> {
        self.choices.iter().find(|choice| choice.field == field)
    }

    /// Whether a column with this heading may have the tenant.
    pub(super) fn is_tenant_heading(&self, heading: &str) -> bool {
        let chosen = self.chosen(TENANT).is_some_and(|choice| column_name(&choice.heading) == column_name(heading));
        chosen || TENANT_HEADINGS.split(' ').any(|known| known == letters(heading))
    }
}

#[derive(Debug, Clone)]
pub(in crate::cli) struct Columns {
    names: Vec<Box<str>>,
    places: [Option<usize>; COLUMNS.len()],
}

impl Columns {
    /// The names of the columns, without the empty ones at the end: spreadsheets write the delimiters of deleted columns too.
    pub(super) fn headings(header: &RawRow) -> Result<Vec<Box<str>>, TableFault> {
        if header.flaw.is_some() {
            return Err(TableFault::NoHeader);
        }
        if header.cells.iter().flatten().any(|byte| *byte == 0) || header.cells.get(0).is_some_and(|cell| cell.starts_with(b"PK\x03\x04")) {
            return Err(TableFault::NoText);
        }
        let cells = csv::StringRecord::from_byte_record(header.cells.clone()).map_err(|_| TableFault::NotUtf8)?;
        let mut names: Vec<Box<str>> = cells.iter().map(|name| name.trim().into()).collect();
        while names.last().is_some_and(|name| name.is_empty()) {
            names.pop();
        }
        Ok(names)
    }

    /// `sample` are the first rows.
    pub(super) fn read(names: Vec<Box<str>>, sample: &VecDeque<RawRow>, reading: &Reading) -> Result<Self, TableFault> {
        let heading = Headings { names: &names, sample, home: reading.home };
        let mut places = [None; COLUMNS.len()];
        let mut doubled = Vec::new();
        let mut is_export = false;
        for (field, place) in COLUMNS.into_iter().zip(&mut places) {
            let found = match reading.chosen(field) {
                Some(choice) => heading.chosen(choice)?,
                None => heading.known(field, is_export),
            };
            *place = found.first().copied();
            if found.len() > 1 {
                doubled.push(heading.doubled(field, &found));
            }
            is_export |= field == TENANT && place.is_some_and(|at| names.get(at).is_some_and(|name| column_name(name) != TENANT));
        }
        if !doubled.is_empty() {
            return Err(TableFault::Twice(doubled.join("\n")));
        }
        let [Some(_), ..] = places else {
            let mut remedy = String::new();
            if names.iter().any(|name| TenantName::parse(name).is_ok()) {
                remedy.push_str("\nThat looks like a customer: put a row with the columns' names above it");
            } else if let Some((at, what)) = heading.looks_right(None) {
                let flag = heading.flag(TENANT, at);
                remedy.push_str(&format!("\nColumn {} looks like {what}: add {flag}, or rename it to `{TENANT}`", heading.shown(at)));
            }
            return Err(TableFault::NoTenant { has: heading.all_shown(), remedy });
        };
        Ok(Self { names, places })
    }

    /// The names as written.
    pub(in crate::cli) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Finds a column by name; ignores case and white space.
    pub(in crate::cli) fn position(&self, name: &str) -> Option<usize> {
        self.names().position(|known| Self::is(known, name))
    }

    /// Compares a column's name; ignores case and white space.
    pub(in crate::cli) fn is(name: &str, which: &str) -> bool {
        column_name(name) == which
    }

    /// The place of the column that has one of [`COLUMNS`].
    pub(in crate::cli) fn place_of(&self, which: &str) -> Option<usize> {
        COLUMNS.iter().zip(self.places).find(|(known, _)| **known == which).and_then(|(_, place)| place)
    }

    /// The cell of one of [`COLUMNS`] as written; empty if the column is missing.
    pub(in crate::cli) fn cell_of<'c>(&self, which: &str, cells: &'c csv::StringRecord) -> &'c str {
        self.place_of(which).and_then(|place| cells.get(place)).unwrap_or_default()
    }

    /// Whether `verify` or `status` wrote the table. It has a row for each app of a tenant.
    pub(in crate::cli) fn is_results(&self) -> bool {
        OF_RESULTS.iter().all(|name| self.position(name).is_some())
    }

    /// Why a table must have the wrong column: each of its rows names one tenant, or the operator's own.
    pub(super) fn one_tenant(&self, sample: &VecDeque<RawRow>, is_whole: bool, reading: &Reading) -> Option<TableFault> {
        let heading = Headings { names: &self.names, sample, home: reading.home };
        let at = self.place_of(TENANT)?;
        let tenants: Vec<TenantName> = heading.tenants(at).collect();
        let first = tenants.first()?;
        let is_own = reading.home.is_some() && first.id() == reading.home;
        let is_one = tenants.iter().all(|tenant| tenant == first) && tenants.len() == heading.cells(at).count();
        if !is_one || !is_own && tenants.len() < 2 {
            return None;
        }
        let rows = match tenants.len() {
            1 => "the only row names one tenant".to_owned(),
            count if is_whole => format!("all {count} rows name one tenant"),
            count => format!("the first {count} rows name one tenant"),
        };
        let own = if is_own { ", and it is your own (`home_tenant` in consent.toml)" } else { "" };
        let other = heading.looks_right(Some(at)).map(|(other, _)| heading.flag(TENANT, other));
        let remedy = other.unwrap_or_else(|| format!("--column {TENANT}=NAME"));
        let alone = if is_own { "" } else { "; for one customer use --tenant" };
        Some(TableFault::OneTenant(format!(
            "{rows}{own}: {} is probably the wrong column. Choose another with {remedy}{alone}",
            heading.shown(at)
        )))
    }
}

/// The columns of a table and its first rows.
struct Headings<'t> {
    names: &'t [Box<str>],
    sample: &'t VecDeque<RawRow>,
    home: Option<TenantId>,
}

impl Headings<'_> {
    fn with(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<usize> {
        self.names.iter().enumerate().filter(|(_, name)| is_wanted(name)).map(|(at, _)| at).collect()
    }

    /// The column of a heading, or of a number: 1 is the first.
    fn chosen(&self, choice: &ColumnChoice) -> Result<Vec<usize>, TableFault> {
        let wanted = column_name(&choice.heading);
        let found = self.with(|name| column_name(name) == wanted);
        let number = choice.heading.parse().ok().and_then(|number: usize| number.checked_sub(1)).filter(|at| *at < self.names.len());
        match number {
            Some(at) if found.is_empty() => Ok(vec![at]),
            None if found.is_empty() => Err(TableFault::NoSuchColumn { heading: shown(&choice.heading), has: self.all_shown() }),
            _ => Ok(found),
        }
    }

    /// The columns whose heading says that they have the field. Several only if they have one heading.
    fn known(&self, field: &'static str, is_export: bool) -> Vec<usize> {
        let headings = match field {
            TENANT => TENANT_HEADINGS,
            LABEL if is_export => LABEL_HEADINGS,
            _ => field,
        };
        let spelled = |heading: &str| self.with(|name| column_name(name) == heading || letters(name) == heading);
        let mut candidates = headings.split(' ').map(spelled).filter(|found| !found.is_empty());
        let first = candidates.next().unwrap_or_default();
        // An export may call the customer's name or number as another calls the tenant.
        let has_tenant = |found: &Vec<usize>| found.iter().any(|at| self.tenants(*at).next().is_some());
        if field != TENANT || has_tenant(&first) {
            return first;
        }
        candidates.find(has_tenant).unwrap_or(first)
    }

    fn cells(&self, at: usize) -> impl Iterator<Item = String> {
        let text = move |row: &RawRow| visible(&bare(&String::from_utf8_lossy(row.cells.get(at).unwrap_or_default()))).into_owned();
        self.sample.iter().filter(|row| row.flaw.is_none()).map(text).filter(|cell| !cell.is_empty())
    }

    fn tenants(&self, at: usize) -> impl Iterator<Item = TenantName> {
        self.cells(at).filter_map(|cell| TenantName::parse(without_braces(&cell)).ok())
    }

    /// The column that most looks like one of tenants, and what is in it.
    fn looks_right(&self, except: Option<usize>) -> Option<(usize, &'static str)> {
        let fits = |at: &usize| {
            let (cells, tenants) = (self.cells(*at).count(), self.tenants(*at).collect::<Vec<_>>());
            let different: HashSet<&TenantName> = tenants.iter().collect();
            let is_own = self.home.is_some() && different.iter().all(|tenant| tenant.id() == self.home);
            !is_own && tenants.len() * 2 > cells && (different.len() > 1 || self.sample.len() == 1)
        };
        let fitting: Vec<usize> = (0..self.names.len()).filter(|at| Some(*at) != except).filter(fits).collect();
        let ids = fitting.iter().find(|at| self.tenants(**at).any(|tenant| tenant.id().is_some()));
        ids.map(|at| (*at, "ids of tenants")).or_else(|| fitting.first().map(|at| (*at, "domains")))
    }

    /// Two columns with one heading, which of them has one value only, and the remedy.
    fn doubled(&self, field: &str, places: &[usize]) -> String {
        let first = places.first().copied().unwrap_or_default();
        let listed = places.iter().map(|at| (at + 1).to_string()).collect::<Vec<_>>().join(" and ");
        let values = |at: usize| self.cells(at).collect::<HashSet<_>>().len();
        let constant = places.iter().copied().find(|at| self.cells(*at).count() > 1 && values(*at) == 1);
        let why = constant.map_or_else(String::new, |at| {
            let is_own = self.home.is_some() && self.tenants(at).next().and_then(|tenant| tenant.id()) == self.home;
            let what = if is_own { "your own tenant" } else { "one value only" };
            format!(" Column {} has {what} in every row.", at + 1)
        });
        let other = places.iter().copied().find(|at| Some(*at) != constant).unwrap_or(first);
        let name = self.shown(places.last().copied().unwrap_or(first));
        format!("two columns are called {name}: columns {listed}.{why} Add --column {field}={}, or rename one of them", other + 1)
    }

    /// The option that chooses a column.
    fn flag(&self, field: &str, at: usize) -> String {
        let name = self.names.get(at).map(|name| &**name).unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/');
        let is_clear =
            !name.is_empty() && name.chars().all(is_plain) && self.with(|other| column_name(other) == column_name(name)).len() == 1;
        match is_clear {
            true if name.contains(' ') => format!("--column \"{field}={name}\""),
            true => format!("--column {field}={name}"),
            false => format!("--column {field}={}", at + 1),
        }
    }

    fn shown(&self, at: usize) -> String {
        self.names.get(at).filter(|name| !name.is_empty()).map_or_else(|| (at + 1).to_string(), |name| shown(name))
    }

    fn all_shown(&self) -> String {
        self.names.iter().take(20).filter(|name| !name.is_empty()).map(|name| shown(name)).collect::<Vec<_>>().join(", ")
    }
}

/// A heading as a message may contain it.
fn shown(heading: &str) -> String {
    DisplayText::from_untrusted(heading).map(|name| format!("`{name}`")).unwrap_or_default()
}
