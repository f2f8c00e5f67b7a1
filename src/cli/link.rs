//! `entra-consent link`: one usable link.

use std::process::ExitCode;
use std::time::Duration;

use super::{USAGE, complain};
use crate::consent::{Expectation, ExpectedTenant, Label, ProfileId, Reference, TenantId};
use crate::site::Site;

/// Longest life of a link, in days.
const MOST_DAYS: u64 = 180;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  entra-consent link --direct --app user-sync --tenant 9d5a…-…-… --label \"Contoso GmbH\"
  entra-consent link --direct --app user-sync --tenant 9d5a…-…-… --days 7 --reference T-4711

A direct link leads straight to Microsoft's consent page. It works from any browser and can be forwarded: what comes
back is verified through Microsoft Graph all the same.")]
pub(super) struct Args {
    /// Lead straight to Microsoft's consent page.
    #[arg(long, required = true)]
    direct: bool,
    /// The app profile, by its id in consent.toml.
    #[arg(long)]
    app: ProfileId,
    /// The customer's tenant id (a GUID; a domain name can move between tenants).
    #[arg(long, value_name = "GUID")]
    tenant: TenantId,
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
    let Some(app) = site.config.app(&args.app) else {
        let known = site.config.apps.iter().map(|app| app.profile.id.as_str()).collect::<Vec<_>>().join(", ");
        return complain(&format!("consent.toml has no app `{}`. It has: {known}.", args.app), USAGE);
    };
    let expectation = Expectation {
        app: args.app.clone(),
        tenant: ExpectedTenant::Tenant(args.tenant),
        label: args.label.clone(),
        reference: args.reference.clone(),
        invitation: None,
    };
    let life = args.days.map_or(site.config.links.invitation, |days| Duration::from_secs(days * 86_400));
    match site.direct_link(app, expectation, life).await {
        Ok((id, link)) => {
            eprintln!("Id of this link, for `links.revoked` in consent.toml: {id}");
            println!("{link}");
            ExitCode::SUCCESS
        }
        Err(error) => complain(&format!("No link was made: {error}."), 1),
    }
}
