//! Finds the tenant of a domain, and its cloud, with the authority's discovery document (protocol reference §6).
//!
//! A link is bound to a GUID, because a domain can move between tenants. So the program resolves a domain once, when it makes the link. The
//! answer is public and unauthenticated. It proves only that some tenant of *that* cloud owns the name: the same name may exist in two
//! clouds. The code never follows an address from a document, but compares it with the cloud's own addresses (protocol reference §7).

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use hashlink::LruCache;
use reqwest::header::{ACCEPT, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use url::{Host, Url};

use super::clients::Clients;
use super::cloud::Endpoints;
use super::http::{Exchange, HttpAnswer, Silence, UpstreamKind, read_object};
use crate::consent::aadsts::{self, AadstsCode, Obstacle};
use crate::consent::callback::TraceId;
use crate::consent::{Cloud, DisplayText, TenantId};
use crate::env::Clock;
use crate::sync::locked;

/// How people refer to a tenant: by its id, or by one of its domains. The tenant may not exist.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TenantName {
    /// A tenant id.
    Id(TenantId),
    /// One of the tenant's domains.
    Domain(Domain),
}

/// A domain as used in an address: lower case, ASCII (other letters as punycode), at least two labels, no dot at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Domain(Box<str>);

/// Why a text does not identify a tenant, with the remedy. Contains no part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotATenant {
    /// No text.
    #[error("it is empty: give the tenant's domain, such as contoso.com, or its id (a GUID)")]
    Empty,
    /// `common`, `organizations`, `consumers`, or the tenant of all personal accounts.
    #[error("it names many tenants, not one: give the customer's own domain, or the tenant's id (a GUID)")]
    Many,
    /// The id of zeros, which no tenant has.
    #[error("the id of zeros is no tenant's: give the tenant's domain, such as contoso.com, or its own id")]
    Zeros,
    /// A mail address or a user principal name.
    #[error("it is the address of a person: give only what follows the '@'")]
    Person,
    /// A web address, or a host with a port or a path.
    #[error("it is a web address: give the domain alone, such as contoso.com")]
    WebAddress,
    /// An IP address.
    #[error("it is an IP address: give the tenant's domain, such as contoso.com, or its id (a GUID)")]
    IpAddress,
    /// No dot.
    #[error("it is neither a GUID nor a whole domain: give one such as contoso.com or contoso.onmicrosoft.com")]
    SingleLabel,
    /// More than 253 characters, or a label of more than 63 (RFC 1035 §2.3.4), counted in ASCII.
    #[error("it is longer than any domain")]
    TooLong,
    /// Characters, or an order of characters, that no domain has.
    #[error("it is neither a domain nor a GUID of the form 00000000-0000-0000-0000-000000000000")]
    Malformed,
}

/// Names that an authority accepts instead of a tenant (protocol reference §1.2).
const PLACEHOLDERS: [&str; 3] = ["common", "organizations", "consumers"];
/// The tenant of all personal Microsoft accounts: the meaning of `consumers`, and the `tid` of their tokens
/// (`entra-docs:docs/identity-platform/id-token-claims-reference.md`). It cannot approve an app.
const PERSONAL_ACCOUNTS: TenantId = TenantId::from_u128(0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad);

const ZEROS: TenantId = TenantId::from_u128(0);

const LONGEST_DOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;
/// Longest text worth parsing, in bytes: a letter outside ASCII has up to four bytes.
const LONGEST_TEXT: usize = 4 * LONGEST_DOMAIN;

impl TenantName {
    /// Reads an id or a domain and ignores white space around it. Letters outside ASCII become punycode, as in browsers, so that a
    /// lookalike name becomes visible.
    ///
    /// # Errors
    /// [`NotATenant`] says what kind of text it is instead.
    pub fn parse(text: &str) -> Result<Self, NotATenant> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NotATenant::Empty);
        }
        if text.len() > LONGEST_TEXT {
            return Err(NotATenant::TooLong);
        }
        match TenantId::parse(text) {
            Ok(PERSONAL_ACCOUNTS) => Err(NotATenant::Many),
            Ok(ZEROS) => Err(NotATenant::Zeros),
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => Domain::parse(text).map(Self::Domain),
        }
    }

    /// The id; `None` for a domain.
    pub(crate) fn id(&self) -> Option<TenantId> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Domain(_) => None,
        }
    }
}

impl Domain {
    fn parse(text: &str) -> Result<Self, NotATenant> {
        if text.parse::<std::net::IpAddr>().is_ok() || text.starts_with('[') {
            return Err(NotATenant::IpAddress);
        }
        if text.contains(['/', '\\', '?', '#', ':']) {
            return Err(NotATenant::WebAddress);
        }
        if text.contains('@') {
            return Err(NotATenant::Person);
        }
        // The host parser would decode a `%` first, and no domain contains one.
        if text.contains('%') {
            return Err(NotATenant::Malformed);
        }
        let ascii = match Host::parse(text) {
            Ok(Host::Domain(ascii)) => ascii,
            Ok(Host::Ipv4(_) | Host::Ipv6(_)) => return Err(NotATenant::IpAddress),
            Err(_) => return Err(NotATenant::Malformed),
        };
        // A dot at the end does not change the domain.
        let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
        if PLACEHOLDERS.contains(&ascii) {
            return Err(NotATenant::Many);
        }
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !ascii.split('.').all(is_label) {
            return Err(NotATenant::Malformed);
        }
        if ascii.len() > LONGEST_DOMAIN || ascii.split('.').any(|label| label.len() > LONGEST_LABEL) {
            return Err(NotATenant::TooLong);
        }
        if !ascii.contains('.') {
            return Err(NotATenant::SingleLabel);
        }
        Ok(Self(ascii.into()))
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Domain(domain) => f.write_str(&domain.0),
        }
    }
}

impl std::str::FromStr for TenantName {
    type Err = NotATenant;
    fn from_str(text: &str) -> Result<Self, NotATenant> {
        Self::parse(text)
    }
}

/// The cloud of a tenant, as Microsoft's document states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// A cloud that this program knows.
    Cloud(Cloud),
    /// A host of no known cloud, in Microsoft's words.
    Elsewhere(DisplayText),
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cloud(cloud) => f.write_str(cloud.name()),
            Self::Elsewhere(host) => host.fmt(f),
        }
    }
}

/// A tenant as the authority describes it in public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredTenant {
    /// The id in the document's addresses.
    pub id: TenantId,
    /// The cloud that the document points to.
    pub home: Home,
    /// The Graph host in the document (`msgraph_host`), if there is one.
    pub(crate) graph_host: Option<DisplayText>,
    /// `tenant_region_scope`, such as `EU` or `NA`. For people; nothing depends on it.
    pub region: Option<DisplayText>,
    /// `tenant_region_sub_scope`: `GCC`, `DODCON` (GCC High), `DOD`. Absent for most tenants.
    pub sub_scope: Option<DisplayText>,
}

/// Why discovery found no usable tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undiscovered {
    /// No tenant of this cloud has this id or domain (AADSTS90002), or it no longer exists (5000224).
    #[error("no tenant with this name or id exists in the cloud that was asked")]
    UnknownTenant,
    /// Microsoft does not accept the text as the name of a tenant (AADSTS900023).
    #[error("Microsoft does not accept this as the name of a tenant")]
    Malformed,
    /// The tenant exists, but in another cloud than the one we asked.
    #[error("tenant {} lives in another cloud: {}", .0.id, .0.home)]
    OtherCloud(Box<DiscoveredTenant>),
    /// The document belongs to `common` or a similar name: it describes any tenant.
    #[error("Microsoft's answer is for any tenant, not for one")]
    NoSingleTenant,
    /// No answer, or only an answer that the service has a problem.
    #[error("Microsoft does not answer ({})", .silence.map_or("the service is not well".to_owned(), |silence| silence.to_string()))]
    Unreachable {
        /// Why no answer came. `None` if Microsoft's answer was to retry later.
        silence: Option<Silence>,
        /// How long to wait, if Microsoft said so.
        retry_after: Option<Duration>,
    },
    /// Microsoft refuses, for a reason that says nothing about the tenant.
    #[error("Microsoft refuses to tell ({0})")]
    Refused(AadstsCode),
    /// An answer that does not follow the protocol: an HTML page, a redirect, a document that contradicts itself.
    #[error("the answer is not one of Microsoft's: {0}")]
    Unreadable(&'static str),
    /// No client can be built for the cloud: a fault in the configuration.
    #[error("the cloud cannot be asked: {0}")]
    NoClient(Box<str>),
}

impl Undiscovered {
    /// A short stable word for programs.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::UnknownTenant => "unknown_tenant",
            Self::Malformed => "malformed",
            Self::OtherCloud(_) => "other_cloud",
            Self::NoSingleTenant => "no_single_tenant",
            Self::Unreachable { .. } => "unreachable",
            Self::Refused(_) => "refused",
            Self::Unreadable(_) => "unreadable",
            Self::NoClient(_) => "no_client",
        }
    }

    /// Whether a later retry may succeed without any change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// What the operator can do, as a sentence.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::UnknownTenant => "Check the spelling, and the cloud: a tenant is found only in its own.".to_owned(),
            Self::Malformed => "Give a verified domain of the tenant, such as contoso.onmicrosoft.com, or its id.".to_owned(),
            Self::OtherCloud(tenant) => match &tenant.home {
                Home::Cloud(cloud) => {
                    format!("Only an app that is registered in that cloud works there: one with cloud = \"{}\".", cloud.name())
                }
                Home::Elsewhere(_) => "It belongs to no cloud that this program knows, and no app of yours works there.".to_owned(),
            },
            Self::NoSingleTenant => "Give the customer's own domain, or the tenant's id.".to_owned(),
            Self::Unreachable { retry_after: Some(wait), .. } => format!("Try again in {} s.", wait.as_secs()),
            Self::Unreachable { retry_after: None, .. } => "Check the network, and try again.".to_owned(),
            Self::Refused(code) => format!("The code is explained at https://login.microsoftonline.com/error?code={}.", code.number()),
            Self::Unreadable(_) => "Something may stand between: a proxy, or a sign-in page of the network. Then try again.".to_owned(),
            Self::NoClient(_) => "Correct the cloud in consent.toml.".to_owned(),
        }
    }

    /// How long the answer stays cached.
    fn stands(&self) -> Option<Duration> {
        match self {
            Self::UnknownTenant | Self::Malformed | Self::OtherCloud(_) | Self::NoSingleTenant | Self::Refused(_) => Some(NEGATIVE_STANDS),
            Self::Unreachable { retry_after, .. } => retry_after.map(|wait| wait.min(NEGATIVE_STANDS)),
            Self::Unreadable(_) | Self::NoClient(_) => None,
        }
    }
}

/// Largest document that we read, in bytes. Real ones have about 2 KiB.
const CAP: usize = 64 * 1024;
/// Shortest and longest time for which a found tenant stays cached. The document gives the time; if it gives none, the longest applies
/// (protocol reference §6: `max-age=86400`).
const FOUND_STANDS: (Duration, Duration) = (Duration::from_secs(3600), Duration::from_secs(24 * 3600));
/// The longest time for which any other answer stays cached. It is short, because a customer may be verifying the domain right now.
const NEGATIVE_STANDS: Duration = Duration::from_secs(60);
/// Most cached answers. An evicted answer costs another call.
const REMEMBERED: usize = 4_096;

/// Discovers tenants. A process has one discovery, which has the connections and the cache.
#[derive(Debug)]
pub struct Discovery {
    clients: Clients,
    clock: Clock,
    answers: Mutex<LruCache<DiscoveryKey, CachedAnswer>>,
}

/// The cloud is part of the cache key: two clouds share one authority but judge its answer differently.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct DiscoveryKey {
    cloud: Cloud,
    authority: Url,
    name: TenantName,
}

#[derive(Debug)]
struct CachedAnswer {
    answer: Result<DiscoveredTenant, Undiscovered>,
    since: OffsetDateTime,
    until: OffsetDateTime,
}

impl CachedAnswer {
    /// If the clock went backwards, the entry expires.
    fn stands_at(&self, now: OffsetDateTime) -> bool {
        (self.since..self.until).contains(&now)
    }
}

impl Discovery {
    /// Starts with an empty cache. The client for a cloud is built when a caller first asks that cloud.
    #[must_use]
    pub fn new(clients: Clients, clock: Clock) -> Self {
        Self { clients, clock, answers: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// Asks the authority of a cloud about a tenant, unless the cache has an answer.
    ///
    /// # Errors
    /// [`Undiscovered`]: the tenant does not exist, is in another cloud, or no answer came.
    pub async fn discover(&self, cloud: &Cloud, endpoints: &Endpoints, name: &TenantName) -> Result<DiscoveredTenant, Undiscovered> {
        let asked = DiscoveryKey { cloud: cloud.clone(), authority: endpoints.authority.clone(), name: name.clone() };
        let now = self.clock.now();
        if let Some(kept) = locked(&self.answers).peek(&asked).filter(|kept| kept.stands_at(now)) {
            return kept.answer.clone();
        }
        let http = self.clients.of(endpoints).map_err(|fault| {
            tracing::error!(error = %fault, "no client can be made for a cloud");
            Undiscovered::NoClient(fault.to_string().into())
        })?;
        let url = endpoints.at_authority(&format!("{name}/v2.0/.well-known/openid-configuration"));
        let request = http.client().get(url).header(ACCEPT, HeaderValue::from_static("application/json"));
        let exchange = http.exchange(UpstreamKind::Discovery, request, CAP, now).await;
        let answer = match &exchange.answer {
            Ok(answer) => DiscoveryQuestion { cloud, endpoints, name }.read(answer),
            Err(Silence::TooLarge) => Err(Undiscovered::Unreadable("it is larger than any genuine one")),
            Err(silence) => Err(Undiscovered::Unreachable { silence: Some(*silence), retry_after: None }),
        };
        let stands = match &answer {
            Ok(_) => Some(exchange.max_age.unwrap_or(FOUND_STANDS.1).clamp(FOUND_STANDS.0, FOUND_STANDS.1)),
            Err(error) => {
                log(error, &exchange, name);
                error.stands()
            }
        };
        if let Some(stands) = stands {
            locked(&self.answers).insert(asked, CachedAnswer { answer: answer.clone(), since: now, until: now + stands });
        }
        answer
    }
}

/// The question, to compare the answer with.
#[derive(Debug, Clone, Copy)]
struct DiscoveryQuestion<'a> {
    cloud: &'a Cloud,
    endpoints: &'a Endpoints,
    name: &'a TenantName,
}

impl DiscoveryQuestion<'_> {
    fn read(self, answer: &HttpAnswer) -> Result<DiscoveredTenant, Undiscovered> {
        match answer.status {
            200 => self.found(&answer.body),
            300..=399 => Err(Undiscovered::Unreadable("it leads to another address")),
            408 | 429 | 500..=599 => Err(Undiscovered::Unreachable { silence: None, retry_after: answer.retry_after }),
            400..=499 => Err(refusal(answer)),
            _ => Err(Undiscovered::Unreadable("its status is none that belongs here")),
        }
    }

    fn found(self, body: &[u8]) -> Result<DiscoveredTenant, Undiscovered> {
        let document: Document = read_object(body).map_err(|_| Undiscovered::Unreadable("it is no discovery document"))?;
        if [&document.issuer, &document.token_endpoint].into_iter().any(|address| has_placeholder(address)) {
            return Err(Undiscovered::NoSingleTenant);
        }
        let (issuer, id) = self.tenant_of(&document.issuer, "/v2.0")?;
        let (token_endpoint, its_id) = self.tenant_of(&document.token_endpoint, "/oauth2/v2.0/token")?;
        if id != its_id {
            return Err(Undiscovered::Unreadable("it names two tenants"));
        }
        if matches!(self.name, TenantName::Id(asked) if *asked != id) {
            return Err(Undiscovered::Unreadable("it is about another tenant"));
        }
        if id == PERSONAL_ACCOUNTS {
            return Err(Undiscovered::NoSingleTenant);
        }
        let home = self.home(&document, [&issuer, &token_endpoint])?;
        let text = |value: &Option<Value>| DisplayText::bounded(value.as_ref()?.as_str()?, LONGEST_WORD);
        let tenant = DiscoveredTenant {
            id,
            home,
            graph_host: document.msgraph_host.as_deref().and_then(|host| DisplayText::bounded(host, LONGEST_DOMAIN)),
            region: text(&document.tenant_region_scope),
            sub_scope: text(&document.tenant_region_sub_scope),
        };
        if tenant.home == Home::Cloud(self.cloud.clone()) { Ok(tenant) } else { Err(Undiscovered::OtherCloud(Box::new(tenant))) }
    }

    /// The address, and the tenant in its path before `end`.
    fn tenant_of(self, address: &str, end: &str) -> Result<(Url, TenantId), Undiscovered> {
        let unreadable = Undiscovered::Unreadable("it names no tenant where one belongs");
        let Ok(url) = Url::parse(address) else { return Err(unreadable) };
        let tenant = url
            .path()
            .strip_prefix(self.endpoints.authority.path().trim_end_matches('/'))
            .and_then(|path| path.strip_prefix('/')?.strip_suffix(end))
            .and_then(|tenant| TenantId::parse(tenant).ok());
        match tenant {
            Some(tenant) => Ok((url, tenant)),
            None => Err(unreadable),
        }
    }

    /// The tenant's cloud: the cloud that we asked if nothing in the document contradicts it, otherwise the cloud of the first
    /// contradiction.
    fn home(self, document: &Document, addresses: [&Url; 2]) -> Result<Home, Undiscovered> {
        let evidence = Evidence::of(document, addresses);
        let Some(against) = evidence.iter().find(|evidence| !evidence.fits(self.cloud, self.endpoints)) else {
            return Ok(Home::Cloud(self.cloud.clone()));
        };
        let built_in = |cloud: &Cloud| Some((cloud.clone(), Endpoints::of(cloud)?));
        let known: Vec<_> = KNOWN.iter().filter_map(built_in).collect();
        let all = known.iter().find(|(cloud, endpoints)| evidence.iter().all(|evidence| evidence.fits(cloud, endpoints)));
        let one = || known.iter().find(|(cloud, endpoints)| against.fits(cloud, endpoints));
        match all.or_else(one) {
            Some((cloud, _)) => Ok(Home::Cloud(cloud.clone())),
            None => match DisplayText::bounded(&against.said(), LONGEST_DOMAIN) {
                Some(said) => Ok(Home::Elsewhere(said)),
                None => Err(Undiscovered::Unreadable("it does not say where the tenant lives")),
            },
        }
    }
}

const KNOWN: [Cloud; 4] = [Cloud::Global, Cloud::UsGovL4, Cloud::UsGovL5, Cloud::China];

/// Longest region that we show, in characters. Real ones have two to six characters.
const LONGEST_WORD: usize = 32;

/// One part of a document that indicates the tenant's cloud (protocol reference §6, §7).
#[derive(Debug, Clone, Copy)]
enum Evidence<'a> {
    /// `GCC`, `DODCON` (GCC High) or `DOD`. An unknown word says nothing about the cloud.
    SubScope(&'a str),
    Graph {
        host: &'a str,
        /// The document has the sub-scope of a US Government cloud. The sub-scope decides between the two clouds, so either Graph host fits
        /// both.
        us_gov_settled: bool,
    },
    Instance(&'a str),
    Authority(&'a Url),
}

impl<'a> Evidence<'a> {
    /// The strongest evidence comes first.
    fn of(document: &'a Document, addresses: [&'a Url; 2]) -> Vec<Self> {
        let sub_scope = document.tenant_region_sub_scope.as_ref().and_then(Value::as_str);
        let sub_scope = sub_scope.filter(|word| matches!(*word, "GCC" | "DODCON" | "DOD"));
        let us_gov_settled = matches!(sub_scope, Some("DODCON" | "DOD"));
        let graph = document.msgraph_host.as_deref().map(|host| Self::Graph { host, us_gov_settled });
        let instance = document.cloud_instance_name.as_deref().map(Self::Instance);
        let hosts = addresses.map(|address| Some(Self::Authority(address)));
        [sub_scope.map(Self::SubScope), graph, instance].into_iter().chain(hosts).flatten().collect()
    }

    fn fits(self, cloud: &Cloud, endpoints: &Endpoints) -> bool {
        let is_us_gov = matches!(cloud, Cloud::UsGovL4 | Cloud::UsGovL5);
        match self {
            // A custom cloud simulates the global one, on loopback.
            Self::SubScope("GCC") => matches!(cloud, Cloud::Global | Cloud::Custom(_)),
            Self::SubScope("DODCON") => *cloud == Cloud::UsGovL4,
            Self::SubScope(_) => *cloud == Cloud::UsGovL5,
            Self::Graph { host, us_gov_settled: true } if is_us_gov => {
                let hosts = [Cloud::UsGovL4, Cloud::UsGovL5].iter().filter_map(Endpoints::of);
                hosts.map(|endpoints| host_and_port(&endpoints.graph)).any(|known| known.eq_ignore_ascii_case(host))
            }
            Self::Graph { host, .. } => host_and_port(&endpoints.graph).eq_ignore_ascii_case(host),
            Self::Instance(name) => instances(cloud).iter().any(|known| known.eq_ignore_ascii_case(name)),
            Self::Authority(address) => endpoints.is_authority(address),
        }
    }

    /// The evidence in words, for people.
    fn said(self) -> String {
        match self {
            Self::SubScope(text) | Self::Graph { host: text, .. } | Self::Instance(text) => text.to_owned(),
            Self::Authority(address) => address.origin().ascii_serialization(),
        }
    }
}

/// `cloud_instance_name` of each cloud (protocol reference §6). 21Vianet has two spellings, as for its authority.
fn instances(cloud: &Cloud) -> &'static [&'static str] {
    match cloud {
        Cloud::Global | Cloud::Custom(_) => &["microsoftonline.com"],
        Cloud::UsGovL4 | Cloud::UsGovL5 => &["microsoftonline.us"],
        Cloud::China => &["partner.microsoftonline.cn", "chinacloudapi.cn"],
    }
}

/// Host and port in the spelling of `msgraph_host`: the port appears only if it is not the scheme's default.
fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether an address has `{tenantid}` instead of a tenant, as in the document of `common` (protocol reference §6).
fn has_placeholder(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    address.contains("{tenantid}") || address.contains("%7btenantid%7d")
}

fn refusal(answer: &HttpAnswer) -> Undiscovered {
    let Ok(body) = read_object::<DiscoveryErrorBody>(&answer.body) else {
        return Undiscovered::Unreadable("it is neither a document nor an error");
    };
    let (meaning, code) = aadsts::meaning_at_token_endpoint(&codes(&body.error_codes), "", &body.error);
    let malformed = AadstsCode::from_number(MALFORMED_NAME);
    match meaning {
        Obstacle::TenantNotFound if code.is_some() && code == malformed => Undiscovered::Malformed,
        Obstacle::TenantNotFound => Undiscovered::UnknownTenant,
        passing if passing.passes() => Undiscovered::Unreachable { silence: None, retry_after: answer.retry_after },
        _ => code.map_or(Undiscovered::Unreadable("it is an error without a code"), Undiscovered::Refused),
    }
}

/// The code for "Neither a valid DNS name, nor a valid external domain" (protocol reference §2.2).
const MALFORMED_NAME: u64 = 900_023;

fn codes(codes: &Option<Value>) -> Vec<u64> {
    match codes {
        Some(Value::Array(codes)) => codes.iter().filter_map(Value::as_u64).collect(),
        _ => Vec::new(),
    }
}

/// Logs the ids that Microsoft's support asks for. A tenant that does not exist or is in another cloud is an answer, not a failure.
fn log(error: &Undiscovered, exchange: &Exchange, name: &TenantName) {
    if !matches!(error, Undiscovered::Unreachable { .. } | Undiscovered::Refused(_) | Undiscovered::Unreadable(_)) {
        return;
    }
    let body = exchange.answer.as_ref().ok().and_then(|answer| read_object::<DiscoveryErrorBody>(&answer.body).ok());
    let trace_id = body.and_then(|body| TraceId::parse(body.trace_id?.as_str()?).ok());
    tracing::warn!(
        upstream.kind = UpstreamKind::Discovery.name(),
        upstream.status = exchange.call.status,
        upstream.reason = %error,
        upstream.trace_id = trace_id.map(tracing::field::display),
        upstream.correlation_id = %exchange.correlation_id,
        tenant.name = %name,
        "no discovery document"
    );
}

#[derive(Debug, Deserialize)]
struct Document {
    issuer: String,
    token_endpoint: String,
    cloud_instance_name: Option<String>,
    msgraph_host: Option<String>,
    tenant_region_scope: Option<Value>,
    tenant_region_sub_scope: Option<Value>,
}

#[derive(Deserialize)]
struct DiscoveryErrorBody {
    error: String,
    error_codes: Option<Value>,
    trace_id: Option<Value>,
}

#[cfg(test)]
mod tests;
