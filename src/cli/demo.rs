//! `entra-consent demo`: runs the function and a simulated Microsoft on this machine, without any setup.

mod event_line;
mod start_page;

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use entra_sandbox::{Change, Sandbox, SandboxClock, Scenario, demo};
use tokio::net::TcpListener;

use self::start_page::STORIES;
use super::exit::{CommandError, Exit, VERBOSE, failed, unusable};
use super::practice;
use super::serve;
use super::serve::cannot_listen;
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
    /// Put this Lambda event through the function, with a fresh ticket for {{ticket}}, print the answer, and end.
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// The port of the function. Default: any free one.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// The port of the simulated Microsoft. Default: any free one.
    #[arg(long)]
    sandbox_port: Option<u16>,
    /// A scenario for the simulated Microsoft (docs/sandbox.md), instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How many times faster than real time passes: 60 lets a minute's replication lag pass in a second.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Show an approval at once. By default, Microsoft shows it after about 20 seconds.
    #[arg(long)]
    fast: bool,
    /// Print records as they are, one JSON line an event.
    #[arg(long)]
    json: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.0..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0 (time stops) to 100000".to_owned()),
    }
}

/// The demonstration's key. No other installation trusts its signatures.
const KEY: &str = r#"{"kid":"demo","key":"only-for-the-demo-8sW1xK7dR4tY9uB3nC6fG0hJ"}"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "DEMO_KEY" => Some(KEY.to_owned()),
        "DEMO_SECRET" => Some(demo::APP_SECRET.to_owned()),
        "DEMO_READER_SECRET" => Some(practice::READER_SECRET.to_owned()),
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

/// A fault of the demonstration itself.
fn stopped(error: impl ToString) -> CommandError {
    failed(error, VERBOSE)
}

async fn build(args: &DemoArgs) -> Result<Stage, CommandError> {
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await.map_err(|error| cannot_listen(args.port, &error, "--port"))?;
    let port = listener.local_addr().map_err(stopped)?.port();
    let address = format!("http://127.0.0.1:{port}");
    let scenario = match &args.scenario {
        Some(path) => Scenario::from_path(path).map_err(|error| failed(error, "docs/sandbox.md describes a scenario"))?,
        None => practice::scenario(&address, args.fast || args.event.is_some())?,
    };
    let clock = SandboxClock::scaled(args.speed);
    let sandbox = practice::start(args.sandbox_port, "--sandbox-port", clock.clone(), scenario)?;
    let text = practice::configuration(&[
        ("command", "demo"),
        ("base_url", &address),
        ("sandbox", sandbox.url()),
        ("keys", r#"{ env = "DEMO_KEY" }"#),
        ("mail_backup", r#"{ env = "DEMO_SECRET" }"#),
        ("reader", r#"{ env = "DEMO_READER_SECRET" }"#),
        ("store", ""),
    ]);
    let config = Config::parse(&text, std::path::Path::new("demo.toml"), &environment)?;
    let clock = Clock::new(move || clock.now());
    let store = Store::in_memory().map_err(stopped)?;
    let outbox = Arc::new(StoreOutbox::new(store.clone(), clock.clone(), false));
    let mut dependencies =
        Dependencies { clock, environment, outbox: Some(Arc::clone(&outbox) as Arc<dyn Outbox>), ..Dependencies::real(Roots::Platform) };
    if !args.json && args.event.is_none() {
        dependencies.sink = event_line::sink();
    }
    Ok(Stage { installation: Arc::new(Installation::new(config, dependencies)), sandbox, listener, address, store, outbox })
}

/// A customer of the scenario that has approved everything.
const ADVENTURE_WORKS: entra_sandbox::TenantId = entra_sandbox::TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_0005);

/// Converts the id, because the sandbox has its own types.
fn expected(tenant: entra_sandbox::TenantId) -> ExpectedTenant {
    ExpectedTenant::Tenant(TenantId::from_u128(tenant.as_u128()))
}

async fn link(installation: &Installation, tenant: entra_sandbox::TenantId, label: &str) -> Result<url::Url, CommandError> {
    let app = installation.config.apps.first().ok_or_else(|| stopped("the demonstration has no app"))?;
    let (id, tenant, label) = (app.profile.id.clone(), expected(tenant), Label::parse(label).ok());
    let expectation = Expectation { app: id, tenant, label, reference: None, invitation: None };
    let made = installation.direct_link(app, expectation, installation.config.links.invitation).await;
    made.map(|(_, link)| link).map_err(stopped)
}

pub(super) async fn run(args: &DemoArgs) -> Result<Exit, CommandError> {
    let stage = build(args).await?;
    let ended = match &args.event {
        Some(path) => play(&stage, path).await,
        None => show(stage).await,
    };
    ended.map(|()| Exit::Done)
}

/// The addresses of the stories, in their order.
async fn addresses(installation: &Installation, address: &str) -> Result<[String; 6], CommandError> {
    let config = &installation.config;
    let (Some(app), Some(chain)) = (config.apps.first(), config.chains.first()) else {
        return Err(stopped("the demonstration has no app or no chain"));
    };
    let (backup, iphones) = (Subject::App(app.profile.id.clone()), Subject::Chain(chain.id.clone()));
    let invite = async |subject: &Subject, tenant, label| {
        let made =
            installation.invitation(subject.clone(), expected(tenant), Label::parse(label).ok(), None, config.links.invitation).await;
        made.map(|(_, address)| address).map_err(stopped)
    };
    Ok([
        invite(&iphones, demo::CONTOSO, "Contoso Ltd").await?,
        invite(&backup, demo::FABRIKAM, "Fabrikam, Inc.").await?,
        invite(&backup, demo::WOODGROVE, "Woodgrove Bank").await?,
        invite(&iphones, ADVENTURE_WORKS, "Adventure Works").await?,
        link(installation, demo::CONTOSO, "Contoso Ltd").await?.into(),
        format!("{address}/callback?admin_consent=True&tenant={}", demo::CONTOSO),
    ])
}

async fn show(stage: Stage) -> Result<(), CommandError> {
    let Stage { installation, sandbox, listener, address, store, outbox } = stage;
    let start = TcpListener::bind("127.0.0.1:0").await.map_err(stopped)?;
    let at = start.local_addr().map_err(stopped)?;
    let addresses = addresses(&installation, &address).await?;
    say!("You are a managed service provider. Open an invitation as a customer's administrator:\n\n  http://{at}/\n\nor one of these:\n");
    for (name, title, _) in STORIES {
        say!("  http://{at}/{name:<9}  {title}");
    }
    say!("\nThe function runs on {address}, a simulated Microsoft on {}. Nothing leaves this machine.", sandbox.url());
    let mut signals = serve::StopSignals::listen()?;
    say!("A line for each event follows. Ctrl-C stops.\n");
    let start_page = tokio::spawn(axum::serve(start, start_page::router(addresses)).into_future());
    let background = Background::start(&installation, &store, &outbox, None);
    http::serve(Arc::clone(&installation), listener, async move { signals.next().await }).await.map_err(stopped)?;
    start_page.abort();
    background.stop().await;
    installation.records.settle().map_err(stopped)
}

/// Passes one Lambda event through the function and prints the answer.
#[expect(clippy::print_stdout, reason = "the answer is the result")]
async fn play(stage: &Stage, path: &std::path::Path) -> Result<(), CommandError> {
    let event = std::fs::read_to_string(path).map_err(|error| unusable(path.display(), &error))?;
    // Simulates a click on Accept first. For an event with a refusal there was no such click.
    if !event.contains("AADSTS") {
        let approved = Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: None };
        stage.sandbox.control().apply(approved).map_err(stopped)?;
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
