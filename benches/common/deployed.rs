//! The release `callback` binary as deployed to Lambda: its configuration in a file, its secrets in Secrets Manager, its cloud over TLS.
//! Only Secrets Manager uses plain HTTP here, because the AWS client trusts only the built-in authorities.

use std::path::PathBuf;

use entra_consent::consent::{Outcome, TenantId};
use entra_consent::token::receipt;
use serde_json::Value;

use super::setting::{self, Failure, Kept};
use super::upstream::{self, Upstream};

/// Two upstreams, and the configuration file that names them. Dropping this deletes the file.
pub(crate) struct Deployed {
    pub(crate) microsoft: Upstream,
    pub(crate) aws: Upstream,
    aws_url: String,
    config: PathBuf,
    authority: PathBuf,
}

impl Deployed {
    pub(crate) fn prepare(kept: Kept) -> Result<Self, Failure> {
        Self::prepare_behind(kept, |service| Ok(service.to_owned()))
    }

    /// As [`Self::prepare`], but the configuration names the address that `relay` returns for each service. Authority and Graph have an
    /// address each.
    pub(crate) fn prepare_behind(kept: Kept, relay: impl Fn(&str) -> Result<String, Failure>) -> Result<Self, Failure> {
        let (tls, pem) = upstream::certificate()?;
        let (microsoft, aws) = (Upstream::start(Some(tls))?, Upstream::start(None)?);
        let name = match kept {
            Kept::InEnvironment => "environment",
            Kept::InSecretsManager => "secrets-manager",
        };
        let file = |end: &str| std::env::temp_dir().join(format!("entra-consent-bench-{}-{name}.{end}", std::process::id()));
        let (config, authority) = (file("toml"), file("pem"));
        std::fs::write(&authority, pem)?;
        let hosts = [&*relay(&microsoft.url)?, &*relay(&microsoft.url)?];
        std::fs::write(&config, setting::config_text(hosts, kept, Some(&authority.to_string_lossy())))?;
        Ok(Self { aws_url: relay(&aws.url)?, microsoft, aws, config, authority })
    }

    /// The environment variables of the function's process.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let pairs = [
            ("ENTRA_CONSENT_CONFIG", self.config.to_string_lossy().into_owned()),
            ("BENCH_KEYS", setting::KEYS.to_owned()),
            ("BENCH_APP_SECRET", setting::APP_SECRET.to_owned()),
            ("AWS_ENDPOINT_URL", self.aws_url.clone()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

impl Deployed {
    /// As [`Self::environment`], with a queue and an event bus.
    #[allow(dead_code, reason = "shared; each bench uses its part")]
    pub(crate) fn environment_with_queue(&self) -> Vec<(String, String)> {
        let mut variables = self.environment();
        variables.push(("ENTRA_CONSENT_QUEUE_URL".to_owned(), format!("{}/123456789012/orders", self.aws_url)));
        variables.push(("ENTRA_CONSENT_EVENT_BUS".to_owned(), "default".to_owned()));
        variables
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        // The file is in the folder for temporary files, so a leftover is harmless.
        let _ = std::fs::remove_file(&self.config);
        let _ = std::fs::remove_file(&self.authority);
    }
}

fn now() -> u64 {
    u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap_or_default()
}

/// An HTTP API event of a browser that comes back from Microsoft after an approval in this tenant.
pub(crate) fn callback_event(tenant: TenantId) -> Result<Vec<u8>, Failure> {
    let keys = setting::keys()?;
    let ticket = setting::ticket(tenant, setting::signer(&keys, now()))?;
    let event = include_str!("../../events/http-api-success.json");
    Ok(event.replace("{{ticket}}", &ticket).replace("{{tenant}}", &tenant.to_string()).into_bytes())
}

/// An HTTP API event of a browser that follows a redirect of the product.
pub(crate) fn receipt_event(location: &str) -> Result<Vec<u8>, Failure> {
    let mut event: Value = serde_json::from_str(include_str!("../../events/http-api-success.json"))?;
    let path = location.strip_prefix(setting::ISSUER).ok_or("not an address of ours")?;
    if let Some(members) = event.as_object_mut() {
        members.insert("rawPath".into(), path.into());
        members.insert("rawQueryString".into(), "".into());
        members.insert("queryStringParameters".into(), Value::Null);
    }
    Ok(serde_json::to_vec(&event)?)
}

/// The address that an answer redirects to, and the outcome in its receipt.
pub(crate) fn led_to(answer: &Value) -> Result<(String, Outcome), Failure> {
    let location = answer.pointer("/headers/location").and_then(Value::as_str);
    let location = location.ok_or_else(|| format!("no receipt but {answer}"))?.to_owned();
    let keys = setting::keys()?;
    let token = location.rsplit('/').next().unwrap_or_default();
    let (receipt, _) = receipt::open(token, setting::signer(&keys, now())).map_err(|flaw| flaw.reason())?;
    Ok((location, receipt.outcome))
}
