//! Lists a partner's customers and relationships from the partner's own tenant (protocol reference §4.1, §6).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use url::Url;

use super::entries::{Page, object};
use super::get::{Unread, get};
use super::state::pinned;
use crate::consent::{DisplayText, RoleId, TenantId};
use crate::entra::cloud::Endpoints;
use crate::entra::http::{Http, UpstreamKind};
use crate::secret::Secret;

/// The lists that Graph offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartnerList {
    /// `delegatedAdminCustomers`: customers that granted delegated administration privileges (GDAP).
    Gdap,
    /// `contracts`: customers with a reseller or advisor relationship (CSP).
    Contracts,
    /// `delegatedAdminRelationships`: when the privileges end, and which roles they include.
    Relationships,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartnerCustomer {
    pub(crate) tenant: TenantId,
    pub(crate) name: Option<DisplayText>,
    /// The customer's default domain. Only `contracts` has it.
    pub(crate) domain: Option<DisplayText>,
    /// `gdap`, or the contract's type in Microsoft's words.
    pub(crate) relation: DisplayText,
}

/// The roles that a customer granted to the partner, over all relationships in force.
/// Source: learn.microsoft.com/graph/api/resources/delegatedadminrelationship.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GdapRoles {
    /// The end of each role. `None` if Microsoft extends the relationship by itself.
    ends: BTreeMap<RoleId, Option<OffsetDateTime>>,
}

/// The relationships in force, by customer.
pub(crate) type GdapRelationships = BTreeMap<TenantId, GdapRoles>;

#[derive(Debug)]
pub(crate) struct PartnerPage {
    pub(crate) entries: Vec<Box<RawValue>>,
    /// The address of the next page; `None` on the last one.
    pub(crate) next: Option<Url>,
}

/// Why a page is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPage {
    /// Graph did not show it.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// The address of the next page is outside the list, so our token must not go there.
    #[error("the address of the next page leads elsewhere, and was not followed")]
    Elsewhere,
}

/// Largest page in bytes. 300 customers have about 100 KB, 300 relationships about 500 KB.
const CAP: usize = 4 * 1024 * 1024;
/// Longest relation, in characters. Real ones have up to 30 characters.
const LONGEST_RELATION: usize = 64;

impl PartnerList {
    /// The application permission that lets an app read this list (protocol reference §4.1). The delegated permission has the same name.
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Self::Gdap | Self::Relationships => "DelegatedAdminRelationship.Read.All",
            Self::Contracts => "Directory.Read.All",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Gdap => "/tenantRelationships/delegatedAdminCustomers",
            Self::Contracts => "/contracts",
            Self::Relationships => "/tenantRelationships/delegatedAdminRelationships",
        }
    }

    pub(crate) fn first_page(self, endpoints: &Endpoints) -> Url {
        let mut url = endpoints.at_graph(&format!("v1.0{}", self.path()));
        // 300 is the maximum of the lists below `tenantRelationships`.
        url.set_query(Some("$top=300"));
        url
    }

    /// Requests a page, once.
    ///
    /// # Errors
    /// [`NoPage`].
    pub(crate) async fn page(
        self,
        http: &Http,
        endpoints: &Endpoints,
        token: &Secret,
        url: Url,
        now: OffsetDateTime,
    ) -> Result<PartnerPage, NoPage> {
        self.read(endpoints, get(http, UpstreamKind::Page, CAP, token, url, now).await?)
    }

    fn read(self, endpoints: &Endpoints, page: Page) -> Result<PartnerPage, NoPage> {
        let next = match page.next {
            None => None,
            Some(link) => Some(pinned(&link, endpoints, &[self.path().to_owned()]).ok_or(NoPage::Elsewhere)?),
        };
        Ok(PartnerPage { entries: page.value, next })
    }

    /// Reads an entry about a customer. `None` without a tenant id.
    pub(crate) fn customer(self, raw: &RawValue) -> Option<PartnerCustomer> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct CustomerEntry {
            tenant_id: Option<TenantId>,
            customer_id: Option<TenantId>,
            display_name: Option<String>,
            default_domain_name: Option<String>,
            contract_type: Option<String>,
        }
        let entry: CustomerEntry = object(raw).ok()?;
        let text = |text: Option<String>| DisplayText::from_untrusted(&text?);
        let (tenant, relation) = match self {
            Self::Gdap | Self::Relationships => (entry.tenant_id?, "gdap".to_owned()),
            Self::Contracts => (entry.customer_id?, entry.contract_type.unwrap_or_else(|| "contract".to_owned())),
        };
        Some(PartnerCustomer {
            tenant,
            name: text(entry.display_name),
            domain: text(entry.default_domain_name),
            relation: DisplayText::bounded(&relation, LONGEST_RELATION).or_else(|| DisplayText::from_untrusted("contract"))?,
        })
    }
}

/// The states of a relationship that gives access.
const IN_FORCE: [&str; 2] = ["active", "expiring"];
/// Values of `autoExtendDuration` with which a relationship ends.
const NOT_EXTENDED: [&str; 2] = ["P0D", "PT0S"];

impl GdapRoles {
    /// Adds an entry of `delegatedAdminRelationships`, unless the relationship gives no access.
    ///
    /// # Errors
    /// The entry is unreadable.
    pub(crate) fn add(relationships: &mut GdapRelationships, raw: &RawValue) -> Result<(), ()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Role {
            role_definition_id: RoleId,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Access {
            unified_roles: Vec<Role>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Customer {
            tenant_id: TenantId,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct RelationshipEntry {
            status: String,
            customer: Option<Customer>,
            access_details: Option<Access>,
            #[serde(default, with = "time::serde::rfc3339::option")]
            end_date_time: Option<OffsetDateTime>,
            auto_extend_duration: Option<String>,
        }
        let entry: RelationshipEntry = object(raw)?;
        if !IN_FORCE.iter().any(|state| entry.status.eq_ignore_ascii_case(state)) {
            return Ok(());
        }
        let (customer, access) = entry.customer.zip(entry.access_details).ok_or(())?;
        let is_extended = entry.auto_extend_duration.is_some_and(|span| !NOT_EXTENDED.contains(&&*span));
        let end = entry.end_date_time.filter(|_| !is_extended);
        let ends = &mut relationships.entry(customer.tenant_id).or_default().ends;
        for role in access.unified_roles {
            let known = ends.entry(role.role_definition_id).or_insert(end);
            *known = known.zip(end).map(|(one, other)| one.max(other));
        }
        Ok(())
    }

    /// The roles, in a fixed order.
    pub(crate) fn roles(&self) -> impl Iterator<Item = RoleId> {
        self.ends.keys().copied()
    }

    /// When the first role ends.
    pub(crate) fn first_end(&self) -> Option<OffsetDateTime> {
        self.ends.values().filter_map(|end| *end).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use time::macros::datetime;

    fn read(list: PartnerList, body: &Value) -> Result<PartnerPage, NoPage> {
        let endpoints = Endpoints::of(&crate::consent::Cloud::Global).unwrap();
        // The value goes through text, because the entries are raw JSON.
        list.read(&endpoints, serde_json::from_str(&body.to_string()).unwrap())
    }

    #[test]
    fn the_next_page_is_followed_only_within_the_same_list_of_the_same_graph() {
        let with =
            |link: &str| read(PartnerList::Contracts, &json!({"value": [], "@odata.nextLink": link})).map(|page| page.next.is_some());
        assert_eq!(with("https://graph.microsoft.com/v1.0/contracts?$skiptoken=x"), Ok(true));
        for elsewhere in [
            "https://graph.microsoft.com.evil.example/v1.0/contracts",
            "http://graph.microsoft.com/v1.0/contracts",
            "https://user@graph.microsoft.com/v1.0/contracts",
            "https://graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com/beta/contracts",
            "/v1.0/contracts",
            "",
        ] {
            assert_eq!(with(elsewhere), Err(NoPage::Elsewhere), "{elsewhere}");
        }
        assert_eq!(read(PartnerList::Gdap, &json!({"value": []})).unwrap().next, None);
    }

    #[test]
    fn an_entry_without_its_tenant_is_unreadable() {
        let id = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
        let body = json!({"value": [
            {"id": id, "tenantId": id, "displayName": "Contoso\u{202e}", "@odata.etag": "x"},
            {"tenantId": "common"}, {"displayName": "Nobody"}, [], null,
            {"customerId": id, "contractType": "ResellerPartner", "defaultDomainName": "contoso.com", "displayName": null},
        ]});
        let customers = |list: PartnerList| -> Vec<_> { read(list, &body).unwrap().entries.iter().map(|raw| list.customer(raw)).collect() };
        let [gdap, contracts] = [PartnerList::Gdap, PartnerList::Contracts].map(customers);
        assert_eq!(gdap.iter().flatten().count(), 1);
        assert_eq!(gdap[0].as_ref().unwrap().name.as_ref().unwrap().as_str(), "Contoso\u{fffd}");
        assert_eq!(contracts.iter().flatten().count(), 1);
        let contract = contracts[5].as_ref().unwrap();
        assert_eq!(contract.relation.as_str(), "ResellerPartner");
        assert_eq!(contract.domain.as_ref().unwrap().as_str(), "contoso.com");
    }

    #[test]
    fn the_roles_of_all_relationships_in_force_count() {
        const TENANT: TenantId = TenantId::from_u128(7);
        let [one, two] = [1, 2].map(RoleId::from_u128);
        let roles = |roles: &[RoleId]| json!({"unifiedRoles": roles.iter().map(|id| json!({"roleDefinitionId": id})).collect::<Vec<_>>()});
        let entry = |status: &str, list: &[RoleId], end: &str, extends: Option<&str>| {
            json!({"status": status, "customer": {"tenantId": TENANT, "displayName": "x"}, "accessDetails": roles(list),
                "endDateTime": end, "autoExtendDuration": extends})
        };
        let read = |entries: &[Value]| {
            let mut relationships = GdapRelationships::new();
            let unread = entries.iter().filter(|entry| {
                let raw: Box<RawValue> = serde_json::from_str(&entry.to_string()).unwrap();
                GdapRoles::add(&mut relationships, &raw).is_err()
            });
            (unread.count(), relationships.remove(&TENANT).map(|found| (found.roles().collect::<Vec<_>>(), found.first_end())))
        };
        let (early, late) = (datetime!(2027-01-01 0:00 UTC), datetime!(2028-01-01 0:00 UTC));
        let (first, second) = ("2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z");
        // The role that ends first decides.
        assert_eq!(
            read(&[entry("active", &[one], second, None), entry("expiring", &[two], first, Some("PT0S"))]),
            (0, Some((vec![one, two], Some(early))))
        );
        // A second relationship keeps the role.
        assert_eq!(
            read(&[entry("active", &[one], first, Some("P0D")), entry("active", &[one], second, None)]),
            (0, Some((vec![one], Some(late))))
        );
        assert_eq!(
            read(&[entry("active", &[one], first, Some("P180D")), entry("active", &[one], second, None)]),
            (0, Some((vec![one], None)))
        );
        // Without access, or unreadable.
        let created = json!({"status": "created", "customer": null, "accessDetails": null});
        assert_eq!(read(&[entry("terminated", &[one], first, None), entry("approvalPending", &[one], first, None), created]), (0, None));
        assert_eq!(read(&[json!({"status": "active"}), json!({}), json!([]), entry("active", &[one], "soon", None)]), (4, None));
    }
}
