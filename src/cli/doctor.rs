//! `entra-consent doctor`: finds faults and gaps before a customer does.

mod context;
mod exposure;
mod finding;
mod ids;
mod installation;
mod registration;
mod rights;
mod tenant;

use std::io;
use std::path::Path;

use self::context::DoctorContext;
use self::finding::{FindingSubject, Findings};
use super::exit::{CommandError, Exit};
use super::output::Format;
use super::{printed, verifiers_of};
use crate::config::{ConfigError, ConfigSource};
use crate::consent::ProfileId;
use crate::entra::discovery::TenantName;
use crate::env::Roots;
use crate::installation::{Dependencies, Installation};

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/doctor.txt"))]
pub(super) struct DoctorArgs {
    /// Prove it in one customer's tenant: mint a token there and look at each app.
    #[arg(long, value_name = "DOMAIN|GUID")]
    tenant: Option<TenantName>,
    /// Only this app of consent.toml, and the one that verifies it.
    #[arg(long, value_name = "ID")]
    app: Option<ProfileId>,
    /// Write ids of permissions that are missing into consent.toml; everything else in it stays as it is.
    #[arg(long)]
    fix: bool,
    /// Send no request: check only what is on this machine.
    #[arg(long, conflicts_with_all = ["tenant", "fix"])]
    offline: bool,
    /// How to show the findings.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

pub(super) async fn run(config: Option<&Path>, args: &DoctorArgs) -> Result<Exit, CommandError> {
    let source = super::config_source(config)?;
    let mut findings = Findings::default();
    let at_a_terminal = || Dependencies::at_a_terminal(Roots::Platform);
    let installation = match Installation::load(&source, at_a_terminal()).await {
        Ok(installation) => Some(installation),
        Err(error) => {
            let completed = match &source {
                ConfigSource::File(path) if !args.offline => ids::complete(path, args.fix, &mut findings).await?,
                _ => None,
            };
            if completed.is_none() {
                problems(&error, &mut findings);
            }
            completed.map(|config| Installation::new(config, at_a_terminal()))
        }
    };
    if let Some(installation) = installation {
        findings.fine(FindingSubject::all("configuration"), format!("{source} is a configuration."));
        args.app.as_ref().map(|id| super::app(&installation.config, id)).transpose()?;
        examine(&installation, args, &mut findings).await;
    }
    show(&mut findings, args.output)
}

/// Runs all checks.
async fn examine(installation: &Installation, args: &DoctorArgs, findings: &mut Findings) {
    let apps: Vec<_> = installation.config.apps.iter().filter(|app| args.app.as_ref().is_none_or(|id| app.profile.id == *id)).collect();
    installation::keys(installation, findings).await;
    installation::address(installation, args.offline, findings).await;
    installation::clouds(installation, &apps, args.offline, findings).await;
    let mut context = DoctorContext::new(installation, args.offline);
    for verifier in verifiers_of(&installation.config, &apps) {
        context.credential(verifier, findings).await;
    }
    for app in &apps {
        registration::check(&mut context, app, findings).await;
    }
    let mut seen_in_tenant = Vec::new();
    if let Some(tenant) = &args.tenant {
        seen_in_tenant = tenant::prove(&context, tenant, &apps, findings).await;
    }
    for verifier in verifiers_of(&installation.config, &apps) {
        let roles = seen_in_tenant.iter().find(|(id, _)| *id == verifier.profile.id).map(|(_, roles)| roles);
        rights::check(&mut context, verifier, &apps, roles, findings).await;
        exposure::check(&mut context, verifier, roles, findings).await;
    }
    for app in apps.iter().filter(|app| installation.config.verifier_of(app).is_none()) {
        findings.warning(
            FindingSubject::app("verifier", &app.profile.id),
            "Nobody verifies this app.",
            "A person who presses the button can report its approval, and no check can confirm it.",
            "Name in verified_by an app of yours that has a credential and Directory.Read.All.",
        );
    }
}

/// Reports why the configuration is invalid.
fn problems(error: &ConfigError, findings: &mut Findings) {
    for problem in error.problems() {
        let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
        let key = if problem.key.is_empty() { String::new() } else { format!(" {}:", problem.key) };
        let what = format!("{}{line}:{key} {}.", problem.origin, problem.what);
        findings.wrong(
            FindingSubject::all("configuration"),
            what,
            "Neither the function nor any command starts with it.",
            problem.remedy.to_string(),
        );
    }
}

fn show(findings: &mut Findings, format: Format) -> Result<Exit, CommandError> {
    let exit = if findings.need_somebody() { Exit::Attention } else { Exit::Done };
    let shown = findings.print(format, io::stdout().lock());
    if format == Format::Table {
        say!("\n{}.", findings.summary());
    }
    printed(shown, exit)
}
