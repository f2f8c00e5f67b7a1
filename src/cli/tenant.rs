//! `entra-consent tenant`: finds the tenant behind a domain or an id.

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::exit::{CommandError, Exit, failed};
use super::output::{self, Column, Format, PrintedRow};
use crate::consent::{Cloud, DisplayText, ProfileId, TenantId};
use crate::entra::clients::Clients;
use crate::entra::cloud::Endpoints;
use crate::entra::discovery::{DiscoveredTenant, Discovery, Home, TenantName, Undiscovered};
use crate::env::{Clock, Rng, Roots};

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/tenant.txt"))]
pub(super) struct TenantArgs {
    /// One of the tenant's domains, or its id.
    #[arg(value_name = "DOMAIN|GUID")]
    tenant: TenantName,
    /// Ask in the cloud of this app of consent.toml, and fail where the tenant lives in another.
    #[arg(long, conflicts_with = "cloud")]
    app: Option<ProfileId>,
    /// The cloud to ask: global, us-gov-l4, us-gov-l5 or china-21vianet.
    #[arg(long, value_parser = built_in, default_value = "global")]
    cloud: Cloud,
    /// How to show it. JSON is printed also where nothing was found.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

fn built_in(name: &str) -> Result<Cloud, String> {
    Cloud::built_in(name).ok_or_else(|| "the clouds are global, us-gov-l4, us-gov-l5 and china-21vianet".to_owned())
}

#[expect(clippy::print_stdout, reason = "the answer is the result")]
pub(super) async fn run(config: Option<&Path>, args: &TenantArgs) -> Result<Exit, CommandError> {
    let answer = match &args.app {
        Some(id) => {
            let installation = super::installation(config).await?;
            installation.discover(super::app(&installation.config, id)?, &args.tenant).await
        }
        None => find(&args.cloud, &args.tenant).await,
    };
    match answer {
        Ok(tenant) => super::printed(output::one(args.output, &FoundTenant::new(args, &tenant), std::io::stdout()), Exit::Done),
        Err(error) => {
            if matches!(args.output, Format::Json) {
                println!("{}", failure(args, &error));
            }
            Err(failed(format!("{}: {error}.", args.tenant), error.remedy()))
        }
    }
}

/// Finds a tenant without an app. No cloud is then expected, so a tenant in another cloud is a result and not a failure.
pub(super) async fn find(cloud: &Cloud, tenant: &TenantName) -> Result<DiscoveredTenant, Undiscovered> {
    let Some(endpoints) = Endpoints::of(cloud) else {
        return Err(Undiscovered::NoClient("it is not built in".into()));
    };
    let discovery = Discovery::new(Clients::new(Roots::Platform, Rng::system()), Clock::system());
    match discovery.discover(cloud, &endpoints, tenant).await {
        Err(Undiscovered::OtherCloud(tenant)) if matches!(tenant.home, Home::Cloud(_)) => Ok(*tenant),
        answer => answer,
    }
}

/// The printed form of a tenant.
#[derive(Serialize)]
struct FoundTenant {
    asked: String,
    tenant_id: TenantId,
    cloud: String,
    graph_host: Option<String>,
    region: Option<String>,
    sub_scope: Option<String>,
}

impl FoundTenant {
    fn new(args: &TenantArgs, tenant: &DiscoveredTenant) -> Self {
        let text = |text: &Option<DisplayText>| text.as_ref().map(ToString::to_string);
        Self {
            asked: args.tenant.to_string(),
            tenant_id: tenant.id,
            cloud: tenant.home.to_string(),
            graph_host: text(&tenant.graph_host),
            region: text(&tenant.region),
            sub_scope: text(&tenant.sub_scope),
        }
    }
}

impl PrintedRow for FoundTenant {
    const COLUMNS: &'static [Column<Self>] = &[
        ("asked", |tenant| tenant.asked.clone()),
        ("tenant_id", |tenant| tenant.tenant_id.to_string()),
        ("cloud", |tenant| tenant.cloud.clone()),
        ("graph_host", |tenant| tenant.graph_host.clone().unwrap_or_default()),
        ("region", |tenant| tenant.region.clone().unwrap_or_default()),
        ("sub_scope", |tenant| tenant.sub_scope.clone().unwrap_or_default()),
    ];
}

fn failure(args: &TenantArgs, error: &Undiscovered) -> serde_json::Value {
    let elsewhere = match error {
        Undiscovered::OtherCloud(tenant) => Some(FoundTenant::new(args, tenant)),
        _ => None,
    };
    json!({
        "asked": args.tenant.to_string(),
        "error": error.name(),
        "message": error.to_string(),
        "retryable": error.is_retryable(),
        "found": elsewhere,
    })
}
