//! AWS clients, each built on first use, so that a process that needs no AWS does not spend time on them.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_secretsmanager::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};
use tokio::sync::OnceCell;

use crate::config;
use crate::env::Roots;
use crate::outbox::NotSent;

/// Time limit of one operation. The browser waits at most 4 s in all, so a later answer is useless, and the SDK sets no limit by itself.
const OPERATION: Duration = Duration::from_secs(2);
/// Time limit of one attempt. It leaves time for a second attempt within [`OPERATION`].
const ATTEMPT: Duration = Duration::from_secs(1);
/// Time limit of one operation for commands at a terminal, where no browser waits. A profile's `credential_process` alone may take seconds.
const OPERATION_AT_A_TERMINAL: Duration = Duration::from_secs(40);
const ATTEMPT_AT_A_TERMINAL: Duration = Duration::from_secs(20);

/// The region, credentials and connections that all AWS clients of the process share. The SDK finds them in its usual places (the role of
/// the Lambda, profiles, `AWS_ENDPOINT_URL` …).
#[derive(Debug)]
pub struct AwsClients {
    roots: Roots,
    limits: TimeoutConfig,
    shared: OnceCell<SdkConfig>,
    secrets_manager: OnceCell<aws_sdk_secretsmanager::Client>,
    sqs: OnceCell<aws_sdk_sqs::Client>,
    event_bridge: OnceCell<aws_sdk_eventbridge::Client>,
    sts: OnceCell<aws_sdk_sts::Client>,
}

impl AwsClients {
    /// Builds no client yet.
    #[must_use]
    pub fn new(roots: Roots) -> Self {
        let limits = limits(OPERATION, ATTEMPT);
        let (secrets_manager, sqs, event_bridge, sts) = (OnceCell::new(), OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { roots, limits, shared: OnceCell::new(), secrets_manager, sqs, event_bridge, sts }
    }

    /// Builds clients for a command at a terminal, where no browser waits. The search for credentials may take up to 40 s.
    pub(crate) fn at_a_terminal(roots: Roots) -> Self {
        Self { limits: limits(OPERATION_AT_A_TERMINAL, ATTEMPT_AT_A_TERMINAL), ..Self::new(roots) }
    }

    /// Uses the caller's settings instead of those from the environment. The time limits stay the same.
    #[must_use]
    pub fn with_settings(settings: SdkConfig) -> Self {
        let clients = Self::new(Roots::Platform);
        let settings = settings.into_builder().timeout_config(clients.limits.clone()).retry_config(retries()).build();
        Self { shared: OnceCell::new_with(Some(settings)), ..clients }
    }

    /// The client of Secrets Manager. It is built on the first call and then shared.
    pub(crate) async fn secrets_manager(&self) -> &aws_sdk_secretsmanager::Client {
        self.secrets_manager.get_or_init(async || aws_sdk_secretsmanager::Client::new(self.shared().await)).await
    }

    /// The client of SQS. It is built on the first call and then shared.
    pub(crate) async fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.sqs.get_or_init(async || aws_sdk_sqs::Client::new(self.shared().await)).await
    }

    /// The client of EventBridge. It is built on the first call and then shared.
    pub(crate) async fn event_bridge(&self) -> &aws_sdk_eventbridge::Client {
        self.event_bridge.get_or_init(async || aws_sdk_eventbridge::Client::new(self.shared().await)).await
    }

    /// The client of STS at the region's endpoint: the global endpoint does not issue web identity tokens.
    pub(crate) async fn sts(&self) -> &aws_sdk_sts::Client {
        self.sts.get_or_init(async || aws_sdk_sts::Client::new(self.shared().await)).await
    }

    /// The region that all clients use.
    pub(crate) async fn region(&self) -> Option<&str> {
        self.shared().await.region().map(AsRef::as_ref)
    }

    pub(super) async fn shared(&self) -> &SdkConfig {
        let load = async || {
            // The SDK fetches credentials with the same limits, so that no provider can block a request.
            let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).timeout_config(self.limits.clone());
            if self.roots == Roots::Embedded {
                let region = config::environment("AWS_REGION");
                loader = loader.http_client(BuiltOnFirstCall(embedded_roots_client(region.as_deref())));
                if config::environment("AWS_ACCESS_KEY_ID").is_some() {
                    // The default search looks here first as well, but it makes a client of STS before it looks.
                    loader = loader.credentials_provider(EnvironmentVariableCredentialsProvider::new());
                }
            }
            loader.load().await.into_builder().retry_config(retries()).build()
        };
        self.shared.get_or_init(load).await
    }
}

/// Why AWS did not accept a message, in one word: AWS's own error code if AWS answered.
pub(super) fn not_sent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> NotSent {
    let without_code = if matches!(error, SdkError::TimeoutError(_)) { "no_answer_in_time" } else { "no_connection" };
    refusal(error.as_service_error().and_then(ProvideErrorMetadata::code), without_code)
}

pub(super) fn refusal(code: Option<&str>, without_code: &str) -> NotSent {
    NotSent(code.map_or_else(|| without_code.into(), |code| code.chars().filter(char::is_ascii_graphic).take(64).collect()))
}

fn limits(operation: Duration, attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_timeout(operation).operation_attempt_timeout(attempt).connect_timeout(attempt).build()
}

/// How the clients retry. A browser waits 300 ms until its order is sent, and a Lambda that thaws often finds its connections reset. The
/// SDK's own backoff of up to 1 s is too long for that.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(10))
}

/// An HTTP client that is built at its first call.
///
/// Every AWS client builds a connector when it is created, only to read the platform's certificate authorities early, and drops the
/// connector. So does the STS client in the search for credentials, which a Lambda never calls. With compiled-in authorities, reading all
/// of them three times would be wasted work.
#[derive(Debug)]
struct BuiltOnFirstCall(SharedHttpClient);

impl HttpClient for BuiltOnFirstCall {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

fn embedded_roots_client(region: Option<&str>) -> SharedHttpClient {
    let trust = trusted_by_aws_clients(region);
    let client = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    match TlsContext::builder().with_trust_store(trust).build() {
        Ok(context) => client.tls_context(context).build_https(),
        // This cannot happen with rustls. If it did, the platform's roots would be equally safe.
        Err(_) => client.build_https(),
    }
}

/// The authorities of AWS's own services, in PEM: the five that amazontrust.com/repository recommends for a trust store of one's own.
const AMAZON_ROOTS: &str = include_str!("amazon_roots.pem");

/// The authorities that AWS clients trust. Reading all of Mozilla's from PEM, which is all that the SDK takes, would cost a cold start a
/// millisecond. In China it takes those of Lambda's image, because we have no source for AWS's authorities there.
fn trusted_by_aws_clients(region: Option<&str>) -> TrustStore {
    if region.is_some_and(|region| region.starts_with("cn-")) {
        return TrustStore::default();
    }
    TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn aws_is_trusted_by_the_roots_that_mozilla_has_of_amazon() {
        let is_amazons = |certificate: &&CertificateDer<'_>| {
            let (_, certificate) = x509_parser::parse_x509_certificate(certificate).unwrap();
            let name = certificate.subject().to_string();
            name.contains("CN=Amazon Root CA ") || name.contains("CN=Starfield Services Root Certificate Authority - G2")
        };
        let amazons: Vec<_> = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter(is_amazons).cloned().collect();
        let ours: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(AMAZON_ROOTS.as_bytes()).collect();
        assert_eq!((amazons.len(), ours.unwrap()), (5, amazons));
    }
}
