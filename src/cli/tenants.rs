//! `entra-consent tenants`: a partner's customers, as a table that `link --from` and `verify --from` accept.

use std::collections::HashSet;
use std::io::{self, BufWriter};
use std::sync::Arc;

use serde::Serialize;

use super::bulk::runner::{Attempt, RetryPolicy, Runner};
use super::bulk::throttle::Scope;
use super::exit::{CommandError, Exit, failed, usage};
use super::listed;
use super::output::{Column, Format, PrintedRow, Printer};
use super::token_from::{Holder, TokenFrom};
use crate::config::ConfiguredApp;
use crate::consent::text::is_steering;
use crate::consent::{Label, ProfileId, TenantId};
use crate::entra::graph::{NoPage, PartnerCustomer, PartnerList, Unread};
use crate::entra::token::AccessToken;
use crate::entra::verifier::NoToken;
use crate::installation::{BulkVerifier, Installation};

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

/// Most pages that we read. No partner's list has nearly as many, so this only ends an endless list.
const MOST_PAGES: usize = 10_000;

/// A customer as printed.
#[derive(Debug, Serialize)]
struct ListedTenant {
    tenant: TenantId,
    label: Option<Label>,
    /// The customer's name at Microsoft.
    name: Option<Box<str>>,
    domain: Option<Box<str>>,
    relation: Box<str>,
}

impl PrintedRow for ListedTenant {
    const COLUMNS: &'static [Column<Self>] = &[
        ("tenant", |customer| customer.tenant.to_string()),
        ("label", |customer| customer.label.as_ref().map(|label| label.as_str().to_owned()).unwrap_or_default()),
        ("domain", |customer| customer.domain.as_deref().unwrap_or_default().to_owned()),
        ("relation", |customer| customer.relation.to_string()),
    ];
}

#[expect(clippy::print_stderr, reason = "the terminal is what this module is for")]
pub(super) async fn run(installation: &Installation, args: &TenantsArgs) -> Result<Exit, CommandError> {
    let Some(home) = installation.config.site.home_tenant else {
        let told = "Your customers are listed in your own tenant, and consent.toml does not say which it is.\n\
             Write its id as home_tenant under [site]; `entra-consent tenant YOUR-DOMAIN` shows it.";
        return Err(usage(told));
    };
    let app = asking(installation, args)?;
    let bulk_verifier = installation.bulk_verifier(1);
    let token = token(installation, &bulk_verifier, app, home, args.token_from).await?;
    let http = bulk_verifier.http(app).map_err(failed)?;
    let unwritten = |error: io::Error| failed(format!("the customers cannot be printed: {error}"));
    let list = match args.source {
        Source::Gdap => PartnerList::Gdap,
        Source::Contracts => PartnerList::Contracts,
    };
    let mut printer = Printer::new::<ListedTenant>(args.output, BufWriter::new(io::stdout())).map_err(unwritten)?;
    let mut known = HashSet::new();
    let (mut changed, mut unreadable) = (0_u64, 0);
    let mut next = Some(list.first_page(&app.endpoints));
    let runner = Runner::new(Scope::Service, 1, RetryPolicy::default());
    let mut failure = None;
    let mut asked = HashSet::new();
    while let Some(url) = next.take() {
        if !asked.insert(url.clone()) {
            failure = Some("Its next page is one that it had before.".to_owned());
            break;
        }
        let ask = async || match list.page(&http, &app.endpoints, &token.secret, url.clone(), installation.clock.now()).await {
            Err(NoPage::Unread(unread @ (Unread::Unwell { .. } | Unread::NoFlag(_)))) => {
                Attempt::unanswered(Err(unread.into()), unread.retry_after())
            }
            answer => Attempt::answered(answer),
        };
        let unsent = |pause| Err(Unread::Unwell { status: 429, retry_after: Some(pause) }.into());
        let page = match runner.send(ask).await.unwrap_or_else(unsent) {
            Ok(page) if asked.len() <= MOST_PAGES => page,
            Ok(_) => {
                failure = Some(format!("The list has more than {MOST_PAGES} pages: it is not believed to end."));
                break;
            }
            Err(error) => {
                failure = Some(list_error(error, list, app, args.token_from, home));
                break;
            }
        };
        unreadable += page.unreadable;
        for customer in page.customers {
            // A customer may have two contracts, and is listed once.
            if known.insert(customer.tenant) {
                let customer = printed(customer);
                let is_same = customer.label.is_some() && customer.name.as_deref() == customer.label.as_ref().map(Label::as_str);
                changed += u64::from(!is_same);
                printer.row(&customer).map_err(unwritten)?;
            }
        }
        next = page.next;
    }
    printer.finish().map_err(unwritten)?;
    eprintln!("{} customers.", known.len());
    if changed > 0 {
        eprintln!("{changed} names do not fit into a link, so they were changed or left out: read through the column label.");
    }
    if let Some(told) = failure {
        return Err(failed(format!("The list is not complete. {told}")));
    }
    if unreadable > 0 {
        eprintln!("{unreadable} entries do not say which tenant they are about and were left out.");
        return Ok(Exit::Attention);
    }
    Ok(Exit::Done)
}

/// The app that we ask with. Its credential signs the requests, and its cloud receives them.
fn asking<'s>(installation: &'s Installation, args: &TenantsArgs) -> Result<&'s ConfiguredApp, CommandError> {
    let own: Vec<&ConfiguredApp> = installation.config.apps.iter().filter(|app| app.credential.is_some()).collect();
    match (&args.app, args.token_from, own.as_slice()) {
        (Some(id), ..) => {
            let app = super::app(&installation.config, id)?;
            if app.credential.is_none() {
                return Err(usage(format!("`{id}` has no credential to ask with. Name an app that has one, or use --token-from.")));
            }
            Ok(app)
        }
        (None, Some(_), _) => installation.config.apps.first().ok_or_else(|| usage("consent.toml has no app")),
        (None, None, [only]) => Ok(only),
        (None, None, several) => {
            let known = listed(several.iter().map(|app| &app.profile.id));
            Err(usage(format!("Which app asks? Add --app ID, or --token-from az. With a credential there are: {known}.")))
        }
    }
}

async fn token(
    installation: &Installation,
    bulk_verifier: &BulkVerifier<'_>,
    app: &ConfiguredApp,
    home: TenantId,
    from: Option<TokenFrom>,
) -> Result<Arc<AccessToken>, CommandError> {
    if let Some(from) = from {
        let holder = Holder::new(from).map_err(usage)?;
        return holder.token(&app.endpoints, home, &installation.clock).await.map_err(failed);
    }
    bulk_verifier.graph_token(app, home).await.map(Arc::new).map_err(|error| {
        let remedy = match &error {
            NoToken::Refused(refusal) => match refusal.code {
                Some(code) => crate::consent::aadsts::lookup(code).operator(),
                None => "Try again in a moment.",
            },
            NoToken::Credential(_) => "ENTRA_CONSENT_LOG=error shows why; with --token-from none is needed.",
            NoToken::Client(_) => "Look at the app's cloud in consent.toml.",
        };
        failed(format!("`{}` has no token for your own tenant {home}: {error}.\n{remedy}", app.profile.id))
    })
}

/// Describes what is wrong, who must act, and how.
fn list_error(error: NoPage, list: PartnerList, app: &ConfiguredApp, from: Option<TokenFrom>, home: TenantId) -> String {
    let permission = list.permission();
    let remedy = match (error, from) {
        (NoPage::Unread(Unread::NotVisible), None) => format!(
            "`{}` needs the application permission {permission} of Microsoft Graph, approved in your own tenant {home}.\n\
             Add it to the registration, and grant it: Entra admin center > App registrations > {} > API permissions.",
            app.profile.id, app.profile.name
        ),
        (NoPage::Unread(Unread::NotVisible), Some(_)) => format!(
            "Your own account, or the program that got your token, may not read it: {permission} is needed, and in Entra a role that\n\
             reads the directory of {home}."
        ),
        (NoPage::Unread(Unread::Unauthorized), _) => "Get a new token.".to_owned(),
        (NoPage::Unread(unread @ (Unread::Unwell { .. } | Unread::NoFlag(_))), _) => match unread.retry_after() {
            Some(wait) => format!("Try again in {} s.", wait.as_secs()),
            None => "Try again in a moment.".to_owned(),
        },
        (NoPage::Unread(Unread::NotFound | Unread::Refused(_) | Unread::Unreadable) | NoPage::Elsewhere, _) => {
            "A proxy may change the answers of Microsoft, or Graph has changed.".to_owned()
        }
    };
    format!("{error}.\n{remedy}")
}

fn printed(customer: PartnerCustomer) -> ListedTenant {
    let name = customer.name.map(|name| Box::<str>::from(name.as_str()));
    ListedTenant {
        tenant: customer.tenant,
        label: name.as_deref().and_then(fit_for_a_link),
        name,
        domain: customer.domain.map(|domain| domain.as_str().into()),
        relation: customer.relation.as_str().into(),
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
