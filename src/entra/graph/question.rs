//! The parts of one Graph batch.

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

use crate::consent::{ClientId, ObjectId, ResourceId, TenantId};
use crate::entra::cloud::Endpoints;

/// One check of one app in one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The tenant that issued the token.
    pub tenant: TenantId,
    /// The app to check.
    pub client: ClientId,
    /// The object id of the app's service principal, if the app's own token contained it. Replication lag is smallest for grants that are
    /// filtered by this id (protocol reference §4.6).
    pub object: Option<ObjectId>,
    /// The resources whose service principals are requested too, because list entries identify a resource by its object id.
    pub resources: Vec<ResourceId>,
    /// The resources with a required permission. The batch asks about the other resources too, but no check waits for those.
    pub required: BTreeSet<ResourceId>,
    /// Whether our rights let us see admin consent requests. Without those rights, Graph would only refuse.
    pub open_requests: bool,
    /// Whether to ask what users may approve for themselves. We ask if our rights show that, and if the app is one that users choose
    /// themselves.
    pub user_consent: bool,
    /// Whether Microsoft's policy for popular mail clients lets users approve the app.
    pub popular: bool,
}

/// One part of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The tenant's name.
    Organization,
    /// The app's service principal.
    ServicePrincipal,
    /// The app's app role assignments.
    Assignments,
    /// The app's delegated permission grants.
    Grants,
    /// Admin consent requests in progress, of all apps. No filter for one app works on the server (protocol reference §5.3).
    OpenRequests,
    /// The policy on what users may approve for themselves.
    UserConsent,
    /// The service principal of a resource.
    Resource(ResourceId),
}

impl Part {
    /// The part's id in the batch. Ids differ in more than letter case, because Graph ignores case when it compares them.
    #[must_use]
    pub fn id(self) -> String {
        match self {
            Self::Organization => "organization".into(),
            Self::ServicePrincipal => "servicePrincipal".into(),
            Self::Assignments => "appRoleAssignments".into(),
            Self::Grants => "oauth2PermissionGrants".into(),
            Self::OpenRequests => "appConsentRequests".into(),
            Self::UserConsent => "authorizationPolicy".into(),
            Self::Resource(resource) => format!("resource-{resource}"),
        }
    }

    /// Whether a finding requires this part.
    pub(crate) fn is_essential(self) -> bool {
        !matches!(self, Self::Organization | Self::OpenRequests | Self::UserConsent)
    }
}

/// Characters that must be encoded in a query. The filters below contain spaces; slashes and quotes may stay as they are.
const IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'%').add(b'+').add(b'&');

impl Question {
    /// Whether the next check must respect a `Retry-After` of this part. If no finding requires the part, the next check omits it instead.
    pub(crate) fn waits_for(&self, part: Part) -> bool {
        match part {
            Part::ServicePrincipal | Part::Assignments | Part::Grants => true,
            Part::Resource(resource) => self.required.contains(&resource),
            Part::Organization | Part::OpenRequests | Part::UserConsent => false,
        }
    }

    /// The address at which a list begins.
    pub(super) fn first_page(&self, part: Part, endpoints: &Endpoints) -> Option<Url> {
        let (_, asked) = self.parts().into_iter().find(|(one, _)| *one == part)?;
        let (path, query) = asked.split_once('?').map_or((&*asked, None), |(path, query)| (path, Some(query)));
        let mut url = endpoints.at_graph(&format!("v1.0{path}"));
        url.set_query(query);
        Some(url)
    }

    /// The paths below `/v1.0` at which further pages of a list may be: the path that we requested, and the path with the object id of the
    /// app's service principal, if we know that id.
    pub(crate) fn paths_of_list(&self, part: Part, object: Option<ObjectId>) -> Vec<String> {
        let asked = self.parts().into_iter().find(|(one, _)| *one == part);
        let asked = asked.and_then(|(_, url)| url.split('?').next().map(str::to_owned));
        let by_object = |path: &String| Some(format!("/servicePrincipals/{}{}", object?, path.strip_prefix(&self.principal_path())?));
        let by_object = asked.as_ref().and_then(by_object);
        asked.into_iter().chain(by_object).collect()
    }

    fn principal_path(&self) -> String {
        format!("/servicePrincipals(appId='{}')", self.client)
    }

    /// The parts with their addresses below `/v1.0`: 6 parts, and one more for each resource. A batch may have 20.
    #[must_use]
    pub fn parts(&self) -> Vec<(Part, String)> {
        let principal = self.principal_path();
        let filter = |filter: &str| format!("?$filter={}", utf8_percent_encode(filter, IN_QUERY));
        let grants = match self.object {
            Some(object) => {
                format!("/oauth2PermissionGrants{}", filter(&format!("clientId eq '{object}' and consentType eq 'AllPrincipals'")))
            }
            None => format!("{principal}/oauth2PermissionGrants"),
        };
        let mut parts = vec![
            (Part::Organization, "/organization?$select=id,displayName,verifiedDomains".into()),
            (Part::ServicePrincipal, format!("{principal}?$select=id,appId,displayName,accountEnabled")),
            (Part::Assignments, format!("{principal}/appRoleAssignments")),
            (Part::Grants, grants),
        ];
        let resource = |id: &ResourceId| (Part::Resource(*id), format!("/servicePrincipals(appId='{id}')?$select=id,appId"));
        parts.extend(self.resources.iter().map(resource));
        if self.open_requests {
            let in_progress = filter("userConsentRequests/any(u:u/status eq 'InProgress')");
            parts.push((Part::OpenRequests, format!("/identityGovernance/appConsent/appConsentRequests{in_progress}")));
        }
        if self.user_consent {
            parts.push((Part::UserConsent, "/policies/authorizationPolicy".into()));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::AppProfile;

    #[test]
    fn the_parts_name_the_app_and_its_resources_and_fit_one_batch() {
        let client = ClientId::from_u128(0x1111);
        let mut question = Question {
            tenant: TenantId::from_u128(1),
            client,
            object: None,
            resources: (0..).map(ResourceId::from_u128).take(AppProfile::MAX_RESOURCES + 1).collect(),
            required: BTreeSet::new(),
            open_requests: true,
            user_consent: true,
            popular: false,
        };
        let parts = question.parts();
        assert!(parts.len() <= 20);
        let mut ids: Vec<_> = parts.iter().map(|(part, _)| part.id().to_ascii_lowercase()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), parts.len());
        assert!(parts.iter().all(|(_, url)| url.starts_with('/') && !url.contains(' ')));
        assert!(parts.contains(&(Part::Grants, format!("/servicePrincipals(appId='{client}')/oauth2PermissionGrants"))));

        assert_eq!(question.paths_of_list(Part::Grants, None), [format!("/servicePrincipals(appId='{client}')/oauth2PermissionGrants")]);
        let object = ObjectId::from_u128(0x22);
        assert_eq!(
            question.paths_of_list(Part::Assignments, Some(object)),
            [format!("/servicePrincipals(appId='{client}')/appRoleAssignments"), format!("/servicePrincipals/{object}/appRoleAssignments")]
        );

        question.object = Some(ObjectId::from_u128(0x22));
        question.open_requests = false;
        question.user_consent = false;
        let parts = question.parts();
        assert!(parts.contains(&(
            Part::Grants,
            "/oauth2PermissionGrants?$filter=clientId%20eq%20'00000000-0000-0000-0000-000000000022'%20and%20consentType%20eq%20'AllPrincipals'".into()
        )));
        assert!(!parts.iter().any(|(part, _)| [Part::OpenRequests, Part::UserConsent].contains(part)));
        assert_eq!(question.paths_of_list(Part::Grants, Some(object)), ["/oauth2PermissionGrants"]);
    }
}
