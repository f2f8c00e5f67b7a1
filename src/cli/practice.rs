//! The simulated Microsoft of `sandbox` and `demo`, and the configuration that fits it.

use std::io;

use super::exit::{CommandError, VERBOSE, failed};
use entra_sandbox::{Replication, Sandbox, SandboxClock, SandboxOptions, Scenario};

/// The client secret of the reader. It is useless outside the sandbox.
pub(super) const READER_SECRET: &str = "sandbox-secret-of-northwind-directory-reader";

/// The operator's `consent.toml`. The values fill the places of their names.
pub(super) fn configuration(values: &[(&str, &str)]) -> String {
    let template = include_str!("practice/consent.toml").to_owned();
    values.iter().fold(template, |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// The built-in scenario. `fast` removes the delays between a consent and the moment when Microsoft shows it.
pub(super) fn scenario(base_url: &str, fast: bool) -> Result<Scenario, CommandError> {
    let text = include_str!("practice/scenario.toml").replace("{callback}", &format!("{base_url}/callback"));
    let mut scenario = Scenario::from_toml(&text).map_err(|error| failed(error, VERBOSE))?;
    for tenant in scenario.tenants.iter_mut().filter(|_| fast) {
        tenant.replication = Replication::default();
    }
    Ok(scenario)
}

/// Starts the simulated Microsoft. `flag` sets its port.
pub(super) fn start(port: Option<u16>, flag: &str, clock: SandboxClock, scenario: Scenario) -> Result<Sandbox, CommandError> {
    Sandbox::start(SandboxOptions { port, clock, scenario }).map_err(|error| match (error.kind(), port) {
        (io::ErrorKind::AddrInUse, Some(port)) => {
            let what = format!("Port {port} is in use, perhaps by another `entra-consent` that still runs.");
            failed(what, format!("stop it, or choose another port with {flag}"))
        }
        _ => failed(format!("the simulated Microsoft did not start: {error}"), VERBOSE),
    })
}
