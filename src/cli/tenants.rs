//! `entra-consent tenants`: a partner's customers, as a table that `link --from` and `verify --from` accept.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufWriter};

use serde::Serialize;
use time::OffsetDateTime;

use super::exit::{CommandError, DOCTOR, Exit, unusable, usage};
use super::listed;
use super::output::{Column, Format, PrintedRow, Printer};
use super::partner::Partner;
use super::timestamp::exact;
use super::token_from::TokenFrom;
use crate::config::ConfiguredApp;
use crate::consent::roles::role_name;
use crate::consent::text::is_steering;
use crate::consent::{Label, ProfileId, TenantId};
use crate::entra::graph::{GdapRoles, PartnerCustomer, PartnerList};
use crate::installation::Installation;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/tenants.txt"))]
pub(super) struct TenantsArgs {
    /// Which list.
    #[arg(long, value_enum, default_value_t = Source::Gdap)]
    source: Source,
    /// The app whose credential asks. Default: the only one that has a credential.
    #[arg(long, conflicts_with = "token_from")]
    app: Option<ProfileId>,
    /// Ask with your own Graph token: of the Azure CLI, or of ENTRA_CONSENT_GRAPH_TOKEN.
    #[arg(long, value_enum, value_name = "WHERE")]
    token_from: Option<TokenFrom>,
    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Source {
    /// Customers with delegated administration privileges for you (GDAP).
    Gdap,
    /// Customers with a reseller or advisor contract (CSP).
    Contracts,
}

/// How soon a relationship must end for a warning.
const SOON: time::Duration = time::Duration::days(90);

/// A customer as printed.
#[derive(Debug, Serialize)]
struct ListedTenant {
    tenant: TenantId,
    label: Option<Label>,
    /// The customer's name at Microsoft.
    name: Option<Box<str>>,
    domain: Option<Box<str>>,
    relation: Box<str>,
    /// When the first role of the delegated administration ends, unless Microsoft extends it.
    #[serde(with = "time::serde::rfc3339::option")]
    gdap_ends: Option<OffsetDateTime>,
    gdap_roles: Vec<String>,
}

impl PrintedRow for ListedTenant {
    const COLUMNS: &'static [Column<Self>] = &[
        ("tenant", |customer| customer.tenant.to_string()),
        ("label", |customer| customer.label.as_ref().map(|label| label.as_str().to_owned()).unwrap_or_default()),
        ("domain", |customer| customer.domain.as_deref().unwrap_or_default().to_owned()),
        ("relation", |customer| customer.relation.to_string()),
        ("gdap_ends", |customer| customer.gdap_ends.map(exact).unwrap_or_default()),
        ("gdap_roles", |customer| customer.gdap_roles.join("; ")),
    ];
}

/// A customer for people: the columns that fit into a terminal.
#[derive(Debug, Serialize)]
struct BriefTenant(ListedTenant);

impl PrintedRow for BriefTenant {
    const COLUMNS: &'static [Column<Self>] = &[
        ("customer", |Self(customer)| customer.called().to_owned()),
        ("tenant", |Self(customer)| customer.domain.as_deref().map_or_else(|| customer.tenant.to_string(), str::to_owned)),
        ("gdap ends", |Self(customer)| customer.gdap_ends.map(|end| end.date().to_string()).unwrap_or_default()),
        ("gdap roles", |Self(customer)| customer.gdap_roles.join("; ")),
    ];
}

pub(super) async fn run(installation: &Installation, args: &TenantsArgs) -> Result<Exit, CommandError> {
    let app = asking(installation, args)?;
    let partner = Partner::sign_in(installation, app, args.token_from).await?;
    let relationships = partner.relationships().await;
    let mut domains = HashMap::new();
    let list = match args.source {
        Source::Gdap => {
            // Only contracts have domains. Without the right to read contracts, the column is empty.
            let by_contract = |entry: &_| {
                let contract = PartnerList::Contracts.customer(entry);
                domains.extend(contract.and_then(|customer| Some((customer.tenant, customer.domain?))));
                Ok(())
            };
            if let Err(error) = partner.each(PartnerList::Contracts, by_contract).await {
                tracing::info!(error = error.message, "no domains");
            }
            PartnerList::Gdap
        }
        Source::Contracts => PartnerList::Contracts,
    };
    let unwritten = |error: io::Error| unusable("the customers cannot be printed", &error);
    let out = BufWriter::new(io::stdout());
    let mut printer = match args.output {
        Format::Table => Printer::new::<BriefTenant>(Format::Table, out),
        format => Printer::new::<ListedTenant>(format, out),
    }
    .map_err(unwritten)?;
    let mut known = HashSet::new();
    let (mut changed, mut unreadable) = (0_u64, 0_u64);
    let mut ending = Vec::new();
    let none = GdapRoles::default();
    let ended = partner.each(list, |entry| {
        let Some(customer) = list.customer(entry) else {
            unreadable += 1;
            return Ok(());
        };
        // A customer may have two contracts, and is listed once.
        if !known.insert(customer.tenant) {
            return Ok(());
        }
        let gdap = relationships.as_ref().ok().and_then(|all| all.get(&customer.tenant)).unwrap_or(&none);
        let domain = customer.domain.clone().or_else(|| domains.remove(&customer.tenant));
        let row = printed(PartnerCustomer { domain, ..customer }, gdap);
        let is_same = row.label.is_some() && row.name.as_deref() == row.label.as_ref().map(Label::as_str);
        changed += u64::from(!is_same);
        ending.extend(row.gdap_ends.filter(|end| *end - installation.clock.now() < SOON).map(|end| (end, row.called().to_owned())));
        match args.output {
            Format::Table => printer.row(&BriefTenant(row)),
            _ => printer.row(&row),
        }
        .map_err(unwritten)
    });
    let ended = ended.await;
    printer.finish().map_err(unwritten)?;
    say!("{} customers.", known.len());
    if changed > 0 {
        say!("{changed} names do not fit into a link, so they were changed or left out: read through the column label.");
    }
    ended?;
    ending.sort();
    if let Some(((end, name), more)) = ending.split_first() {
        let more = if more.is_empty() { String::new() } else { format!(", and {} more (column gdap_ends)", more.len()) };
        say!("Delegated administration ends within 90 days: {name} on {}{more}. Ask these customers to renew it.", end.date());
    }
    if let Err(error) = &relationships {
        say!("The columns gdap_ends and gdap_roles are empty. {}\nTo fill them: {}", error.message, error.remedy);
    }
    if unreadable > 0 {
        say!("{unreadable} entries do not say which tenant they are about and were left out.");
        return Ok(Exit::Attention);
    }
    Ok(Exit::Done)
}

impl ListedTenant {
    /// The name for people.
    fn called(&self) -> &str {
        self.name.as_deref().unwrap_or("a customer without a name")
    }
}

/// The app that we ask with. Its credential signs the requests, and its cloud receives them.
fn asking<'s>(installation: &'s Installation, args: &TenantsArgs) -> Result<&'s ConfiguredApp, CommandError> {
    let own: Vec<&ConfiguredApp> = installation.config.apps.iter().filter(|app| app.credential.is_some()).collect();
    match (&args.app, args.token_from, own.as_slice()) {
        (Some(id), ..) => {
            let app = super::app(&installation.config, id)?;
            if app.credential.is_none() {
                return Err(usage(format!("`{id}` has no credential to ask with."), "an app that has one with --app, or --token-from az"));
            }
            Ok(app)
        }
        (None, Some(_), _) => installation.config.apps.first().ok_or_else(|| usage("consent.toml has no app", DOCTOR)),
        (None, None, [only]) => Ok(only),
        (None, None, several) => {
            let known = listed(several.iter().map(|app| &app.profile.id));
            Err(usage(format!("Which app asks? With a credential there are: {known}."), "add --app ID, or --token-from az"))
        }
    }
}

fn printed(customer: PartnerCustomer, gdap: &GdapRoles) -> ListedTenant {
    let name = customer.name.map(|name| Box::<str>::from(name.as_str()));
    ListedTenant {
        tenant: customer.tenant,
        label: name.as_deref().and_then(fit_for_a_link),
        name,
        domain: customer.domain.map(|domain| domain.as_str().into()),
        relation: customer.relation.as_str().into(),
        gdap_ends: gdap.first_end(),
        gdap_roles: gdap.roles().map(role_name).collect(),
    }
}

/// Turns a name into a label that a link accepts. Changes the name only if needed.
fn fit_for_a_link(name: &str) -> Option<Label> {
    const LONGEST: usize = 64;
    if let Ok(label) = Label::parse(name) {
        return Some(label);
    }
    let mut fit: String = name.replace('@', "(at)").chars().filter(|c| !is_steering(*c) && *c != '\u{fffd}').collect();
    if fit.chars().nth(LONGEST).is_some() {
        fit = fit.chars().take(LONGEST - 1).chain(['…']).collect();
    }
    Label::parse(&fit).ok()
}

#[cfg(test)]
mod tests {
    use super::fit_for_a_link;

    #[test]
    fn a_name_is_changed_no_more_than_a_link_asks_for() {
        let fit = |name: &str| fit_for_a_link(name).map(|label| label.as_str().to_owned());
        assert_eq!(fit("Contoso GmbH").as_deref(), Some("Contoso GmbH"));
        assert_eq!(fit("Café @ the Corner").as_deref(), Some("Café (at) the Corner"));
        assert_eq!(fit("a\u{202e}b").as_deref(), Some("ab"));
        let long = fit(&"ä".repeat(65)).unwrap();
        assert!(long.chars().count() == 64 && long.ends_with('…'));
        assert_eq!(fit(" "), None);
        assert_eq!(fit("\u{200b}"), None);
    }
}
