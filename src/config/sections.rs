//! Reads every table of `consent.toml` except the apps.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use toml::de::DeValue;

use super::look::look;
use super::reader::{Item, Reader, Section, address, base_address, read_small};
use super::{
    BASE_URL_VARIABLE, KEYS_SECRET_VARIABLE, LinksConfig, RecordBrowser, RecordIp, RecordsConfig, SecretSource, SiteConfig, TrustedProxies,
};
use crate::consent::claim_bound::FULL_CLAIMS;
use crate::consent::{Cloud, ProfileId, TenantId, TokenId};
use crate::entra::cloud::{Endpoints, is_loopback};

pub(super) const ROOT_KEYS: &[&str] =
    &["site", "keys", "links", "records", "worker", "events", "store", "webhook", "apps", "companions", "chains", "clouds"];
pub(super) const SITE_KEYS: &[&str] =
    &["name", "base_url", "support", "privacy_url", "home_tenant", "trusted_proxies", "trusted_hops", "logo", "colour"];
pub(super) const KEYS_KEYS: &[&str] = &["secret"];
pub(super) const LINKS_KEYS: &[&str] =
    &["ticket", "invitation", "receipt", "order", "late", "leeway", "revoked", "revoked_before", "any_tenant_claims", "renewal_requests"];
pub(super) const RECORDS_KEYS: &[&str] = &["ip", "browser"];
pub(super) const CLOUD_KEYS: &[&str] = &["authority", "graph", "extra_ca"];
pub(super) const SECRET_KEYS: &[&str] = &["aws", "file", "env"];

/// Custom clouds by name. The value is `None` for a cloud with an error in its section. Apps in such a cloud then do not report the same
/// error again.
pub(super) type Clouds = BTreeMap<Box<str>, Option<Endpoints>>;

/// The value of an environment variable. An empty value counts as unset, because a CloudFormation
/// template sets every variable, even without a value.
pub(super) fn variable(env: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    env(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

pub(super) fn site<'t>(reader: &mut Reader<'t>, root: &Section<'t>, env: &dyn Fn(&str) -> Option<String>) -> Option<SiteConfig> {
    let item = reader.required(root, "site", "add a table [site] with name, base_url, support and privacy_url")?;
    let site = reader.section(&item, SITE_KEYS)?;

    let operator = reader.required_text(&site, "name", 80, "write the name that the customers' administrators know you by");
    let support = reader.required_text(&site, "support", 200, "write how an administrator reaches you: a mail address or a number");
    let base_url = match (variable(env, BASE_URL_VARIABLE), site.get("base_url")) {
        (Some(text), _) => reader.accept_variable(BASE_URL_VARIABLE, base_address(&text)),
        (None, item) => {
            let remedy = format!("write the address of this service as browsers see it, or set {BASE_URL_VARIABLE}");
            item.or_else(|| reader.required(&site, "base_url", remedy)).and_then(|item| reader.address(&item, base_address))
        }
    };
    let privacy_url = reader.required(&site, "privacy_url", "write the address of your privacy notice");
    let privacy_url = privacy_url.and_then(|item| reader.address(&item, address));
    let home_tenant = site.get("home_tenant").map_or(Some(None), |item| guid(reader, &item, TenantId::parse).map(Some))?;
    let trusted_proxies = trusted_proxies(reader, &site);
    let look = look(reader, &site);
    Some(SiteConfig {
        operator: operator?.into(),
        base_url: base_url?,
        support: support?.into(),
        privacy_url: privacy_url?,
        home_tenant,
        trusted_proxies: trusted_proxies?,
        look: look?,
    })
}

fn trusted_proxies<'t>(reader: &mut Reader<'t>, site: &Section<'t>) -> Option<TrustedProxies> {
    const MOST_HOPS: u32 = 16;
    let network = |reader: &mut Reader<'t>, item: &Item<'t>| {
        let text = reader.text(item, 64)?;
        let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).filter(|network| network.prefix_len() > 0);
        network.or_else(|| reader.fail(&item.at, "it is no network", "write the proxy's own: \"127.0.0.1/32\" or \"10.0.7.0/24\""))
    };
    let networks = site.get("trusted_proxies").map_or(Some(Vec::new()), |item| {
        let elements = reader.list(&item, "it is not a list", "write the networks in brackets: [\"127.0.0.1/32\"]")?;
        let networks: Vec<_> = elements.iter().map(|element| network(reader, element)).collect();
        networks.into_iter().collect()
    });
    let remedy = "write how many proxies add an address to X-Forwarded-For: 1 for one proxy";
    let hops = count(reader, site, "trusted_hops", 1, 1..=MOST_HOPS, remedy);
    Some(TrustedProxies { networks: networks?, hops: usize::try_from(hops?).ok()? })
}

/// A whole number within `range`.
fn count<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'t>,
    key: &str,
    default: u32,
    range: RangeInclusive<u32>,
    remedy: &'static str,
) -> Option<u32> {
    let Some(item) = section.get(key) else { return Some(default) };
    let number = match item.value {
        DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    number
        .filter(|number| range.contains(number))
        .or_else(|| reader.fail(&item.at, format!("it is no number from {} to {}", range.start(), range.end()), remedy))
}

pub(super) fn keys<'t>(reader: &mut Reader<'t>, root: &Section<'t>, env: &dyn Fn(&str) -> Option<String>) -> Option<SecretSource> {
    let section = reader.optional_section(root, "keys", KEYS_KEYS)?;
    if let Some(text) = variable(env, KEYS_SECRET_VARIABLE) {
        let remedy = "set it to the ARN or the name of the secret, never to the key itself";
        let fault = ("it is neither an ARN nor a name of AWS Secrets Manager", remedy);
        let source = is_secret_name(&text).then(|| SecretSource::SecretsManager(text.into())).ok_or(fault);
        return reader.accept_variable(KEYS_SECRET_VARIABLE, source);
    }
    let remedy = format!("write where the key is kept: secret = {{ aws = \"name\" }}, or set {KEYS_SECRET_VARIABLE}");
    let item = reader.required(&section, "secret", remedy)?;
    secret(reader, &item)
}

/// The source of a secret. A refusal does not repeat the value, because it may be the secret itself.
pub(super) fn secret<'t>(reader: &mut Reader<'t>, item: &Item<'t>) -> Option<SecretSource> {
    let example = "write where it is kept: { aws = \"name or ARN\" }, { file = \"path\" } or { env = \"VARIABLE\" }";
    let DeValue::Table(_) = item.value else {
        let what = "the secret itself seems to stand here, and this file is no place for it";
        return reader.fail(&item.at, what, format!("{example}; replace a secret that has been in a file like this one"));
    };
    let table = reader.table(item)?;
    let entries = table.entries();
    if entries.iter().any(|(key, _)| !SECRET_KEYS.contains(key)) {
        return reader.fail(&item.at, "it has a key that says nothing about where a secret is kept", example);
    }
    let [(key, place)] = entries.as_slice() else {
        let what = if entries.is_empty() { "it does not say where the secret is kept" } else { "it names more than one place" };
        return reader.fail(&item.at, what, example);
    };
    let text = reader.text(place, 2048)?;
    let (source, remedy) = match *key {
        "aws" => (is_secret_name(text).then(|| SecretSource::SecretsManager(text.into())), "write the name or the ARN of the secret"),
        "env" => (is_variable_name(text).then(|| SecretSource::Environment(text.into())), "write the name of the variable, not its value"),
        _ => (Some(SecretSource::File(reader.resolve(text))), ""),
    };
    if source.is_none() {
        reader.refuse(&place.at, "this is not the name of a place (it is not repeated here, in case it is the secret)", remedy);
    }
    source
}

/// Names and ARNs of Secrets Manager: letters, digits and `/_+=.@-`, in an ARN also `:`.
pub(super) fn is_secret_name(text: &str) -> bool {
    text.len() <= 2048
        && !text.is_empty()
        && (text.starts_with("arn:") || !text.contains(':'))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-:".contains(&byte))
}

fn is_variable_name(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Longest lifetime of a token. An operator can remove an old key after this time, because its tokens have expired.
const LONGEST_LIFE: Duration = DAY.saturating_mul(180);
/// Highest allowed value of `any_tenant_claims`. A higher value would not limit a flood through a link that every tenant can use.
const MOST_CLAIMS: u32 = 10_000;

/// Shortest lifetime of an order. The last check is 24 h after the callback, ± 10 %, and an order that expires earlier would never reach a
/// final outcome.
const SHORTEST_ORDER: Duration = Duration::from_secs(27 * 3600);

pub(super) fn links<'t>(reader: &mut Reader<'t>, root: &Section<'t>) -> Option<LinksConfig> {
    let default = LinksConfig::default();
    let links = reader.optional_section(root, "links", LINKS_KEYS)?;
    let ticket = reader.duration(&links, "ticket", default.ticket, MINUTE..=LONGEST_LIFE);
    let invitation = reader.duration(&links, "invitation", default.invitation, MINUTE..=LONGEST_LIFE);
    let receipt = reader.duration(&links, "receipt", default.receipt, MINUTE..=LONGEST_LIFE);
    let order = reader.duration(&links, "order", default.order, SHORTEST_ORDER..=LONGEST_LIFE);
    let late = reader.duration(&links, "late", default.late, Duration::ZERO..=DAY.saturating_mul(7));
    let leeway = reader.duration(&links, "leeway", default.leeway, Duration::ZERO..=MINUTE);
    let remedy = "write how many claims of one link for any tenant are recorded in 20 minutes: 60 by default";
    let any_tenant_claims = count(reader, &links, "any_tenant_claims", default.any_tenant_claims, FULL_CLAIMS..=MOST_CLAIMS, remedy);
    let renewal_requests = reader.flag(&links, "renewal_requests", default.renewal_requests);
    let revoked = links.get("revoked").map_or(Some(Vec::new()), |item| revoked(reader, &item));
    let revoked_before = links.get("revoked_before").map_or(Some(None), |item| moment(reader, &item).map(Some))?;
    Some(LinksConfig {
        ticket: ticket?,
        invitation: invitation?,
        receipt: receipt?,
        order: order?,
        leeway: leeway?,
        late: late?,
        revoked: revoked?,
        revoked_before,
        any_tenant_claims: any_tenant_claims?,
        renewal_requests: renewal_requests?,
    })
}

fn revoked<'t>(reader: &mut Reader<'t>, item: &Item<'t>) -> Option<Vec<TokenId>> {
    let elements = reader.list(item, "it is not a list", "write the ids in brackets: [\"9b2f…\", \"41c0…\"]")?;
    let ids: Vec<_> = elements.iter().map(|element| guid(reader, element, TokenId::parse)).collect();
    ids.into_iter().collect()
}

/// A text or a TOML date, as the file writes it. Empty for every other kind.
pub(super) fn time_text(item: &Item<'_>) -> String {
    match item.value {
        DeValue::Datetime(time) => time.to_string(),
        DeValue::String(text) => text.to_string(),
        _ => String::new(),
    }
}

fn moment<'t>(reader: &mut Reader<'t>, item: &Item<'t>) -> Option<OffsetDateTime> {
    let moment = OffsetDateTime::parse(&time_text(item), &Rfc3339).ok();
    if moment.is_none() {
        let remedy = "write date, time and zone (RFC 3339): 2026-11-20T14:00:00Z";
        reader.refuse(&item.at, "it is not a moment: a date, a time and a time zone", remedy);
    }
    moment
}

pub(super) fn guid<'t, T, E>(reader: &mut Reader<'t>, item: &Item<'t>, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
    let id = parse(reader.text(item, 200)?).ok();
    if id.is_none() {
        reader.refuse(&item.at, "it is not a GUID", "write it in its usual form, 00000000-0000-0000-0000-000000000000");
    }
    id
}

pub(super) fn records<'t>(reader: &mut Reader<'t>, root: &Section<'t>) -> Option<RecordsConfig> {
    let default = RecordsConfig::default();
    let records = reader.optional_section(root, "records", RECORDS_KEYS)?;
    let ips = [("truncated", RecordIp::Truncated), ("full", RecordIp::Full), ("off", RecordIp::Off)];
    let browsers = [("family", RecordBrowser::Family), ("full", RecordBrowser::Full), ("off", RecordBrowser::Off)];
    let ip = reader.choice(&records, "ip", &ips, default.ip);
    let browser = reader.choice(&records, "browser", &browsers, default.browser);
    Some(RecordsConfig { ip: ip?, browser: browser? })
}

pub(super) fn clouds<'t>(reader: &mut Reader<'t>, root: &Section<'t>) -> Clouds {
    let Some(item) = root.get("clouds") else { return Clouds::new() };
    let Some(table) = reader.table(&item) else { return Clouds::new() };
    let mut clouds = Clouds::new();
    for (name, item) in table.entries() {
        let endpoints = if Cloud::built_in(name).is_some() {
            reader.fail(&item.at, "this is the name of a built-in cloud, whose hosts are fixed", "give your own cloud another name")
        } else if ProfileId::parse(name).is_err() {
            let remedy = "use 1 to 32 characters of a-z, 0-9 and '-', starting with a letter";
            reader.fail(&item.at, "this cannot be the name of a cloud", remedy)
        } else {
            cloud(reader, &item)
        };
        clouds.insert(name.into(), endpoints);
    }
    clouds
}

fn cloud<'t>(reader: &mut Reader<'t>, item: &Item<'t>) -> Option<Endpoints> {
    let cloud = reader.section(item, CLOUD_KEYS)?;
    let mut endpoint = |key| {
        let item = reader.required(&cloud, key, "write its address, such as http://localhost:8099")?;
        let url = reader.address(&item, base_address)?;
        if !is_loopback(&url) {
            // A foreign authority would receive our credential, and could answer "granted".
            let what = "a custom cloud is for this machine alone (localhost, 127.0.0.0/8, [::1])";
            return reader.fail(&item.at, what, "use a loopback address, or name a built-in cloud at the app");
        }
        Some(url)
    };
    let (authority, graph) = (endpoint("authority"), endpoint("graph"));
    let extra_ca = cloud.get("extra_ca").map_or(Some(None), |item| certificates(reader, &item).map(Some))?;
    Some(Endpoints { authority: authority?, graph: graph?, extra_ca })
}

fn certificates<'t>(reader: &mut Reader<'t>, item: &Item<'t>) -> Option<Vec<u8>> {
    let path = reader.text(item, 1024)?;
    let path = reader.resolve(path);
    let remedy = "name a file with at least one certificate in PEM (-----BEGIN CERTIFICATE-----)";
    let pem = match read_small(&path, LARGEST_PEM) {
        Ok(pem) => pem,
        Err(error) => return reader.fail(&item.at, format!("{} cannot be read: {error}", path.display()), remedy),
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    if certificates.is_ok_and(|certificates| !certificates.is_empty()) {
        return Some(pem);
    }
    reader.fail(&item.at, format!("{} holds no readable certificate", path.display()), remedy)
}

/// Largest certificate file in bytes: more than any chain of certificates needs, and small enough to read at the start.
const LARGEST_PEM: u64 = 256 * 1024;
