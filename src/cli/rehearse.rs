//! `entra-consent rehearse`: the operator's own configuration and table against the simulated Microsoft, before a customer sees anything.
//!
//! Each customer gets a habit by turn. `link` and `verify` run as the operator would run them; between the two, this module is the browser.

mod index;
mod microsoft;
mod visit;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_sandbox::{Change, Replication, SandboxClock, TenantSetup, UserRole};
use time::OffsetDateTime;

use self::visit::{Browser, Rehearsal};
use super::customers::{CustomersOfFile, Reading, TableError};
use super::exit::{CommandError, Exit, VERBOSE, failed, unusable, usage};
use super::link::{LINK, LinkArgs};
use super::practice;
use super::verify::VerifyArgs;
use super::{link, verify};
use crate::config::{Config, ConfiguredApp};
use crate::consent::ProfileId;
use crate::entra::discovery::TenantName;
use crate::env::{Clock, Roots};
use crate::file::{self, Readers};
use crate::installation::{Dependencies, Installation};
use crate::outbox::Outbox;
use crate::record::Sink;
use crate::serve::store::{OrderWorker, Store, StoreOutbox};
use crate::sync::locked;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/rehearse.txt"))]
pub(super) struct RehearseArgs {
    /// The table of customers, as for `link`.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The app profile, by its id in consent.toml.
    #[arg(long, required_unless_present = "chain", conflicts_with = "chain")]
    app: Option<ProfileId>,
    /// A chain of apps, by its id in consent.toml, instead of one app.
    #[arg(long)]
    chain: Option<ProfileId>,
    /// Which column of the table has a field, by its heading or number: tenant=customerId, label=2.
    #[arg(long, value_name = "FIELD=NAME")]
    column: Vec<String>,
    /// The folder to make, which may not exist yet.
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    to: PathBuf,
}

/// The habits of administrators. The customers of a table get them by turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    Accepts,
    AcceptsWithLag,
    AsksAnAdministrator,
    Declines,
    WrongAccount,
    InThePortal,
    NeverOpens,
}

impl Habit {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Accepts, "accepts"),
        (Self::AcceptsWithLag, "accepts, and Microsoft shows it late"),
        (Self::AsksAnAdministrator, "is no administrator, and passes the link on to one"),
        (Self::Declines, "declines"),
        (Self::WrongAccount, "signs in with an account of another organisation"),
        (Self::InThePortal, "approves in the portal"),
        (Self::NeverOpens, "never opens the link"),
    ];

    fn lag(self) -> Replication {
        match self {
            Self::AcceptsWithLag => Replication { service_principal: 60, roles: 180, graph: 120, flapping: 0 },
            _ => Replication::default(),
        }
    }
}

/// A row of the table, and what its administrator saw.
struct Rehearsed {
    tenant: entra_sandbox::TenantId,
    name: String,
    habit: (Habit, &'static str),
    browser: Browser,
}

/// How long the rehearsal lasts after the last visit, and how often the worker then looks for due orders.
const TURNS: u32 = 12;
const TURN: Duration = Duration::from_secs(6 * 3600);

pub(super) async fn run(config: Config, args: &RehearseArgs) -> Result<Exit, CommandError> {
    let (what, apps) = match (&args.app, &args.chain) {
        (_, Some(chain)) => (format!("--chain={chain}"), super::chain(&config, chain)?.steps.clone()),
        (Some(app), None) => (format!("--app={app}"), vec![super::app(&config, app)?.profile.id.clone()]),
        (None, None) => return Err(usage("--app or --chain is needed", "entra-consent rehearse --help")),
    };
    let (mut customers, tenants) = read(&config, args)?;
    std::fs::create_dir(&args.to).map_err(|error| unusable(args.to.display(), &error).ending(Exit::Usage))?;
    let played = play(config, args, &mut customers, tenants, what, &apps).await;
    played.map_err(|error| CommandError { message: format!("{}\n{} is incomplete: delete it.", error.message, args.to.display()), ..error })
}

/// Makes the links, plays the visits, and writes the folder.
async fn play(
    config: Config,
    args: &RehearseArgs,
    customers: &mut [Rehearsed],
    tenants: Vec<TenantSetup>,
    what: String,
    apps: &[ProfileId],
) -> Result<Exit, CommandError> {
    let (stage, config) = build(config, tenants, &args.to)?;
    let apps: Vec<&ConfiguredApp> = apps.iter().filter_map(|id| config.app(id)).collect();
    let path = |name: &str| args.to.join(name).display().to_string();

    let mut flags =
        vec![what.clone(), "--mail".to_owned(), format!("--from={}", args.from.display()), format!("--to={}", path("links.csv"))];
    flags.extend(args.column.iter().map(|choice| format!("--column={choice}")));
    link::run(&stage.installation, &arguments::<LinkArgs>(&flags)?).await?;
    let links = links(&args.to.join("links.csv"))?;
    for (customer, link) in customers.iter_mut().zip(links) {
        if !link.is_empty() {
            visit(&stage, customer, &link, &apps).await.map_err(stopped)?;
        }
    }
    for _ in 0..TURNS {
        stage.pass(TURN).await.map_err(stopped)?;
    }
    let flags = [
        what,
        format!("--from={}", path("links.csv")),
        format!("--to={}", path("results.csv")),
        format!("--report={}", path("report.html")),
    ];
    verify::run(&stage.installation, &arguments::<VerifyArgs>(&flags)?).await?;
    stage.installation.records.settle().map_err(stopped)?;
    index::write(&stage, customers).await.map_err(stopped)?;
    say!("Open {}. Its links work nowhere: nothing of the rehearsal is for a customer.", path("index.html"));
    Ok(Exit::Done)
}

/// A fault of the rehearsal itself.
fn stopped(error: impl ToString) -> CommandError {
    failed(error, VERBOSE)
}

/// The flags of another command, as if a person had typed them.
fn arguments<A: clap::Args>(flags: &[String]) -> Result<A, CommandError> {
    let command = A::augment_args(clap::Command::new("rehearse"));
    let matches = command.try_get_matches_from(std::iter::once("rehearse").chain(flags.iter().map(String::as_str)));
    matches.and_then(|matches| A::from_arg_matches(&matches)).map_err(|error| usage(error, "entra-consent rehearse --help"))
}

/// The customers of the table, and a simulated tenant for each of them.
fn read(config: &Config, args: &RehearseArgs) -> Result<(Vec<Rehearsed>, Vec<TenantSetup>), CommandError> {
    if !args.from.is_file() {
        return Err(usage(format!("{} is not a file", args.from.display()), "--from with the table of your customers"));
    }
    let choices = args
        .column
        .iter()
        .map(|choice| choice.parse().map_err(|error: String| usage(error, "--column tenant=NAME")))
        .collect::<Result<_, _>>()?;
    let reading = Reading { choices, home: config.site.home_tenant };
    let (mut customers, mut tenants) = (Vec::new(), Vec::<TenantSetup>::new());
    let rows = CustomersOfFile::open(&args.from, &reading).map_err(TableError::into_command)?;
    for (row, habit) in rows.zip(Habit::ALL.into_iter().cycle()) {
        let row = row.map_err(TableError::into_command)?;
        let mut rehearsed =
            Rehearsed { tenant: uuid::Uuid::new_v4().into(), name: format!("Row {}", row.number), habit, browser: Browser::default() };
        if let Ok(customer) = row.customer {
            let mut domain = format!("row-{}.rehearsal.example", row.number);
            match &customer.tenant {
                TenantName::Id(id) => rehearsed.tenant = microsoft::id(id).map_err(stopped)?,
                named @ TenantName::Domain(_) => domain = named.to_string(),
            }
            rehearsed.name = customer.label.map_or_else(|| customer.tenant.to_string(), |label| label.as_str().to_owned());
            match tenants.iter().find(|known| known.id == rehearsed.tenant || known.domains.contains(&domain)) {
                Some(known) => rehearsed.tenant = known.id,
                None => {
                    tenants.push(TenantSetup { replication: habit.0.lag(), ..TenantSetup::new(rehearsed.tenant, &rehearsed.name, &domain) })
                }
            }
        }
        rehearsed.browser.row = customers.len() + 1;
        customers.push(rehearsed);
    }
    Ok((customers, tenants))
}

/// The links that `link` made, in the order of the rows.
fn links(table: &Path) -> Result<Vec<String>, CommandError> {
    let customers = CustomersOfFile::open(table, &Reading::default()).map_err(TableError::into_command)?;
    let column = customers.columns().position(LINK);
    let link = |row: super::customers::CustomerRow| column.and_then(|at| row.cells.get(at)).unwrap_or_default().to_owned();
    customers.map(|row| row.map(link).map_err(TableError::into_command)).collect()
}

/// The simulated Microsoft and the installation that asks it. No secret of the operator is read.
fn build(mut config: Config, mut tenants: Vec<TenantSetup>, folder: &Path) -> Result<(Rehearsal, Config), CommandError> {
    let stranger = uuid::Uuid::new_v4().into();
    tenants.push(TenantSetup::new(stranger, "Another organisation", "another-organisation.example"));
    let clock = SandboxClock::standing_at(OffsetDateTime::now_utc());
    let scenario = microsoft::scenario(&config, tenants).map_err(stopped)?;
    let sandbox = practice::start(None, "", clock.clone(), scenario)?;
    microsoft::lead_to(&mut config, sandbox.url()).map_err(stopped)?;
    let clock = Clock::new(move || clock.now());
    let store = Store::in_memory().map_err(stopped)?;
    let outbox = Arc::new(StoreOutbox::new(store.clone(), clock.clone(), true)) as Arc<dyn Outbox>;
    let records = file::make(&folder.join("records.jsonl"), Readers::Owner).map_err(stopped)?;
    let records = Mutex::new(records);
    let sink = Sink::new(move |line| std::io::Write::write_all(&mut *locked(&records), line));
    let real = Dependencies::real(Roots::Embedded);
    let dependencies = Dependencies { clock, sink, environment: microsoft::environment, outbox: Some(outbox), ..real };
    let installation = Arc::new(Installation::new(config.clone(), dependencies));
    let worker = OrderWorker::new(Arc::clone(&installation), store.clone());
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let http = http.build().map_err(stopped)?;
    Ok((Rehearsal { installation, sandbox, store, worker, http, stranger, folder: folder.to_owned() }, config))
}

/// Lets a customer's administrator follow the habit.
async fn visit(stage: &Rehearsal, customer: &mut Rehearsed, link: &str, apps: &[&ConfiguredApp]) -> Result<(), String> {
    let (tenant, browser) = (customer.tenant, &mut customer.browser);
    let control = stage.sandbox.control();
    let person = |tenant, role| control.user(tenant, role).map(|user| user.to_string()).unwrap_or_default();
    let administrator = person(tenant, UserRole::Administrator);
    let (user, decision) = match customer.habit.0 {
        Habit::NeverOpens => return Ok(()),
        Habit::InThePortal => {
            stage.open(browser, link, None).await?;
            for app in apps {
                let app = microsoft::client(app)?;
                control.apply(Change::Grant { tenant, app, permissions: None }).map_err(|error| error.to_string())?;
            }
            return Ok(());
        }
        Habit::AsksAnAdministrator => {
            let user = person(tenant, UserRole::User);
            if let Some(app) = apps.first() {
                let at = stage.at_microsoft(browser, link, app, tenant).await?;
                stage.open(browser, &at, Some(&format!("user={user}&do=accept"))).await?;
                stage.open(browser, &at, Some(&format!("user={user}&do=back"))).await?;
            }
            stage.pass(Duration::from_secs(3600)).await?;
            *browser = Browser { cookie: String::new(), ..std::mem::take(browser) };
            (administrator, "accept")
        }
        Habit::Declines => (administrator, "cancel"),
        Habit::WrongAccount => (person(stage.stranger, UserRole::Administrator), "accept"),
        Habit::Accepts | Habit::AcceptsWithLag => (administrator, "accept"),
    };
    for app in apps {
        let at = stage.at_microsoft(browser, link, app, tenant).await?;
        let watch = std::mem::take(&mut browser.watch);
        let result = stage.open(browser, &at, Some(&format!("user={user}&do={decision}"))).await?;
        stage.pass(Duration::from_secs(300)).await?;
        stage.open(browser, watch.as_ref().unwrap_or(&result), None).await?;
        if matches!(customer.habit.0, Habit::Declines | Habit::WrongAccount) {
            break;
        }
    }
    Ok(())
}
