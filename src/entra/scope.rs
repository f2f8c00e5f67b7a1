//! The `scope` that a link requests on Microsoft's consent page (protocol reference §1.1).

use crate::consent::permissions::is_sign_in_scope;
use crate::consent::profile::{ExpectedPermission, ExpectedResource, Need, PermissionKind};
use crate::consent::{Cloud, ResourceId};
use crate::entra::cloud::Endpoints;

/// Exchange Online's application id URI in the worldwide cloud (entra-docs, "Scopes and permissions"). No source states it for other
/// clouds.
const EXCHANGE_WORLDWIDE: &str = "https://outlook.office.com";

/// The parameter `scope` of the v2 consent endpoint: either everything that the registration lists, or permissions by name. Microsoft
/// refuses a combination of both (protocol reference §1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentScope {
    text: Box<str>,
    names_each: bool,
}

/// Why permissions cannot be requested by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unnameable {
    /// An application permission: only the registration's whole list can request one (protocol reference §1.1).
    Application(Box<str>),
    /// A permission of a resource whose application id URI is unknown in this cloud.
    NoUri(Box<str>),
    /// The total length of the permissions in an address, in bytes, which is above [`ConsentScope::LONGEST`].
    TooLong(usize),
}

impl ConsentScope {
    /// Longest list of permissions by name, in bytes as in an address. With this limit, a link with a usual ticket stays below the 2,048
    /// characters at which some clients cut.
    pub(crate) const LONGEST: usize = 1_000;

    /// `.default`: everything that the registration lists, application and delegated permissions.
    pub(crate) fn registration(endpoints: &Endpoints) -> Self {
        Self { text: endpoints.graph_scope(ResourceId::GRAPH).into(), names_each: false }
    }

    /// Each required and optional permission by its full name. The sign-in scopes have no full name, so the list has their short name.
    ///
    /// # Errors
    /// [`Unnameable`] for the first permission that cannot be requested by name.
    pub(crate) fn expected(cloud: &Cloud, endpoints: &Endpoints, expected: &[ExpectedResource]) -> Result<Self, Unnameable> {
        let mut scopes = Vec::new();
        for resource in expected {
            for permission in resource.permissions.iter().filter(|permission| permission.need != Need::Forbidden) {
                scopes.push(full_name(cloud, endpoints, resource, permission)?);
            }
        }
        let text = scopes.join(" ");
        let length = url::form_urlencoded::byte_serialize(text.as_bytes()).map(str::len).sum();
        if length > Self::LONGEST {
            return Err(Unnameable::TooLong(length));
        }
        Ok(Self { text: text.into(), names_each: true })
    }

    /// The value of the parameter, not yet encoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether each permission is requested by name: Microsoft's page then lists exactly these, independent of the registration.
    #[must_use]
    pub fn names_each(&self) -> bool {
        self.names_each
    }
}

/// The length of a permission's full name in the `scope` of a callback, in bytes as in an address. If we do not know the address of an API,
/// we estimate with its application id as a URI.
pub(crate) fn callback_bytes(endpoints: &Endpoints, resource: ResourceId, value: &str) -> usize {
    let name = match resource {
        ResourceId::GRAPH => format!("{}/{value} ", endpoints.graph.origin().ascii_serialization()),
        ResourceId::EXCHANGE_ONLINE => format!("{EXCHANGE_WORLDWIDE}/{value} "),
        resource => format!("api://{resource}/{value} "),
    };
    url::form_urlencoded::byte_serialize(name.as_bytes()).map(str::len).sum()
}

fn full_name(
    cloud: &Cloud,
    endpoints: &Endpoints,
    resource: &ExpectedResource,
    permission: &ExpectedPermission,
) -> Result<String, Unnameable> {
    let named = || format!("{} / {}", resource.name, permission.value).into();
    if permission.kind == PermissionKind::Application {
        return Err(Unnameable::Application(named()));
    }
    if resource.resource == ResourceId::GRAPH {
        if is_sign_in_scope(&permission.value) {
            return Ok(permission.value.to_string());
        }
        return Ok(format!("{}/{}", endpoints.graph.origin().ascii_serialization(), permission.value));
    }
    match cloud {
        // A custom cloud simulates the worldwide one.
        Cloud::Global | Cloud::Custom(_) if resource.resource == ResourceId::EXCHANGE_ONLINE => {
            Ok(format!("{EXCHANGE_WORLDWIDE}/{}", permission.value))
        }
        Cloud::Global | Cloud::Custom(_) | Cloud::UsGovL4 | Cloud::UsGovL5 | Cloud::China => Err(Unnameable::NoUri(named())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(resource: ResourceId, permissions: &[(PermissionKind, &str, Need)]) -> ExpectedResource {
        let permission = |(kind, value, need): &(PermissionKind, &str, Need)| ExpectedPermission {
            kind: *kind,
            value: (*value).into(),
            id: None,
            need: *need,
        };
        ExpectedResource { resource, name: "R".into(), permissions: permissions.iter().map(permission).collect() }
    }

    fn scope(cloud: &Cloud, resources: &[ExpectedResource]) -> Result<String, Unnameable> {
        ConsentScope::expected(cloud, &Endpoints::of(cloud).unwrap(), resources).map(|scope| scope.as_str().to_owned())
    }

    #[test]
    fn each_permission_has_the_full_name_of_its_cloud_and_signing_in_has_none() {
        use PermissionKind::{Application, Delegated};
        let graph = expected(
            ResourceId::GRAPH,
            &[
                (Delegated, "Mail.Send", Need::Required),
                (Delegated, "offline_access", Need::Optional),
                (Delegated, "Mail.ReadWrite", Need::Forbidden),
                (Application, "Mail.ReadWrite", Need::Forbidden),
            ],
        );
        for (cloud, host) in [
            (Cloud::Global, "graph.microsoft.com"),
            (Cloud::UsGovL4, "graph.microsoft.us"),
            (Cloud::UsGovL5, "dod-graph.microsoft.us"),
            (Cloud::China, "microsoftgraph.chinacloudapi.cn"),
        ] {
            assert_eq!(scope(&cloud, std::slice::from_ref(&graph)).unwrap(), format!("https://{host}/Mail.Send offline_access"));
        }
        let exchange = expected(ResourceId::EXCHANGE_ONLINE, &[(Delegated, "IMAP.AccessAsUser.All", Need::Required)]);
        assert_eq!(scope(&Cloud::Global, std::slice::from_ref(&exchange)).unwrap(), "https://outlook.office.com/IMAP.AccessAsUser.All");
        for (cloud, resource) in [
            (Cloud::UsGovL4, exchange),
            // The full name contains the tenant's own name.
            (Cloud::Global, expected(ResourceId::SHAREPOINT_ONLINE, &[(Delegated, "AllSites.Read", Need::Optional)])),
            (Cloud::Global, expected(ResourceId::from_u128(7), &[(Delegated, "Archive.Use", Need::Required)])),
        ] {
            assert!(matches!(scope(&cloud, &[resource]), Err(Unnameable::NoUri(_))));
        }
    }

    #[test]
    fn a_permission_in_a_callback_is_measured_as_it_is_sent() {
        let endpoints = Endpoints::of(&Cloud::Global).unwrap();
        for (resource, value, sent) in [
            (ResourceId::GRAPH, "Mail.Send", "https%3a%2f%2fgraph.microsoft.com%2fMail.Send+"),
            (ResourceId::EXCHANGE_ONLINE, "IMAP.AccessAsUser.All", "https%3a%2f%2foutlook.office.com%2fIMAP.AccessAsUser.All+"),
            (ResourceId::from_u128(7), "Archive.Use", "api%3a%2f%2f00000000-0000-0000-0000-000000000007%2fArchive.Use+"),
        ] {
            assert_eq!(callback_bytes(&endpoints, resource, value), sent.len());
        }
    }

    #[test]
    fn an_application_permission_and_a_list_without_end_are_refused() {
        let asked = |need| scope(&Cloud::Global, &[expected(ResourceId::GRAPH, &[(PermissionKind::Application, "Mail.Read", need)])]);
        for need in [Need::Required, Need::Optional] {
            assert_eq!(asked(need), Err(Unnameable::Application("R / Mail.Read".into())));
        }
        let many = [(PermissionKind::Delegated, "Mail.ReadWrite", Need::Required); 20];
        assert!(matches!(scope(&Cloud::Global, &[expected(ResourceId::GRAPH, &many)]), Err(Unnameable::TooLong(length)) if length > 1_000));
        assert!(scope(&Cloud::Global, &[expected(ResourceId::GRAPH, many.get(..15).unwrap())]).is_ok());
    }
}
