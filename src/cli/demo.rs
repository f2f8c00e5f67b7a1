//! `entra-consent demo`: runs the function and a simulated Microsoft on this machine, without any setup.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use entra_sandbox::{Change, Sandbox, SandboxClock, SandboxOptions, Scenario, demo};
use tokio::net::TcpListener;

use super::exit::{CommandError, Exit, failed};
use super::serve;
use crate::config::Config;
use crate::consent::{Expectation, ExpectedTenant, Label, TenantId};
use crate::env::{Clock, Roots};
use crate::installation::{Dependencies, Installation};
use crate::lambda::http_event::{self, Incoming};
use crate::outbox::Outbox;
use crate::serve::http;
use crate::serve::store::{Background, Store, StoreOutbox};
use crate::token::Subject;
use crate::web;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/demo.txt"))]
pub(super) struct DemoArgs {
    /// Put this Lambda event through the function, with a fresh ticket in the place of {{ticket}}, print what it answers, and end.
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// The port of the function. Default: any free one.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// The port of the simulated Microsoft. Default: any free one.
    #[arg(long)]
    sandbox_port: Option<u16>,
    /// A scenario for the simulated Microsoft (docs/sandbox.md) in the place of the built-in one.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How many times faster than real time passes: 60 lets a minute's replication lag pass in a second.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.0..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0 (time stands still) to 100000".to_owned()),
    }
}

/// The demonstration's key. No other installation trusts its signatures.
const KEY: &str = r#"{"kid":"demo","key":"only-for-the-demo-8sW1xK7dR4tY9uB3nC6fG0hJ"}"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "DEMO_KEY" => Some(KEY.to_owned()),
        "DEMO_SECRET" => Some(demo::APP_SECRET.to_owned()),
        _ => None,
    }
}

/// The parts of a running demonstration.
struct Stage {
    installation: Arc<Installation>,
    sandbox: Sandbox,
    listener: TcpListener,
    address: String,
    store: Store,
    outbox: Arc<StoreOutbox>,
}

async fn build(args: &DemoArgs) -> Result<Stage, String> {
    let listener =
        TcpListener::bind(("127.0.0.1", args.port)).await.map_err(|error| format!("cannot listen on port {}: {error}", args.port))?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let address = format!("http://127.0.0.1:{port}");
    let scenario = match &args.scenario {
        Some(path) => Scenario::from_path(path).map_err(|error| error.to_string())?,
        None => Scenario::demo(&format!("{address}/callback")),
    };
    let clock = SandboxClock::scaled(args.speed);
    let options = SandboxOptions { port: args.sandbox_port, clock: clock.clone(), scenario };
    let sandbox = Sandbox::start(options).map_err(|error| format!("the simulated Microsoft did not start: {error}"))?;
    let text = format!(include_str!("demo.toml"), base_url = address, sandbox = sandbox.url(), home = demo::HOME, app = demo::APP);
    let config = Config::parse(&text, std::path::Path::new("demo.toml"), &environment).map_err(|error| error.to_string())?;
    let clock = Clock::new(move || clock.now());
    let store = Store::in_memory().map_err(|error| error.to_string())?;
    let outbox = Arc::new(StoreOutbox::new(store.clone(), clock.clone(), false));
    let dependencies =
        Dependencies { clock, environment, outbox: Some(Arc::clone(&outbox) as Arc<dyn Outbox>), ..Dependencies::real(Roots::Platform) };
    Ok(Stage { installation: Arc::new(Installation::new(config, dependencies)), sandbox, listener, address, store, outbox })
}

/// Converts the id, because the sandbox has its own types.
fn expected(tenant: entra_sandbox::TenantId) -> ExpectedTenant {
    ExpectedTenant::Tenant(TenantId::from_u128(tenant.as_u128()))
}

async fn link(installation: &Installation, tenant: entra_sandbox::TenantId, label: &str) -> Result<url::Url, String> {
    let app = installation.config.apps.first().ok_or("the demonstration has no app")?;
    let (id, tenant, label) = (app.profile.id.clone(), expected(tenant), Label::parse(label).ok());
    let expectation = Expectation { app: id, tenant, label, reference: None, invitation: None };
    let made = installation.direct_link(app, expectation, installation.config.links.invitation).await;
    made.map(|(_, link)| link).map_err(|error| error.to_string())
}

async fn invitation(installation: &Installation, tenant: entra_sandbox::TenantId, label: &str) -> Result<String, String> {
    let app = installation.config.apps.first().ok_or("the demonstration has no app")?;
    let (subject, tenant) = (Subject::App(app.profile.id.clone()), expected(tenant));
    let made = installation.invitation(subject, tenant, Label::parse(label).ok(), None, installation.config.links.invitation).await;
    made.map(|(_, address)| address).map_err(|error| error.to_string())
}

pub(super) async fn run(args: &DemoArgs) -> Result<Exit, CommandError> {
    let stage = build(args).await.map_err(failed)?;
    let ended = match &args.event {
        Some(path) => play(&stage, path).await,
        None => show(stage).await,
    };
    ended.map(|()| Exit::Done).map_err(failed)
}

#[expect(clippy::print_stderr, reason = "the terminal is what this module is for")]
async fn show(stage: Stage) -> Result<(), String> {
    let Stage { installation, sandbox, listener, address, store, outbox } = stage;
    eprintln!("entra-consent demo: the function on {address}, a simulated Microsoft on {}.\n", sandbox.url());
    eprintln!("You are a managed service provider, and these are invitations you mailed. Open one as the customer's administrator:\n");
    for (tenant, label, remark) in [
        (demo::CONTOSO, "Contoso Ltd", "approved and seen at once"),
        (demo::FABRIKAM, "Fabrikam, Inc.", "it takes Microsoft 15 s to show the approval: watch the page find it"),
        (demo::WOODGROVE, "Woodgrove Bank", "an ordinary user can only go back: there are no approval requests here"),
    ] {
        eprintln!("  {label}: {remark}\n  {}\n", invitation(&installation, tenant, label).await?);
    }
    eprintln!(
        "A direct link leads to Microsoft at once and binds no browser:\n\n  {}\n",
        link(&installation, demo::CONTOSO, "Contoso Ltd").await?
    );
    eprintln!("Try: Accept. Cancel (after Accept it rightly stays granted). Sign in as an ordinary user and request approval. Sign in as");
    eprintln!(
        "an administrator of another organisation. Change a letter of the link. Then type a success yourself and see it not believed:\n"
    );
    eprintln!("  {address}/callback?admin_consent=True&tenant={}\n", demo::CONTOSO);
    let mut signals = serve::StopSignals::listen()?;
    eprintln!("Records follow on standard output, one JSON line an event. Ctrl-C stops.\n");
    let background = Background::start(&installation, &store, &outbox, None);
    http::serve(Arc::clone(&installation), listener, async move { signals.next().await }).await.map_err(|error| error.to_string())?;
    background.stop().await;
    installation.records.settle().map_err(|error| error.to_string())
}

/// Passes one Lambda event through the function and prints the answer.
#[expect(clippy::print_stdout, reason = "the answer is the result")]
async fn play(stage: &Stage, path: &std::path::Path) -> Result<(), String> {
    let event = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    // Simulates a click on Accept first. For an event with a refusal there was no such click.
    if !event.contains("AADSTS") {
        let approved = Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: None };
        stage.sandbox.control().apply(approved).map_err(|error| error.to_string())?;
    }
    let link = link(&stage.installation, demo::CONTOSO, "Contoso Ltd").await?;
    let ticket = link.query_pairs().find(|(name, _)| name == "state").map(|(_, ticket)| ticket.into_owned()).unwrap_or_default();
    let tenant = demo::CONTOSO.to_string();
    let form = base64::engine::general_purpose::STANDARD.encode(format!("admin_consent=True&tenant={tenant}&state={ticket}"));
    let event = event.replace("{{ticket}}", &ticket).replace("{{tenant}}", &tenant).replace("{{form}}", &form);
    let incoming = http_event::read(event.as_bytes());
    let front_door = incoming.front_door();
    let answer = match incoming {
        Incoming::Http(request) => web::handle(&stage.installation, request).await,
        Incoming::Refused { request, reason } => web::refuse(&stage.installation, &request, reason.reason()),
        Incoming::NotHttp(kind) => web::refuse_event(&stage.installation, kind.reason()),
    };
    println!("{}", http_event::answer(front_door, answer).await.get());
    Ok(())
}
