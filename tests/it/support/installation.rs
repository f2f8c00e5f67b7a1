//! An installation on disk for a child process: `consent.toml`, key file and client secret, with a sandbox as its Microsoft.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entra_consent::config::Config;
use entra_consent::consent::{Expectation, ExpectedTenant, Label};
use entra_consent::env::{Clock, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_sandbox::{Change, ClientSecret, Sandbox, SandboxClock, SandboxOptions, Scenario, TenantId, TenantSetup, demo};

use super::northwind::{self, APP_SECRET, KEY};
use super::same_id;

/// The public base address of the installation.
pub(crate) const BASE_URL: &str = "https://consent.northwind.example";
const SECRET_VARIABLE: &str = "TEST_CLIENT_SECRET";

/// Writes a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, secret: &str) {
    std::fs::write(path, secret).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// A `consent.toml` in a temporary folder, and a sandbox as Microsoft. Dropping this deletes the folder and stops the sandbox.
pub(crate) struct TestInstallation {
    folder: PathBuf,
    config: String,
    /// The simulated Microsoft.
    pub(crate) sandbox: Sandbox,
    /// The same installation in this process, to make links.
    pub(crate) installation: Installation,
}

fn environment(name: &str) -> Option<String> {
    (name == SECRET_VARIABLE).then(|| APP_SECRET.to_owned())
}

impl TestInstallation {
    /// The demo's operator and app, without any approval.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// As [`Self::new`], with more lines of `consent.toml` before its apps.
    pub(crate) fn with(more: &str) -> Self {
        Self::replacing(more, &[])
    }

    /// As [`Self::with`], with some texts of `consent.toml` replaced by others.
    pub(crate) fn replacing(more: &str, replaced: &[(&str, &str)]) -> Self {
        Self::made(more, replaced, None)
    }

    /// As [`Self::new`], with one clock for both the installation and Microsoft.
    pub(crate) fn at(clock: SandboxClock) -> Self {
        Self::made("", &[], Some(clock))
    }

    fn made(more: &str, replaced: &[(&str, &str)], clock: Option<SandboxClock>) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("site-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let scenario = Scenario::demo(&format!("{BASE_URL}/callback")).with_companions();
        let options = SandboxOptions { scenario, ..Default::default() };
        let options = SandboxOptions { clock: clock.clone().unwrap_or(options.clock), ..options };
        let sandbox = Sandbox::start(options).unwrap();
        let secret = ClientSecret { value: APP_SECRET.into(), expires: None };
        sandbox.control().apply(Change::SetSecrets { app: demo::APP, secrets: vec![secret] }).unwrap();
        write_secret(&folder.join("keys.json"), KEY);
        let path = folder.join("consent.toml");
        let text = replaced.iter().fold(config_text(sandbox.url(), more), |text, (old, new)| {
            assert!(text.contains(old), "{old}");
            text.replace(old, new)
        });
        std::fs::write(&path, text).unwrap();
        let config = Config::load(&path, &environment).unwrap();
        let clock = clock.map_or_else(Clock::system, |clock| Clock::new(move || clock.now()));
        let dependencies = Dependencies { environment, clock, ..Dependencies::real(Roots::Embedded) };
        let installation = Installation::new(config, dependencies);
        Self { folder, config: path.to_str().unwrap().to_owned(), sandbox, installation }
    }

    /// A file in the folder of `consent.toml`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The environment variables that a process of this installation needs.
    pub(crate) fn environment(&self) -> [(&str, &str); 2] {
        [("ENTRA_CONSENT_CONFIG", &self.config), (SECRET_VARIABLE, APP_SECRET)]
    }

    /// A path in the installation's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A genuine ticket for a tenant.
    pub(crate) async fn ticket(&self, tenant: TenantId) -> String {
        let app = &self.installation.config.apps[0];
        let expectation = Expectation {
            app: app.profile.id.clone(),
            tenant: ExpectedTenant::Tenant(same_id(tenant)),
            label: Label::parse("Contoso Ltd").ok(),
            reference: None,
            invitation: None,
        };
        let (_, link) = self.installation.direct_link(app, expectation, Duration::from_secs(86_400)).await.unwrap();
        link.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
    }

    /// Creates a tenant without approvals, unless it exists.
    pub(crate) fn found(&self, tenant: TenantId) {
        let control = self.sandbox.control();
        if !control.state().contains_key(&tenant) {
            let domain = format!("t{tenant}.example");
            control.apply(Change::AddTenant(Box::new(TenantSetup::new(tenant, "Made for this test", &domain)))).unwrap();
        }
    }

    /// Approves the app in a tenant, and creates the tenant if necessary.
    pub(crate) fn approve(&self, tenant: TenantId) {
        self.found(tenant);
        self.sandbox.control().apply(Change::Grant { tenant, app: demo::APP, permissions: None }).unwrap();
    }
}

impl Drop for TestInstallation {
    fn drop(&mut self) {
        // A leftover folder is inside the build's folder, so it is harmless.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn config_text(sandbox: &str, more: &str) -> String {
    let head = northwind::head(BASE_URL, r#"{ file = "keys.json" }"#, sandbox, &northwind::home());
    let credential = format!(r#"credential = {{ client_secret = {{ env = "{SECRET_VARIABLE}" }} }}"#);
    [&head, more, &northwind::mail_backup(&credential, northwind::USUAL)].concat()
}
