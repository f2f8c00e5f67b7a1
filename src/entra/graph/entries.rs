//! The objects Graph answers with, read strictly where we read and not at all elsewhere (protocol reference §4.2).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::consent::{ClientId, DisplayText, ObjectId, PermissionId};
use crate::entra::http::read_object;

/// A list's page.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) value: Vec<Box<RawValue>>,
    #[serde(rename = "@odata.nextLink", default)]
    pub(super) next: Option<String>,
}

/// An entry of a list. `Err` for one that cannot be read: then the list is not complete. `Ok(None)` for one that does not matter.
pub(super) trait Entry: Sized {
    fn read(raw: &RawValue) -> Result<Option<Self>, ()>;
}

/// An app role assignment. One that does not say whose it is cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) role: PermissionId,
    pub(super) resource: ObjectId,
    pub(super) resource_name: Option<DisplayText>,
    pub(super) principal: ObjectId,
}

impl Entry for Assignment {
    fn read(raw: &RawValue) -> Result<Option<Self>, ()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            app_role_id: PermissionId,
            resource_id: ObjectId,
            #[serde(default)]
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

/// A tenant-wide delegated permission grant. As above.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) client: ObjectId,
    pub(super) resource: ObjectId,
    pub(super) scopes: Vec<DisplayText>,
}

impl Entry for Grant {
    fn read(raw: &RawValue) -> Result<Option<Self>, ()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            consent_type: String,
            #[serde(default)]
            client_id: Option<ObjectId>,
            #[serde(default)]
            principal_id: Option<ObjectId>,
            resource_id: ObjectId,
            #[serde(default)]
            scope: Option<String>,
        }
        let wire: Wire = object(raw)?;
        match (wire.consent_type.as_str(), wire.principal_id) {
            // One user's own consent is nobody else's.
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

/// An admin consent request in progress: the app it is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenRequest(pub(super) ClientId);

impl Entry for OpenRequest {
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
    #[serde(default)]
    pub(super) account_enabled: Option<bool>,
}

/// A tenant.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Organization {
    pub(super) id: String,
    #[serde(default)]
    pub(super) display_name: Option<String>,
}

pub(super) fn object<T: serde::de::DeserializeOwned>(raw: &RawValue) -> Result<T, ()> {
    read_object(raw.get().as_bytes()).map_err(|_| ())
}
