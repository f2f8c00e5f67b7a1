//! `entra-consent link`: valid links to our page or directly to Microsoft, for one tenant or for each row of a table.

mod bulk;
mod csv_output;
mod job;
mod previous_run;
mod qr;
mod row;
mod summary;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

pub(super) use self::csv_output::{EXPIRES, LINK, LINK_ID, MAIL_SUBJECT, MAIL_TEXT, PROBLEM, STATUS, TENANT_ID, is_ours};
pub(super) use self::job::Job;
pub(super) use self::row::{EXPIRED, MADE, REVOKED};
use super::customers::ColumnChoice;
use super::exit::{CommandError, DOCTOR, Exit, failed, usage};
use super::mail::Locale;
use super::terminal::complain;
use crate::config::ConfiguredApp;
use crate::consent::{ExpectedTenant, Label, ProfileId, Reference, TenantId};
use crate::entra::discovery::{TenantName, Undiscovered};
use crate::installation::Installation;
use crate::token::Subject;

/// Longest life of a link, in days.
pub(super) const MOST_DAYS: u64 = 180;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/link.txt"))]
pub(super) struct LinkArgs {
    /// Lead straight to Microsoft's consent page.
    #[arg(long, conflicts_with = "chain")]
    direct: bool,
    /// The app profile, by its id in consent.toml.
    #[arg(long, required_unless_present = "chain", conflicts_with = "chain")]
    app: Option<ProfileId>,
    /// A chain of apps, by its id in consent.toml, instead of one app.
    #[arg(long)]
    chain: Option<ProfileId>,
    /// The customer's tenant: one of its domains, or its id.
    #[arg(long, value_name = "DOMAIN|GUID", required_unless_present_any = ["from", "any_tenant"])]
    tenant: Option<TenantName>,
    /// Bind the link to no tenant. What comes back awaits your confirmation, and is never granted.
    #[arg(long, conflicts_with_all = ["tenant", "offline", "from"])]
    any_tenant: bool,
    /// Do not ask Microsoft whether the tenant exists. Only with its id.
    #[arg(long)]
    offline: bool,
    /// Your name for the customer, for records. Not a mail address: links travel through logs.
    #[arg(long)]
    label: Option<Label>,
    /// Your reference for records: a ticket or customer number.
    #[arg(long)]
    reference: Option<Reference>,
    /// How many days the link can be used. Default: `links.invitation` of the configuration.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=MOST_DAYS))]
    days: Option<u64>,
    /// Also draw the link as a QR code.
    #[arg(long)]
    qr: bool,
    /// Write the mail that goes with the link; with --from, as two columns, and with --to as files too.
    #[arg(long)]
    mail: bool,
    /// The language of the mail: de, en, es, fr, it, nl or pt. A row's column language wins over it.
    #[arg(long, value_name = "TAG", default_value = "en", hide_default_value = true)]
    language: Locale,
    /// Make a link for each row of this CSV table; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tenant", "label", "reference", "qr"])]
    from: Option<PathBuf>,
    /// Which column of the table has a field, by its heading or number: tenant=customerId, label=2.
    #[arg(long, value_name = "FIELD=NAME", requires = "from", conflicts_with_all = ["tenant", "any_tenant"])]
    column: Vec<ColumnChoice>,
    /// Where the table with the links goes. Default: standard output.
    #[arg(long, value_name = "FILE", requires = "from")]
    to: Option<PathBuf>,
    /// Go on where an earlier run for the same table and --to stopped, and try rows again that have no link.
    #[arg(long, requires = "to")]
    resume: bool,
    /// How many tenants Microsoft is asked about at the same time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
}

pub(super) async fn run(installation: &Installation, args: &LinkArgs) -> Result<Exit, CommandError> {
    let (app, subject) = subject(installation, args)?;
    // This comes before any request to Microsoft: without a key no link is possible, so the answer would be useless.
    let keys = installation.keys().await.map_err(|error| failed(format!("No link was made: {error}."), DOCTOR))?;
    let life = args.days.map_or(installation.config.links.invitation, |days| Duration::from_secs(days * 86_400));
    let job = Job { installation, keys, app, subject, direct: args.direct, life };
    if let Some(from) = &args.from {
        return bulk::run(&job, from, args).await;
    }
    let tenant = match &args.tenant {
        Some(tenant) => ExpectedTenant::Tenant(tenant_id(&job, tenant, args.offline).await?),
        None if args.any_tenant => any_tenant(&job).map(|()| ExpectedTenant::Any)?,
        None => return Err(usage("--tenant or --from is needed", "entra-consent link --help")),
    };
    one(&job, tenant, args)
}

/// Microsoft never redirects back from the approval of a companion, so without a tenant no check is possible.
fn any_tenant(job: &Job<'_>) -> Result<(), CommandError> {
    let Some(companion) = job.apps().find(|app| app.companion.is_some()) else { return Ok(()) };
    let id = &companion.profile.id;
    let what = format!("`{id}` is a companion app: Microsoft sends no browser back from its approval, so the link has to name the tenant.");
    Err(usage(what, "--tenant instead of --any-tenant"))
}

fn one(job: &Job<'_>, tenant: ExpectedTenant, args: &LinkArgs) -> Result<Exit, CommandError> {
    let unsigned = |error| failed(format!("No link was made: {error}."), DOCTOR);
    let link = job.sign(tenant, args.label.clone(), args.reference.clone()).map_err(unsigned)?;
    say!("Id of this link, for `links.revoked` in consent.toml: {}", link.id);
    let mut text = if args.mail {
        let apps = job.app_names();
        let mail = job.mail(&apps, &link, args.label.as_ref(), args.reference.as_ref());
        format!("Subject: {}\n\n{}\n", mail.subject(args.language), mail.text(args.language).trim_end())
    } else {
        format!("{}\n", link.address)
    };
    let mut exit = Exit::Done;
    if args.qr {
        if let Some(drawn) = qr::draw(&link.address, super::terminal::colours()) {
            text.push_str(&format!("\n{}\n", drawn.lines.join("\n")));
            say!("The QR code takes a window of {} columns: where it is cut, make the window wider.", drawn.width);
        } else {
            exit = Exit::Attention;
            complain("The link is made, and too long for a QR code.");
        }
    }
    let mut out = std::io::stdout().lock();
    super::printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()), exit)
}

/// The app or chain that the link asks for, and the app in whose cloud the tenant is resolved.
fn subject<'a>(installation: &'a Installation, args: &LinkArgs) -> Result<(&'a ConfiguredApp, Subject), CommandError> {
    if let Some(id) = &args.chain {
        let chain = super::chain(&installation.config, id)?;
        let first = chain.steps.first().ok_or_else(|| usage(format!("the chain `{id}` has no apps"), DOCTOR))?;
        return Ok((super::app(&installation.config, first)?, Subject::Chain(chain.id.clone())));
    }
    let id = args.app.as_ref().ok_or_else(|| usage("--app or --chain is needed", "entra-consent link --help"))?;
    let app = super::app(&installation.config, id)?;
    if args.direct && app.companion.is_some() {
        let what = format!(
            "`{id}` is a companion app: Microsoft sends no browser back from its approval, so a direct link would end on a dead page."
        );
        return Err(usage(what, "leave --direct out: the invitation leads there and watches"));
    }
    Ok((app, Subject::App(id.clone())))
}

/// The tenant id for the link.
async fn tenant_id(job: &Job<'_>, tenant: &TenantName, offline: bool) -> Result<TenantId, CommandError> {
    match (tenant, offline) {
        (TenantName::Id(id), true) => return Ok(*id),
        (TenantName::Domain(_), true) => {
            let what = "--offline goes with a tenant's id only: which tenant a domain is, Microsoft has to be asked.";
            return Err(usage(what, format!("entra-consent tenant {tenant}, which shows the id")));
        }
        (_, false) => {}
    }
    match job.installation.discover(job.app, tenant).await {
        Ok(found) => {
            let region = found.region.map(|region| format!(", region {region}")).unwrap_or_default();
            say!("{tenant} is tenant {} in the cloud {}{region}.", found.id, found.home);
            Ok(found.id)
        }
        Err(error) => {
            let unasked = matches!(error, Undiscovered::Unreachable { .. } | Undiscovered::Unreadable(_) | Undiscovered::Refused(_));
            let way_out = match tenant {
                TenantName::Id(_) if unasked => " Or add --offline: then Microsoft is not asked whether the tenant exists.",
                TenantName::Domain(_) if unasked => " Or give the tenant's id with --offline; a domain has to be looked up at Microsoft.",
                _ => "",
            };
            let remedy = error.remedy();
            Err(failed(format!("No link was made for {tenant}: {error}."), format!("{remedy}{way_out}")))
        }
    }
}
