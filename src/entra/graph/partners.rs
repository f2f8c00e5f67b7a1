//! Lists a partner's customers from the partner's own tenant (protocol reference §4.1, §6).

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use url::Url;

use super::entries::{Page, object};
use super::get::{Unread, get};
use super::state::pinned;
use crate::consent::{DisplayText, TenantId};
use crate::entra::cloud::Endpoints;
use crate::entra::http::{Http, UpstreamKind};
use crate::secret::Secret;

/// The two lists that Graph offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartnerList {
    /// `delegatedAdminCustomers`: customers that granted delegated administration privileges (GDAP).
    Gdap,
    /// `contracts`: customers with a reseller or advisor relationship (CSP).
    Contracts,
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

#[derive(Debug)]
pub(crate) struct PartnerPage {
    /// The readable entries.
    pub(crate) customers: Vec<PartnerCustomer>,
    /// The number of entries without a tenant id.
    pub(crate) unreadable: usize,
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

/// Largest page in bytes. 300 entries have about 100 KB.
const CAP: usize = 4 * 1024 * 1024;
/// Longest relation, in characters. Real ones have up to 30 characters.
const LONGEST_RELATION: usize = 64;

impl PartnerList {
    /// The application permission that lets an app read this list (protocol reference §4.1). The delegated permission has the same name.
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Self::Gdap => "DelegatedAdminRelationship.Read.All",
            Self::Contracts => "Directory.Read.All",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Gdap => "/tenantRelationships/delegatedAdminCustomers",
            Self::Contracts => "/contracts",
        }
    }

    pub(crate) fn first_page(self, endpoints: &Endpoints) -> Url {
        let mut url = endpoints.at_graph(&format!("v1.0{}", self.path()));
        // 300 is the maximum of `delegatedAdminCustomers`.
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
        let customers: Vec<_> = page.value.iter().filter_map(|raw| self.customer(raw)).collect();
        Ok(PartnerPage { unreadable: page.value.len() - customers.len(), customers, next })
    }

    fn customer(self, raw: &RawValue) -> Option<PartnerCustomer> {
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
            Self::Gdap => (entry.tenant_id?, "gdap".to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

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
    fn an_entry_that_does_not_say_whose_it_is_is_counted_and_the_others_are_read() {
        let id = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
        let body = json!({"value": [
            {"id": id, "tenantId": id, "displayName": "Contoso\u{202e}", "@odata.etag": "x"},
            {"tenantId": "common"}, {"displayName": "Nobody"}, [], null,
            {"customerId": id, "contractType": "ResellerPartner", "defaultDomainName": "contoso.com", "displayName": null},
        ]});
        let gdap = read(PartnerList::Gdap, &body).unwrap();
        assert_eq!((gdap.customers.len(), gdap.unreadable), (1, 5));
        assert_eq!(gdap.customers[0].name.as_ref().unwrap().as_str(), "Contoso\u{fffd}");
        let contracts = read(PartnerList::Contracts, &body).unwrap();
        assert_eq!((contracts.customers.len(), contracts.unreadable), (1, 5));
        assert_eq!(contracts.customers[0].relation.as_str(), "ResellerPartner");
        assert_eq!(contracts.customers[0].domain.as_ref().unwrap().as_str(), "contoso.com");
    }
}
