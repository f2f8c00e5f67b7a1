//! `entra-consent link`: one usable link, to a page of ours or straight to Microsoft.

use std::process::ExitCode;
use std::time::Duration;

use super::complain;
use super::exit::Exit;
use crate::config::ConfiguredApp;
use crate::consent::{Expectation, ExpectedTenant, Label, ProfileId, Reference, TenantId};
use crate::entra::discovery::{TenantName, Undiscovered};
use crate::link::Subject;
use crate::site::Site;

/// Longest life of a link, in days.
const MOST_DAYS: u64 = 180;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  entra-consent link --app user-sync --tenant contoso.com --label \"Contoso GmbH\"
  entra-consent link --chain onboarding --tenant contoso.com --days 7 --reference T-4711
  entra-consent link --direct --app user-sync --tenant contoso.com

Without --direct it is an invitation: a page of yours that says who asks for what and how to tell that it is genuine,
with a button that leads to Microsoft. It can be mailed, forwarded and opened by mail scanners without effect.
A direct link leads straight to Microsoft's consent page; no browser is bound to it.

Every link is bound to the tenant's id. Microsoft is asked which tenant a domain is, and whether an id exists in the
app's cloud; what it answers is told on standard error.")]
pub(super) struct Args {
    /// Lead straight to Microsoft's consent page.
    #[arg(long, conflicts_with = "chain")]
    direct: bool,
    /// The app profile, by its id in consent.toml.
    #[arg(long, required_unless_present = "chain", conflicts_with = "chain")]
    app: Option<ProfileId>,
    /// A chain of apps, by its id in consent.toml, in the place of one app.
    #[arg(long)]
    chain: Option<ProfileId>,
    /// The customer's tenant: one of its domains, or its id.
    #[arg(long, value_name = "DOMAIN|GUID")]
    tenant: TenantName,
    /// Ask nobody whether the tenant exists. Only with its id.
    #[arg(long)]
    offline: bool,
    /// Your name for the customer, for records. Not a mail address: links travel through logs.
    #[arg(long)]
    label: Option<Label>,
    /// Your reference (a ticket or customer number), for records.
    #[arg(long)]
    reference: Option<Reference>,
    /// How many days the link can be used. Default: `links.invitation` of the configuration.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=MOST_DAYS))]
    days: Option<u64>,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the link is the result, its id a remark")]
pub(super) async fn run(site: &Site, args: &Args) -> ExitCode {
    let (app, subject) = match subject(site, args) {
        Ok(subject) => subject,
        Err(exit) => return exit,
    };
    // Before Microsoft is asked: without a key no link is made, whatever it answers.
    if let Err(error) = site.keys().await {
        return complain(&format!("No link was made: {error}."), Exit::Failed);
    }
    let tenant = match tenant(site, app, args).await {
        Ok(tenant) => tenant,
        Err(exit) => return exit,
    };
    let (tenant, label, reference) = (ExpectedTenant::Tenant(tenant), args.label.clone(), args.reference.clone());
    let life = args.days.map_or(site.config.links.invitation, |days| Duration::from_secs(days * 86_400));
    let made = if args.direct {
        let expectation = Expectation { app: app.profile.id.clone(), tenant, label, reference, invitation: None };
        site.direct_link(app, expectation, life).await.map(|(id, link)| (id, link.to_string()))
    } else {
        site.invitation(subject, tenant, label, reference, life).await
    };
    match made {
        Ok((id, link)) => {
            eprintln!("Id of this link, for `links.revoked` in consent.toml: {id}");
            println!("{link}");
            ExitCode::SUCCESS
        }
        Err(error) => complain(&format!("No link was made: {error}."), Exit::Failed),
    }
}

/// What the link asks for, and the app in whose cloud the tenant is looked up.
fn subject<'a>(site: &'a Site, args: &Args) -> Result<(&'a ConfiguredApp, Subject), ExitCode> {
    if let Some(id) = &args.chain {
        let known = || site.config.chains.iter().map(|chain| chain.id.as_str()).collect::<Vec<_>>().join(", ");
        let Some(chain) = site.config.chain(id) else {
            return Err(complain(&format!("consent.toml has no chain `{id}`. It has: {}.", known()), Exit::Usage));
        };
        let first = chain.steps.first().ok_or_else(|| complain(&format!("the chain `{id}` has no apps"), Exit::Usage))?;
        return Ok((super::app(site, first)?, Subject::Chain(chain.id.clone())));
    }
    let id = args.app.as_ref().ok_or_else(|| complain("--app or --chain is needed", Exit::Usage))?;
    let app = super::app(site, id)?;
    if args.direct && app.companion.is_some() {
        let what =
            format!("`{id}` is a companion app: Microsoft sends nobody back from its approval, so a direct link would end on a dead page.");
        return Err(complain(&format!("{what}\nLeave --direct out: the invitation leads there and watches."), Exit::Usage));
    }
    Ok((app, Subject::App(id.clone())))
}

/// The id that the link is bound to.
#[expect(clippy::print_stderr, reason = "the terminal is what this module is for")]
async fn tenant(site: &Site, app: &ConfiguredApp, args: &Args) -> Result<TenantId, ExitCode> {
    match (&args.tenant, args.offline) {
        (TenantName::Id(id), true) => return Ok(*id),
        (TenantName::Domain(_), true) => {
            let what = "--offline goes with a tenant's id only: which tenant a domain is, Microsoft has to be asked.";
            return Err(complain(&format!("{what}\n`entra-consent tenant DOMAIN` shows the id."), Exit::Usage));
        }
        (_, false) => {}
    }
    match site.discover(app, &args.tenant).await {
        Ok(found) => {
            let region = found.region.map(|region| format!(", region {region}")).unwrap_or_default();
            eprintln!("{} is tenant {} in the cloud {}{region}.", args.tenant, found.id, found.home);
            Ok(found.id)
        }
        Err(error) => {
            let unasked = matches!(error, Undiscovered::Unreachable { .. } | Undiscovered::Unreadable(_) | Undiscovered::Refused(_));
            let way_out = match args.tenant {
                TenantName::Id(_) if unasked => "\nOr add --offline: then nobody is asked whether the tenant exists.",
                TenantName::Domain(_) if unasked => {
                    "\nOr give the tenant's id with --offline; a domain cannot do without Microsoft's answer."
                }
                _ => "",
            };
            let remedy = error.remedy();
            Err(complain(&format!("No link was made for {}: {error}.\n{remedy}{way_out}", args.tenant), Exit::Failed))
        }
    }
}
