//! Reads an app registration: the application object, which Graph shows only in the app's home tenant.
//!
//! A tenant that approved an app sees only its service principal. Redirect addresses, the list of permissions and the ends of credentials
//! are visible only here.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::cloud::Endpoints;
use super::graph::{Unread, get};
use super::http::{Http, UpstreamKind};
use crate::consent::profile::PermissionKind;
use crate::consent::{ClientId, DisplayText, PermissionId, ResourceId};
use crate::secret::Secret;

/// The permission that shows a registration (application permission, granted in the home tenant).
pub(crate) const NEEDS: &str = "Application.Read.All";

/// The parts of a registration that the program uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub(crate) name: Option<DisplayText>,
    /// The accounts that can sign in to the app.
    pub audience: SignInAudience,
    /// The redirect addresses of the platform Web, in their registered spelling.
    pub redirect_uris: Vec<Box<str>>,
    /// The redirect addresses of single-page and public-client apps. `/adminconsent` does not search for our address among these.
    pub(crate) other_redirect_uris: Vec<Box<str>>,
    /// The permissions in the registration's list (`requiredResourceAccess`), which an administrator approves.
    pub required: Vec<RequiredAccess>,
    /// Client secrets, including those that have ended and are not removed yet.
    pub secrets: Vec<RegisteredSecret>,
    /// The domain that Microsoft shows next to the name of an unverified publisher.
    pub publisher_domain: Option<DisplayText>,
    /// The publisher, if Microsoft verified it.
    pub verified_publisher: Option<DisplayText>,
}

/// `signInAudience`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInAudience {
    /// Accounts of one tenant, so that no customer can approve the app.
    MyOrganization,
    /// Accounts of any organisation.
    AnyOrganization,
    /// Accounts of any organisation, and personal accounts.
    AnyOrganizationAndPersonal,
    /// A value that this program does not know.
    Other(DisplayText),
    /// Graph's answer has no `signInAudience`.
    Untold,
}

impl SignInAudience {
    /// Whether other tenants can approve the app. `None` if that is unknown.
    pub(crate) fn is_multi_tenant(&self) -> Option<bool> {
        match self {
            Self::MyOrganization => Some(false),
            Self::AnyOrganization | Self::AnyOrganizationAndPersonal => Some(true),
            Self::Other(_) | Self::Untold => None,
        }
    }

    fn read(text: Option<&str>) -> Self {
        match text {
            Some("AzureADMyOrg") => Self::MyOrganization,
            Some("AzureADMultipleOrgs") => Self::AnyOrganization,
            Some("AzureADandPersonalMicrosoftAccount") => Self::AnyOrganizationAndPersonal,
            Some(other) => DisplayText::from_untrusted(other).map_or(Self::Untold, Self::Other),
            None => Self::Untold,
        }
    }
}

/// One permission of the registration's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredAccess {
    /// The API that publishes the permission.
    pub(crate) resource: ResourceId,
    /// Application or delegated.
    pub kind: PermissionKind,
    pub(crate) permission: PermissionId,
}

/// A client secret as Graph shows it: everything except the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredSecret {
    /// The first three characters of the secret; Graph shows no more. `None` for old secrets.
    hint: Option<Box<str>>,
    /// `None` if Graph sends no end date.
    pub ends: Option<OffsetDateTime>,
}

impl RegisteredSecret {
    /// Whether our own secret may be this client secret. `None` if Graph shows nothing to compare.
    #[must_use]
    pub fn may_be(&self, secret: &Secret) -> Option<bool> {
        self.hint.as_ref().map(|hint| secret.expose().starts_with(&**hint))
    }
}

/// Largest answer that we read, in bytes. A registration has about 10 KiB.
const CAP: usize = 1024 * 1024;
/// The members that we read. Naming them keeps Graph from sending the others.
const SELECT: &str = "appId,displayName,signInAudience,web,spa,publicClient,requiredResourceAccess,passwordCredentials,\
                      publisherDomain,verifiedPublisher";

/// Reads the registration of an app, with a Graph token of its home tenant.
///
/// # Errors
/// [`Unread`]
pub(crate) async fn read(
    http: &Http,
    endpoints: &Endpoints,
    token: &Secret,
    app: ClientId,
    now: OffsetDateTime,
) -> Result<Registration, Unread> {
    let mut url = endpoints.at_graph(&format!("v1.0/applications(appId='{app}')"));
    url.query_pairs_mut().append_pair("$select", SELECT);
    registration(get(http, UpstreamKind::Registration, CAP, token, url, now).await?, app)
}

/// Refuses an answer about another app.
fn registration(wire: RegistrationObject, app: ClientId) -> Result<Registration, Unread> {
    if wire.app_id != app {
        return Err(Unread::Unreadable);
    }
    let text = |text: &Option<String>| text.as_deref().and_then(DisplayText::from_untrusted);
    let mut required = Vec::new();
    for resource in &wire.required_resource_access {
        for access in &resource.resource_access {
            let kind = match access.kind.as_str() {
                "Role" => PermissionKind::Application,
                "Scope" => PermissionKind::Delegated,
                _ => return Err(Unread::Unreadable),
            };
            required.push(RequiredAccess { resource: resource.resource_app_id, kind, permission: access.id });
        }
    }
    let uris = |platform: Option<Platform>| platform.map(|platform| platform.redirect_uris).unwrap_or_default();
    let mut other_redirect_uris = uris(wire.spa);
    other_redirect_uris.extend(uris(wire.public_client));
    let ends = |ends: &Option<String>| match ends {
        None => Ok(None),
        Some(ends) => OffsetDateTime::parse(ends, &Rfc3339).map(Some).map_err(|_| Unread::Unreadable),
    };
    let secrets = (wire.password_credentials.iter())
        .map(|credential| {
            let hint = credential.hint.as_deref().filter(|hint| !hint.is_empty()).map(Box::from);
            Ok(RegisteredSecret { hint, ends: ends(&credential.end_date_time)? })
        })
        .collect::<Result<_, Unread>>()?;
    Ok(Registration {
        name: text(&wire.display_name),
        audience: SignInAudience::read(wire.sign_in_audience.as_deref()),
        redirect_uris: uris(wire.web),
        other_redirect_uris,
        required,
        secrets,
        publisher_domain: text(&wire.publisher_domain),
        // For an unverified publisher, Graph sends the object with nulls in it.
        verified_publisher: wire
            .verified_publisher
            .filter(|publisher| publisher.verified_publisher_id.is_some())
            .and_then(|publisher| text(&publisher.display_name)),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegistrationObject {
    app_id: ClientId,
    display_name: Option<String>,
    sign_in_audience: Option<String>,
    web: Option<Platform>,
    spa: Option<Platform>,
    public_client: Option<Platform>,
    required_resource_access: Vec<Resource>,
    password_credentials: Vec<Password>,
    publisher_domain: Option<String>,
    verified_publisher: Option<VerifiedPublisher>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Platform {
    #[serde(default)]
    redirect_uris: Vec<Box<str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource_app_id: ResourceId,
    resource_access: Vec<Access>,
}

#[derive(Deserialize)]
struct Access {
    id: PermissionId,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Password {
    hint: Option<String>,
    end_date_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerifiedPublisher {
    display_name: Option<String>,
    verified_publisher_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;

    const APP: ClientId = ClientId::from_u128(0xa1);

    fn object() -> serde_json::Value {
        json!({
            "id": "0a1b0000-0000-4000-8000-000000000011", "appId": APP, "displayName": "Mail\u{202e}", "signInAudience": "AzureADMultipleOrgs",
            "web": { "redirectUris": ["https://a.example/callback"] }, "spa": { "redirectUris": ["https://b.example"] },
            "requiredResourceAccess": [{
                "resourceAppId": ResourceId::GRAPH,
                "resourceAccess": [
                    { "id": "810c84a8-4a9e-49e6-bf7d-12d183f40d01", "type": "Role" },
                    { "id": "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "type": "Scope" },
                ],
            }],
            "passwordCredentials": [{ "keyId": "k", "hint": "abc", "endDateTime": "2027-01-31T00:00:00.5890162Z" }],
            "publisherDomain": "contoso.example",
            "verifiedPublisher": { "displayName": null, "verifiedPublisherId": null },
        })
    }

    #[test]
    fn a_registration_is_read_with_the_ends_of_its_credentials() {
        let read = registration(serde_json::from_value(object()).unwrap(), APP).unwrap();
        assert_eq!(read.audience.is_multi_tenant(), Some(true));
        assert_eq!((&*read.redirect_uris[0], &*read.other_redirect_uris[0]), ("https://a.example/callback", "https://b.example"));
        let kinds: Vec<_> = read.required.iter().map(|required| required.kind).collect();
        assert_eq!(kinds, [PermissionKind::Application, PermissionKind::Delegated]);
        assert_eq!(read.secrets[0].ends, Some(datetime!(2027-01-31 00:00:00.589_016_2 UTC)));
        assert_eq!(read.secrets[0].may_be(&Secret::new("abcdef".into())), Some(true));
        assert_eq!(read.secrets[0].may_be(&Secret::new("bcdef".into())), Some(false));
        assert_eq!(read.verified_publisher, None);
    }

    #[test]
    fn what_is_about_another_app_or_half_told_is_not_believed() {
        let read = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut object = object();
            change(&mut object);
            serde_json::from_value(object).map_err(|_| Unread::Unreadable).and_then(|wire| registration(wire, APP))
        };
        for bad in [
            read(&|object| object["appId"] = json!("0a1b0000-0000-4000-8000-0000000000ff")),
            read(&|object| object["passwordCredentials"][0]["endDateTime"] = json!("soon")),
            read(&|object| object["requiredResourceAccess"][0]["resourceAccess"][0]["type"] = json!("Else")),
            read(&|object| drop(object.as_object_mut().unwrap().remove("passwordCredentials"))),
        ] {
            assert_eq!(bad, Err(Unread::Unreadable));
        }
    }
}
