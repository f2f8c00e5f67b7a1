//! A partner's customers in Graph's lists of the partner's own tenant (protocol reference §6).

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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

/// `delegatedAdminRelationships` (learn.microsoft.com/graph/api/resources/delegatedadminrelationship).
pub(super) fn delegated_admin_relationships(partner: &Tenant, now: OffsetDateTime) -> Vec<Value> {
    let time = |days: i64| (now + time::Duration::days(days)).format(&Rfc3339).unwrap_or_default();
    let entry = |customer: &PartnerCustomer| {
        let roles: Vec<_> = customer.gdap_roles.iter().map(|role| json!({ "roleDefinitionId": role })).collect();
        json!({ "id": format!("{0}-{0}", customer.tenant), "displayName": format!("{} delegated administration", customer.name),
            "duration": "P730D", "status": "active", "activatedDateTime": time(i64::from(customer.gdap_ends_in) - 730),
            "endDateTime": time(customer.gdap_ends_in.into()),
            "autoExtendDuration": if customer.gdap_extends { "P180D" } else { "PT0S" },
            "customer": { "tenantId": customer.tenant, "displayName": customer.name }, "accessDetails": { "unifiedRoles": roles } })
    };
    partner.customers.iter().filter(|customer| !customer.gdap_roles.is_empty()).map(entry).collect()
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
