//! Microsoft, Secrets Manager, SQS and EventBridge at minimal cost. Their prepared answers have real form and size, and both sides of a
//! comparison wait for them equally short. This upstream validates nothing; in the tests, the sandbox does.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_consent::consent::ResourceId;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::http::{Request, answer};
use super::setting::{APP, APP_SECRET, Failure, KEYS};

/// How an endpoint answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    AtOnce,
    After(Duration),
    /// The endpoint reads the request and never answers.
    Never,
    /// The endpoint never answers the first of two requests, and answers the second after this delay.
    SecondTime(Duration),
    /// The endpoint sends a byte every 100 ms.
    Trickling,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    Token,
    Batch,
    Secret,
    Queue,
    Bus,
}

/// How many tenants have a fault at the token endpoint. Each number N gives the fault to one tenant in N.
#[derive(Clone, Copy)]
pub(crate) struct Trouble {
    /// The first request gets 429 with a retry after 1 s.
    pub(crate) throttled_once: u128,
    /// Every request gets 503.
    pub(crate) failing: u128,
}

#[derive(Default)]
struct Shared {
    trouble: Mutex<Option<Trouble>>,
    throttled: Mutex<HashSet<u128>>,

    paces: Mutex<HashMap<Endpoint, Pace>>,
    calls: AtomicU64,
}

/// A running upstream. Its threads end with the process.
pub(crate) struct Upstream {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

/// A certificate for `localhost` and the authority that signed it, in PEM.
pub(crate) fn certificate() -> Result<(Arc<ServerConfig>, String), Failure> {
    let authority_key = rcgen::KeyPair::generate()?;
    let mut authority = rcgen::CertificateParams::new(Vec::new())?;
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key)?.pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate()?;
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok((Arc::new(server.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key)?), pem))
}

impl Upstream {
    /// Starts an upstream on a free port of loopback, with https if there is a certificate.
    pub(crate) fn start(tls: Option<Arc<ServerConfig>>) -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", listener.local_addr()?.port());
        let shared = Arc::<Shared>::default();
        let upstream = Self { url, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, shared) = (tls.clone(), Arc::clone(&shared));
                // An error ends the connection, which the client reports.
                std::thread::spawn(move || connection(stream, tls, &shared));
            }
        });
        Ok(upstream)
    }

    /// The number of requests so far, of every kind.
    pub(crate) fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// Makes tenants fail from now on.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }

    /// Sets how an endpoint answers from now on.
    pub(crate) fn pace(&self, endpoint: Endpoint, pace: Pace) {
        self.shared.paces.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint, pace);
    }
}

fn connection(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: &Shared) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    match tls {
        None => serve(stream, shared)?,
        Some(config) => serve(StreamOwned::new(ServerConnection::new(config)?, stream), shared)?,
    }
    Ok(())
}

fn serve(stream: impl Read + Write, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(16 * 1024, stream);
    while let Some(request) = Request::read(&mut reader)? {
        let earlier = shared.calls.fetch_add(1, Ordering::Relaxed);
        let (endpoint, bytes) = respond(&request);
        let bytes = shared.spoiled(&request).unwrap_or(bytes);
        let pace = endpoint.and_then(|endpoint| shared.paces.lock().unwrap_or_else(PoisonError::into_inner).get(&endpoint).copied());
        let stream = reader.get_mut();
        match pace.unwrap_or(Pace::AtOnce) {
            Pace::AtOnce => stream.write_all(&bytes)?,
            Pace::SecondTime(_) if earlier.is_multiple_of(2) => never(),
            Pace::SecondTime(delay) | Pace::After(delay) => {
                std::thread::sleep(delay);
                stream.write_all(&bytes)?;
            }
            Pace::Never => never(),
            Pace::Trickling => {
                for byte in bytes.chunks(1) {
                    stream.write_all(byte)?;
                    stream.flush()?;
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
        stream.flush()?;
    }
    Ok(())
}

impl Shared {
    /// The answer for a tenant with a fault.
    fn spoiled(&self, request: &Request) -> Option<Vec<u8>> {
        let trouble = (*self.trouble.lock().unwrap_or_else(PoisonError::into_inner))?;
        let tenant = request.path.strip_suffix("/oauth2/v2.0/token")?.trim_start_matches('/');
        let number = u128::from_str_radix(&tenant.replace('-', ""), 16).ok()?;
        if number % trouble.failing == 1 {
            return Some(answer("503 Service Unavailable", "", b"{}"));
        }
        let is_first = || self.throttled.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        (number % trouble.throttled_once == 2 && is_first()).then(|| answer("429 Too Many Requests", "retry-after: 1\r\n", b"{}"))
    }
}

fn never() -> ! {
    loop {
        std::thread::park();
    }
}

fn respond(request: &Request) -> (Option<Endpoint>, Vec<u8>) {
    if let Some(tenant) = request.path.strip_suffix("/oauth2/v2.0/token") {
        let body = token_answer(tenant.trim_start_matches('/'));
        return (Some(Endpoint::Token), answer("200 OK", "cache-control: no-store\r\n", body.as_bytes()));
    }
    if request.path == "/v1.0/$batch" {
        let signature = request.header("authorization").and_then(|bearer| bearer.rsplit('.').next()).unwrap_or_default();
        let body = batch_answer(signature.get(..36).unwrap_or_default());
        return (Some(Endpoint::Batch), answer("200 OK", "cache-control: no-cache\r\n", body.as_bytes()));
    }
    if request.header("x-amz-target") == Some("secretsmanager.GetSecretValue") {
        let asked_for_keys = String::from_utf8_lossy(&request.body).contains("bench/keys");
        let secret = if asked_for_keys { KEYS } else { APP_SECRET };
        let body = serde_json::json!({
            "ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:bench", "Name": "bench", "SecretString": secret,
            "VersionId": "a0000000-0000-4000-8000-000000000001", "VersionStages": ["AWSCURRENT"], "CreatedDate": 1_793_613_504.5,
        });
        return (Some(Endpoint::Secret), answer("200 OK", "", body.to_string().as_bytes()));
    }
    let id = r#""a0000000-0000-4000-8000-000000000002""#;
    if request.header("x-amz-target") == Some("AmazonSQS.SendMessage") {
        let body = format!(r#"{{"MessageId":{id},"MD5OfMessageBody":"d41d8cd98f00b204e9800998ecf8427e"}}"#);
        return (Some(Endpoint::Queue), answer("200 OK", "", body.as_bytes()));
    }
    if request.header("x-amz-target") == Some("AWSEvents.PutEvents") {
        let body = format!(r#"{{"FailedEntryCount":0,"Entries":[{{"EventId":{id}}}]}}"#);
        return (Some(Endpoint::Bus), answer("200 OK", "", body.as_bytes()));
    }
    (None, answer("404 Not Found", "", b"{}"))
}

const SERVICE_PRINCIPAL: &str = "0a1b0000-0000-4000-8000-00000000c0de";
const GRAPH_OBJECT: &str = "0a1b0000-0000-4000-8000-00000000beef";

/// A token of the usual size. Its signature is fake and begins with the tenant, because the caller of [`batch_answer`] finds the tenant
/// there.
fn token_answer(tenant: &str) -> String {
    const AUDIENCE: ResourceId = ResourceId::GRAPH;
    let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","nonce":"","alg":"RS256","x5t":"yEUwmXWL107Cc-7QZ2WSbeOb3sQ","kid":"yEUwmXWL"}"#);
    let payload = URL_SAFE_NO_PAD.encode(format!(
        r#"{{"aud":"{AUDIENCE}","iss":"https://sts.windows.net/{tenant}/","iat":1793613204,"nbf":1793613204,"exp":1793699904,"aio":"k2JgYFBR2zLx9v7Ct5uyGwAA","app_displayname":"Northwind Mail Backup","appid":"{APP}","appidacr":"1","idp":"https://sts.windows.net/{tenant}/","idtyp":"app","oid":"{SERVICE_PRINCIPAL}","rh":"1.AXoAAAAAAAAAAAAAAAAAAAAAAAMAAAAAAAAAwAAAAAAAAAAAAAB6AA.","roles":["Mail.Read","User.Read.All"],"sub":"{SERVICE_PRINCIPAL}","tenant_region_scope":"EU","tid":"{tenant}","uti":"AAAAAAAAAAAAAAAAAAAAAA","ver":"1.0","wids":["0997a1d0-0d1d-4acb-b408-d5ca73121e90"],"xms_idrel":"7 8","xms_tcdt":1551686400}}"#
    ));
    let signature = format!("{tenant}{}", "A".repeat(306));
    format!(r#"{{"token_type":"Bearer","expires_in":86399,"ext_expires_in":86399,"access_token":"{header}.{payload}.{signature}"}}"#)
}

fn batch_answer(tenant: &str) -> String {
    const GRAPH: ResourceId = ResourceId::GRAPH;
    let part = |id: &str, body: String| {
        format!(
            r#"{{"id":"{id}","status":200,"headers":{{"Cache-Control":"no-cache","x-ms-resource-unit":"1","OData-Version":"4.0","Content-Type":"application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"}},"body":{body}}}"#
        )
    };
    let context = "https://graph.microsoft.com/v1.0/$metadata";
    let assignment = |id: &str, role: &str| {
        format!(
            r#"{{"id":"{id}","deletedDateTime":null,"appRoleId":"{role}","createdDateTime":"2026-11-02T09:58:21.1234567Z","principalDisplayName":"Northwind Mail Backup","principalId":"{SERVICE_PRINCIPAL}","principalType":"ServicePrincipal","resourceDisplayName":"Microsoft Graph","resourceId":"{GRAPH_OBJECT}"}}"#
        )
    };
    let mail_read = assignment("3q2-7wAAAAAAAAAAAAAAAAAAAAA1", "810c84a8-4a9e-49e6-bf7d-12d183f40d01");
    let user_read_all = assignment("3q2-7wAAAAAAAAAAAAAAAAAAAAA2", "df021288-bdef-4463-88db-98f22de89214");
    let parts = [
        part(
            "organization",
            format!(
                r#"{{"@odata.context":"{context}\u0023organization","value":[{{"id":"{tenant}","displayName":"Contoso Ltd","verifiedDomains":[{{"capabilities":"Email, OfficeCommunicationsOnline","isDefault":true,"isInitial":false,"name":"contoso.example","type":"Managed"}}]}}]}}"#
            ),
        ),
        part(
            "servicePrincipal",
            format!(
                r#"{{"@odata.context":"{context}\u0023servicePrincipals/$entity","id":"{SERVICE_PRINCIPAL}","appId":"{APP}","displayName":"Northwind Mail Backup","accountEnabled":true}}"#
            ),
        ),
        part(
            "appRoleAssignments",
            format!(r#"{{"@odata.context":"{context}\u0023appRoleAssignments","value":[{mail_read},{user_read_all}]}}"#),
        ),
        part(
            "oauth2PermissionGrants",
            format!(
                r#"{{"@odata.context":"{context}\u0023oauth2PermissionGrants","value":[{{"clientId":"{SERVICE_PRINCIPAL}","consentType":"AllPrincipals","id":"AAAAAAAAAAAAAAAAAAAAAA","principalId":null,"resourceId":"{GRAPH_OBJECT}","scope":" User.Read"}}]}}"#
            ),
        ),
        part(
            &format!("resource-{GRAPH}"),
            format!(r#"{{"@odata.context":"{context}\u0023servicePrincipals(id,appId)/$entity","id":"{GRAPH_OBJECT}","appId":"{GRAPH}"}}"#),
        ),
    ];
    format!(r#"{{"responses":[{}]}}"#, parts.join(","))
}
