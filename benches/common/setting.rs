//! The installation that the benches measure: one app that reads mail and users, and tickets for any number of tenants.

use entra_consent::consent::{ClientId, Expectation, ExpectedTenant, Label, ProfileId, TenantId, TokenId};
use entra_consent::secret::Secret;
use entra_consent::token::{KeyRing, Signer, Ticket};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) const APP: ClientId = ClientId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_00a1);
pub(crate) const ISSUER: &str = "https://consent.northwind.example";
/// A key for benches only.
pub(crate) const KEYS: &str = r#"{"kid":"bench","key":"only-for-benches-8sW1xK7dR4tY9uB3nC6fG0hJ"}"#;
pub(crate) const APP_SECRET: &str = "a-client-secret-of-forty-characters-000~";

/// The place of the two secrets.
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    InEnvironment,
    InSecretsManager,
}

pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "BENCH_KEYS" => Some(KEYS.to_owned()),
        "BENCH_APP_SECRET" => Some(APP_SECRET.to_owned()),
        _ => None,
    }
}

/// `consent.toml` for an authority and a Graph at these addresses. `extra_ca` is the path of a certificate authority.
pub(crate) fn config_text([authority, graph]: [&str; 2], kept: Kept, extra_ca: Option<&str>) -> String {
    let (keys, secret) = match kept {
        Kept::InEnvironment => (r#"{ env = "BENCH_KEYS" }"#, r#"{ env = "BENCH_APP_SECRET" }"#),
        Kept::InSecretsManager => (r#"{ aws = "bench/keys" }"#, r#"{ aws = "bench/app" }"#),
    };
    let extra_ca = extra_ca.map(|path| format!("extra_ca = {path:?}")).unwrap_or_default();
    format!(
        r#"
[site]
name = "Northwind Managed Services"
base_url = "{ISSUER}"
support = "support@northwind.example or +1 555 0100"
privacy_url = "https://northwind.example/privacy"

[keys]
secret = {keys}

[clouds.bench]
authority = "{authority}"
graph = "{graph}"
{extra_ca}

[[apps]]
id = "mail-backup"
client_id = "{APP}"
name = "Northwind Mail Backup"
cloud = "bench"
credential = {{ client_secret = {secret} }}
purpose = "It keeps a copy of your mailboxes, so that mail can be brought back."
afterwards = "The first copy starts tonight."

[apps.permissions."Microsoft Graph"]
application = {{ required = ["Mail.Read", "User.Read.All"] }}
delegated = {{ optional = ["User.Read"] }}
"#
    )
}

pub(crate) fn keys() -> Result<KeyRing, Failure> {
    Ok(KeyRing::parse(&Secret::new(KEYS.to_owned()))?)
}

/// The signer of the installation at `now` (seconds since 1970).
pub(crate) fn signer(keys: &KeyRing, now: u64) -> Signer<'_> {
    Signer { keys, issuer: ISSUER, now }
}

/// The `number`th customer.
pub(crate) fn tenant(number: u64) -> TenantId {
    TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_0000 | u128::from(number))
}

/// A genuine ticket that is valid for 30 days.
pub(crate) fn ticket(tenant: TenantId, signer: Signer<'_>) -> Result<String, Failure> {
    let ticket = Ticket {
        id: TokenId::from_random(*uuid::Uuid::new_v4().as_bytes()),
        issued_at: signer.now,
        expires_at: signer.now + 30 * 86_400,
        expectation: Expectation {
            app: ProfileId::parse("mail-backup")?,
            tenant: ExpectedTenant::Tenant(tenant),
            label: Some(Label::parse("Contoso GmbH")?),
            reference: None,
            invitation: None,
        },
        browser: None,
    };
    Ok(ticket.issue(signer)?)
}

/// The parameters that Microsoft appends to the redirect address after an approval.
pub(crate) fn query(tenant: TenantId, ticket: &str) -> String {
    format!("admin_consent=True&tenant={tenant}&state={ticket}&scope=https%3A%2F%2Fgraph.microsoft.com%2FMail.Read+User.Read.All")
}
