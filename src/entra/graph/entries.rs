//! The objects in Graph's answers. We parse the members that we use strictly, and ignore the others (protocol reference §4.2).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::consent::{ClientId, DisplayText, ObjectId, PermissionId};
use crate::entra::http::read_object;

#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) value: Vec<Box<RawValue>>,
    #[serde(rename = "@odata.nextLink", default)]
    pub(super) next: Option<String>,
}

/// An entry of a list. `Err` marks an unreadable entry, which makes the list incomplete, and `Ok(None)` an irrelevant one.
pub(super) trait GraphEntry: Sized {
    fn read(raw: &RawValue) -> Result<Option<Self>, ()>;
}

/// An app role assignment. An entry without the object id of its service principal is unreadable.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) role: PermissionId,
    pub(super) resource: ObjectId,
    pub(super) resource_name: Option<DisplayText>,
    pub(super) principal: ObjectId,
}

impl GraphEntry for Assignment {
    fn read(raw: &RawValue) -> Result<Option<Self>, ()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            app_role_id: PermissionId,
            resource_id: ObjectId,
            resource_display_name: Option<String>,
            principal_id: ObjectId,
        }
        let wire: Wire = object(raw)?;
        Ok(Some(Self {
            role: wire.app_role_id,
            resource: wire.resource_id,
            resource_name: wire.resource_display_name.as_deref().and_then(DisplayText::from_untrusted),
            principal: wire.principal_id,
        }))
    }
}

/// A tenant-wide delegated permission grant. An entry without the object id of its service principal is unreadable.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) client: ObjectId,
    pub(super) resource: ObjectId,
    pub(super) scopes: Vec<DisplayText>,
}

impl GraphEntry for Grant {
    fn read(raw: &RawValue) -> Result<Option<Self>, ()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            consent_type: String,
            client_id: Option<ObjectId>,
            principal_id: Option<ObjectId>,
            resource_id: ObjectId,
            scope: Option<String>,
        }
        let wire: Wire = object(raw)?;
        match (wire.consent_type.as_str(), wire.principal_id) {
            // A single user's consent counts for that user only.
            ("Principal", _) => return Ok(None),
            ("AllPrincipals", None) => {}
            _ => return Err(()),
        }
        // The text often begins with a space.
        let scopes = wire.scope.as_deref().unwrap_or_default().split_whitespace();
        let scopes = scopes.map(DisplayText::from_untrusted).collect::<Option<_>>().ok_or(())?;
        Ok(Some(Self { client: wire.client_id.ok_or(())?, resource: wire.resource_id, scopes }))
    }
}

/// An app with an admin consent request in progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenRequest(pub(super) ClientId);

impl GraphEntry for OpenRequest {
    fn read(raw: &RawValue) -> Result<Option<Self>, ()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            app_id: ClientId,
        }
        let wire: Wire = object(raw)?;
        Ok(Some(Self(wire.app_id)))
    }
}

/// A service principal, of the app or of a resource.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Principal {
    pub(super) id: ObjectId,
    pub(super) app_id: ClientId,
    pub(super) account_enabled: Option<bool>,
}

/// What users of a tenant may approve for themselves.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorizationPolicy {
    pub(super) default_user_role_permissions: DefaultUserRole,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DefaultUserRole {
    pub(super) permission_grant_policies_assigned: Vec<String>,
}

/// What a list of assigned consent policies says about users and one app; `None` if rules outside the list decide that (protocol reference
/// §5.1, §5.2). `popular` marks an app that Microsoft's policy for mail clients names.
pub(super) fn users_may_consent(assigned: &[String], popular: bool) -> Option<bool> {
    let mut decided = Some(false);
    for entry in assigned {
        let entry = entry.to_ascii_lowercase();
        let (scope, policy) = entry.split_once('.').unwrap_or(("", &entry));
        match (scope, policy) {
            ("managepermissiongrantsforself", "microsoft-user-default-allow-consent-apps" | "microsoft-user-default-legacy") if popular => {
                return Some(true);
            }
            // This policy says nothing about any other app.
            ("managepermissiongrantsforself", "microsoft-user-default-allow-consent-apps") => {}
            // Such a policy concerns objects that users own, such as a team, and not access to a user's own mailbox.
            (scope, _) if scope.starts_with("managepermissiongrantsforowned") => {}
            // A policy with its own rules, a policy that Microsoft changes, or a bare id as in an example of the documentation.
            _ => decided = None,
        }
    }
    decided
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Organization {
    pub(super) id: String,
    pub(super) display_name: Option<String>,
}

pub(super) fn object<T: serde::de::DeserializeOwned>(raw: &RawValue) -> Result<T, ()> {
    read_object(raw.get().as_bytes()).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_may_approve_is_said_only_where_the_list_alone_decides_it() {
        const SELF: &str = "ManagePermissionGrantsForSelf";
        const MAIL: &str = "microsoft-user-default-allow-consent-apps";
        let own = |policy: &str| format!("{SELF}.{policy}");
        let owned = "ManagePermissionGrantsForOwnedResource.microsoft-dynamically-managed-permissions-for-team".to_owned();
        for (name, assigned, popular, other) in [
            ("nothing", vec![], Some(false), Some(false)),
            ("only for what users own", vec![owned.clone()], Some(false), Some(false)),
            ("popular mail clients", vec![own(MAIL)], Some(true), Some(false)),
            ("the same in other letters", vec![own(MAIL).to_uppercase()], Some(true), Some(false)),
            ("Microsoft's default", vec![own("microsoft-user-default-recommended"), own(MAIL), owned], Some(true), None),
            ("Microsoft's recommendation alone", vec![own("microsoft-user-default-recommended")], None, None),
            ("low impact", vec![own("microsoft-user-default-low")], None, None),
            ("whatever needs no administrator", vec![own("microsoft-user-default-legacy")], Some(true), None),
            ("a policy of the tenant's own", vec![own("our-policy"), own(MAIL)], Some(true), None),
            ("a bare id", vec!["just-user-read".into()], None, None),
            ("the policy's name without its prefix", vec![MAIL.into()], None, None),
        ] {
            assert_eq!((users_may_consent(&assigned, true), users_may_consent(&assigned, false)), (popular, other), "{name}");
        }
    }
}
