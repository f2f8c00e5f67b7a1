//! Companion apps: mail clients whose registration belongs to another publisher, so that Entra never redirects their consent to us.
//!
//! Every fact here has a source. Only the owner can read the permission list of a registration. So for most of these apps the list is
//! unknown, and the code does not guess. An entry without permissions expects the service principal and any tenant-wide delegated grant
//! (see [`crate::consent::AppProfile::expects_any_grant`]). `docs/companions.md` gives the source of each fact.

use url::Url;

use super::cloud::Endpoints;
use crate::consent::permission_table::{self, PermissionKind};
use crate::consent::profile::{ExpectedPermission, ExpectedResource, Need};
use crate::consent::{ClientId, ExpectedTenant, ResourceId};

/// One app of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// The entry's name in `consent.toml`, which is also the default id of the app.
    pub key: &'static str,
    /// The application id, the same in every tenant of the worldwide cloud (protocol reference §8). Whether other clouds use the same id is
    /// unknown.
    pub client_id: ClientId,
    /// The app's name for people. Microsoft's own pages use other names for some of these apps.
    pub(crate) name: &'static str,
    /// The publisher, if a source states it.
    pub(crate) publisher: Option<&'static str>,
    /// The delegated permissions of the registration, if a source states them; empty if they are unknown.
    pub(crate) permissions: &'static [(ResourceId, &'static str, Need)],
    /// Where an administrator approves the app, with the placeholders `{authority}`, `{client_id}` and `{tenant}` (the tenant id).
    pub(crate) consent_address: &'static str,
    /// Microsoft's default policy for popular mail clients lets users approve the app themselves (protocol reference §5.2).
    pub(crate) users_may_approve: bool,
    /// The app uses Exchange Web Services, which Microsoft is switching off (protocol reference §8). `false` also if no source says so.
    pub(crate) uses_ews: bool,
    /// The sources of the facts above.
    pub(crate) sources: &'static [&'static str],
}

/// The form that Microsoft publishes for administrators, without a redirect address. Entra then redirects to one of the app's own
/// addresses. So the page after Accept may be an error or blank although Microsoft stored the approval (protocol reference §1.1, §1.7,
/// §1.8).
pub const PUBLISHED_CONSENT_ADDRESS: &str = "{authority}/{tenant}/adminconsent?client_id={client_id}";

/// The placeholder of the tenant id in a consent address.
pub(crate) const TENANT_PLACEHOLDER: &str = "{tenant}";

const MAIL_CLIENT_POLICY: &str =
    "MicrosoftDocs/entra-docs docs/identity/enterprise-apps/manage-app-consent-policies.md (2026-01-22): id, users may approve";

/// Microsoft's list of popular mail clients, in its order.
pub static CATALOGUE: [CatalogueEntry; 6] = [
    CatalogueEntry {
        permissions: &[
            (ResourceId::EXCHANGE_ONLINE, "EAS.AccessAsUser.All", Need::Required),
            // Only the Mac uses it, and Microsoft switches it off (protocol reference §8).
            (ResourceId::EXCHANGE_ONLINE, "EWS.AccessAsUser.All", Need::Optional),
            // No source confirms whether the registration lists `User.Read` in addition to the OpenID Connect scopes (protocol reference
            // §10).
            (ResourceId::GRAPH, "User.Read", Need::Optional),
        ],
        uses_ews: true,
        sources: &[
            MAIL_CLIENT_POLICY,
            "diecknet.de 2020-05-10: name, former name \"iOS Accounts\", the page after Accept",
            "protocol reference §1.8, §8 (field reports): the three lines of its consent screen; EWS on macOS, EAS on iOS",
        ],
        ..mail_client("apple-internet-accounts", 0xf8d9_8a96_0999_43f5_8af3_6997_1c7b_b423, "Apple Internet Accounts")
    },
    CatalogueEntry {
        uses_ews: true,
        sources: &[
            MAIL_CLIENT_POLICY,
            "field report (2026-09): in a list of applications that call EWS, reviewed for the allow list of a tenant",
        ],
        ..mail_client("spark", 0xb50c_1dbd_1855_4e54_b07c_d3c3_029e_93d3, "Spark")
    },
    CatalogueEntry {
        publisher: Some("eM Client s.r.o."),
        uses_ews: true,
        sources: &[
            MAIL_CLIENT_POLICY,
            "huntresslabs/rogueapps public/rogueapps.json (2024-08-05): publisher; EWS.AccessAsUser.All among what users consented to",
        ],
        ..mail_client("em-client", 0xe9a7_fea1_1cc0_4cd9_a31b_9137_ca5d_eedd, "eM Client")
    },
    CatalogueEntry {
        sources: &[MAIL_CLIENT_POLICY, "protocol reference §1.8, §8 (field report, 2024): name; Microsoft writes \"Android-Samsung\""],
        ..mail_client("samsung-email", 0x8acd_33ea_7197_4a96_bc33_d7cc_7101_262f, "Samsung Email")
    },
    CatalogueEntry {
        sources: &[MAIL_CLIENT_POLICY, "protocol reference §8 (field report): name; Microsoft writes \"Android-Mail\""],
        ..mail_client("gmail-android", 0x2cee_05de_2b8f_45a2_8289_2a06_ca32_c4c8, "Gmail for Android")
    },
    CatalogueEntry {
        uses_ews: true,
        sources: &[
            MAIL_CLIENT_POLICY,
            "blog.thunderbird.net 2025-11, named by mozilla/releases-comm-central third_party/rust: its Exchange accounts use EWS",
        ],
        ..mail_client("thunderbird", 0x9e5f_94bc_e8a4_4e73_b8be_6336_4c29_d753, "Thunderbird")
    },
];

/// An entry with only the facts that the sources state. Microsoft's policy for popular mail clients lists each of these apps.
const fn mail_client(key: &'static str, client_id: u128, name: &'static str) -> CatalogueEntry {
    CatalogueEntry {
        key,
        client_id: ClientId::from_u128(client_id),
        name,
        publisher: None,
        permissions: &[],
        consent_address: PUBLISHED_CONSENT_ADDRESS,
        users_may_approve: true,
        uses_ews: false,
        sources: &[MAIL_CLIENT_POLICY],
    }
}

pub(crate) fn by_key(key: &str) -> Option<&'static CatalogueEntry> {
    CATALOGUE.iter().find(|entry| entry.key == key)
}

impl CatalogueEntry {
    /// The permissions in the form of an app profile.
    pub(crate) fn expected(&self) -> Vec<ExpectedResource> {
        let mut resources: Vec<ExpectedResource> = Vec::new();
        for (resource, value, need) in self.permissions {
            let permission = ExpectedPermission {
                kind: PermissionKind::Delegated,
                value: (*value).into(),
                id: permission_table::by_value(*resource, PermissionKind::Delegated, value).map(|known| known.id),
                need: *need,
            };
            match resources.iter_mut().find(|known| known.resource == *resource) {
                Some(known) => known.permissions.push(permission),
                None => resources.push(ExpectedResource {
                    resource: *resource,
                    name: permission_table::resource_name(*resource).map_or_else(|| resource.to_string().into(), Box::from),
                    permissions: vec![permission],
                }),
            }
        }
        resources
    }
}

/// Fills in cloud and app of a consent address. [`for_tenant`] fills in `{tenant}`.
#[must_use]
pub fn consent_address(form: &str, endpoints: &Endpoints, client_id: ClientId) -> Box<str> {
    let authority = endpoints.authority.as_str().trim_end_matches('/');
    form.replace("{authority}", authority).replace("{client_id}", &client_id.to_string()).into()
}

/// The consent address for a tenant; `organizations` for any tenant (protocol reference §1.2). `None` if the result is not an address.
pub(crate) fn for_tenant(consent_address: &str, tenant: ExpectedTenant) -> Option<Url> {
    let tenant = match tenant {
        ExpectedTenant::Tenant(tenant) => tenant.to_string(),
        ExpectedTenant::Any => "organizations".into(),
    };
    Url::parse(&consent_address.replace(TENANT_PLACEHOLDER, &tenant)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::{Cloud, ProfileId, TenantId};

    #[test]
    fn every_entry_has_a_key_an_id_and_a_source_of_its_own() {
        for (at, entry) in CATALOGUE.iter().enumerate() {
            assert!(ProfileId::parse(entry.key).is_ok(), "{}", entry.key);
            assert!(!entry.sources.is_empty() && !entry.name.is_empty());
            assert_eq!(by_key(entry.key), Some(entry));
            assert!(CATALOGUE.iter().skip(at + 1).all(|other| other.key != entry.key && other.client_id != entry.client_id));
        }
        assert_eq!(by_key("bluemail"), None);
    }

    #[test]
    fn every_expected_permission_is_one_that_its_resource_publishes() {
        for entry in &CATALOGUE {
            for resource in entry.expected() {
                assert!(permission_table::resource_name(resource.resource).is_some());
                assert!(resource.permissions.iter().all(|permission| permission.id.is_some()), "{}", entry.key);
            }
        }
        let apple = by_key("apple-internet-accounts").unwrap().expected();
        let required: Vec<_> = apple.iter().flat_map(ExpectedResource::required).map(|permission| &*permission.value).collect();
        assert_eq!((apple.len(), required.as_slice()), (2, ["EAS.AccessAsUser.All"].as_slice()));
    }

    #[test]
    fn the_documentation_names_every_entry_with_its_id() {
        let documentation = include_str!("../../docs/companions.md");
        for entry in &CATALOGUE {
            let row = documentation.lines().find(|line| line.starts_with(&format!("| `{}` |", entry.key))).expect(entry.key);
            assert!(row.contains(entry.name) && row.contains(&entry.client_id.to_string()), "{row}");
            assert!(row.contains(entry.publisher.unwrap_or("not stated")), "{row}");
            assert!(row.ends_with(if entry.uses_ews { "| yes |" } else { "| no source says so |" }), "{row}");
        }
    }

    #[test]
    fn the_consent_address_is_microsofts_published_form_in_each_cloud() {
        let apple = &CATALOGUE[0];
        let tenant = TenantId::from_u128(0xaaaa_bbbb_0000_cccc_1111_dddd_2222_eeee);
        for (cloud, host) in [(Cloud::Global, "login.microsoftonline.com"), (Cloud::UsGovL4, "login.microsoftonline.us")] {
            let address = consent_address(apple.consent_address, &Endpoints::of(&cloud).unwrap(), apple.client_id);
            assert_eq!(
                for_tenant(&address, ExpectedTenant::Tenant(tenant)).unwrap().as_str(),
                format!("https://{host}/aaaabbbb-0000-cccc-1111-dddd2222eeee/adminconsent?client_id=f8d98a96-0999-43f5-8af3-69971c7bb423")
            );
            assert!(for_tenant(&address, ExpectedTenant::Any).unwrap().path().starts_with("/organizations/"));
        }
    }
}
