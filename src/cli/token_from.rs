//! `--token-from`: uses the technician's own Graph token instead of an app's credential. With this token, a partner with delegated
//! administration privileges (GDAP) can read a customer's directory, so the customer does not have to approve the partner's app first.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Semaphore;

use super::exit::{CommandError, failed, usage};
use crate::consent::aadsts::meaning_at_token_endpoint;
use crate::consent::{DisplayText, TenantId};
use crate::entra::cloud::Endpoints;
use crate::entra::held::UnfitToken;
use crate::entra::token::AccessToken;
use crate::env::Clock;
use crate::secret::Secret;

/// The source of the technician's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum TokenFrom {
    /// The Azure CLI: `az account get-access-token` for each tenant, with the account that is signed in.
    Az,
    /// The variable `ENTRA_CONSENT_GRAPH_TOKEN`: a token for one tenant.
    Env,
}

/// Most Azure CLI processes at one time. Each is a Python process of about 60 MB.
const AZ_AT_A_TIME: usize = 4;
/// The time limit of one Azure CLI process, which itself calls Microsoft once or twice.
const AZ_PATIENCE: Duration = Duration::from_secs(60);

#[cfg(windows)]
const AZ: &str = "az.cmd";
#[cfg(not(windows))]
const AZ: &str = "az";

/// Provides tokens, which stay in memory only.
pub(super) enum Holder {
    Environment(Secret),
    Az(Semaphore),
}

/// Why there is no token for a tenant.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHeldToken {
    /// The fault is not the tenant's: every other tenant would fail in the same way.
    #[error("the Azure CLI cannot be started ({0})")]
    NoAz(io::Error),
    #[error("az did not answer within {} seconds", AZ_PATIENCE.as_secs())]
    AzSilent,
    #[error("az failed: {0}")]
    AzFailed(String),
    #[error("az: {0}. Sign in with `az login --tenant {1}`, with an account that may read that directory")]
    AzRefused(String, TenantId),
    #[error("what az printed holds no token. Update it with `az upgrade`")]
    AzUnreadable,
    #[error("the token of {whence} is not used: {fault}. {remedy}", whence = .0, fault = .1, remedy = remedy(*.1))]
    Unfit(&'static str, UnfitToken),
}

impl NoHeldToken {
    /// How a command ends that has no token for the operator's own tenant, or for any.
    pub(super) fn into_command(self) -> CommandError {
        let remedy = match &self {
            Self::NoAz(_) => "install it (https://aka.ms/azure-cli) and sign in with `az login`, or use --token-from env",
            Self::AzSilent | Self::AzFailed(_) => "the same command again in a moment",
            Self::AzRefused(..) => "sign in again, and repeat the command",
            Self::AzUnreadable => "az upgrade",
            Self::Unfit(..) => "get another token, and repeat the command",
        };
        failed(self, remedy)
    }

    /// Whether a later retry may succeed without any change.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::AzSilent | Self::AzFailed(_) => true,
            Self::NoAz(_) | Self::AzRefused(..) | Self::AzUnreadable | Self::Unfit(..) => false,
        }
    }
}

fn remedy(unfit: UnfitToken) -> &'static str {
    match unfit {
        UnfitToken::OtherTenant(_) => "A token is good in one tenant: get one for this tenant",
        UnfitToken::Ended => "Get a new one",
        UnfitToken::NotGraph => "Get one for Microsoft Graph, in the app's cloud",
        UnfitToken::Unreadable => "Give an access token, without quotes or `Bearer`",
    }
}

impl Holder {
    /// # Errors
    /// A usage error if the environment variable is not set.
    pub(super) fn new(from: TokenFrom) -> Result<Self, CommandError> {
        match from {
            TokenFrom::Az => Ok(Self::Az(Semaphore::new(AZ_AT_A_TIME))),
            TokenFrom::Env => match crate::config::graph_token(&crate::config::environment) {
                Some(token) => Ok(Self::Environment(token)),
                None => Err(usage(
                    "--token-from env reads ENTRA_CONSENT_GRAPH_TOKEN, which is not set.",
                    "put a Graph access token for the tenant into it, or use --token-from az",
                )),
            },
        }
    }

    /// The technician's token for a tenant.
    ///
    /// # Errors
    /// [`NoHeldToken`].
    pub(super) async fn token(&self, endpoints: &Endpoints, tenant: TenantId, clock: &Clock) -> Result<Arc<AccessToken>, NoHeldToken> {
        let (whence, secret) = match self {
            Self::Environment(secret) => ("ENTRA_CONSENT_GRAPH_TOKEN", secret.clone()),
            Self::Az(slots) => {
                // This cannot fail, because the code never closes the semaphore.
                let _slot = slots.acquire().await;
                ("az", az(tenant).await?)
            }
        };
        AccessToken::held(secret, endpoints, tenant, clock.now()).map(Arc::new).map_err(|unfit| NoHeldToken::Unfit(whence, unfit))
    }
}

async fn az(tenant: TenantId) -> Result<Secret, NoHeldToken> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Printed {
        access_token: String,
    }
    let tenant_argument = tenant.to_string();
    let mut command = Command::new(AZ);
    command
        .args(["account", "get-access-token", "--tenant", &tenant_argument, "--resource-type", "ms-graph", "--output", "json"])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let printed = match tokio::time::timeout(AZ_PATIENCE, command.output()).await {
        Err(_) => return Err(NoHeldToken::AzSilent),
        Ok(Err(error)) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Err(NoHeldToken::NoAz(error));
        }
        // The machine currently cannot start another process.
        Ok(Err(error)) => return Err(NoHeldToken::AzFailed(error.to_string())),
        Ok(Ok(printed)) => printed,
    };
    if !printed.status.success() {
        let complaint = complaint(&printed.stderr);
        let refused = is_refusal(&printed.stderr);
        return Err(if refused { NoHeldToken::AzRefused(complaint, tenant) } else { NoHeldToken::AzFailed(complaint) });
    }
    let printed: Printed = serde_json::from_slice(&printed.stdout).map_err(|_| NoHeldToken::AzUnreadable)?;
    Ok(Secret::new(printed.access_token))
}

/// Whether az failed because Microsoft, or az itself, requires a person to act. Other failures, such as a network outage, may be transient.
fn is_refusal(said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said);
    match meaning_at_token_endpoint(&[], &said, "invalid_grant") {
        (meaning, Some(_)) => !meaning.passes(),
        (_, None) => said.contains("az login"),
    }
}

/// The line in which az reports the fault, shortened for a table.
fn complaint(said: &[u8]) -> String {
    const LONGEST: usize = 240;
    let said = String::from_utf8_lossy(said);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("WARNING")).unwrap_or_default();
    let line = line.strip_prefix("ERROR:").unwrap_or(line).trim().trim_end_matches('.');
    DisplayText::bounded(line, LONGEST).map_or_else(|| "it failed and said nothing".to_owned(), |line| line.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_has_to_act_upon_is_a_refusal() {
        let refused = |said: &str| is_refusal(said.as_bytes());
        assert!(refused("ERROR: AADSTS50020: User account 'tech' does not exist in tenant."));
        assert!(refused("ERROR: Please run 'az login' to setup account."));
        assert!(!refused("ERROR: AADSTS90033: A transient error has occurred. Please try again. To re-authenticate, please run: az login"));
        assert!(!refused("ERROR: HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded"));
        assert!(!refused("") && !refused("AADSTS"));
    }

    #[test]
    fn what_az_complains_of_is_one_bounded_line() {
        let of = |said: &str| complaint(said.as_bytes());
        assert_eq!(of("WARNING: old\nERROR: Please run 'az login' to setup account.\nmore"), "Please run 'az login' to setup account");
        assert_eq!(of("\n\n"), "it failed and said nothing");
        assert_eq!(of("ERROR: \u{1b}[31mred"), "\u{fffd}[31mred");
        assert_eq!(of(&format!("ERROR: {}", "x".repeat(1000))).chars().count(), 240);
    }
}
