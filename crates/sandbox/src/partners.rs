//! A partner's customers in Graph's lists of the partner's own tenant (protocol reference §6).

use serde_json::{Value, json};

use super::scenario::PartnerCustomer;
use super::tenant::Tenant;

/// `delegatedAdminCustomers`.
pub(super) fn delegated_admin_customers(partner: &Tenant) -> Vec<Value> {
    let entry = |customer: &PartnerCustomer| {
        json!({ "@odata.etag": format!("W/\"{}\"", customer.tenant), "id": customer.tenant, "tenantId": customer.tenant,
            "displayName": customer.name })
    };
    partner.customers.iter().filter(|customer| customer.gdap).map(entry).collect()
}

/// `contracts`.
pub(super) fn contracts(partner: &Tenant) -> Vec<Value> {
    let entry = |customer: &PartnerCustomer| {
        let contract = customer.contract.as_ref()?;
        Some(json!({ "id": customer.tenant, "deletedDateTime": null, "contractType": contract, "customerId": customer.tenant,
            "defaultDomainName": customer.domain, "displayName": customer.name }))
    };
    partner.customers.iter().filter_map(entry).collect()
}
