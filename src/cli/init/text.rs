//! The text of a first `consent.toml`.

use super::place;
use super::questions::Answers;

/// A text as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string().trim().to_owned()
}

fn list(permissions: &[String]) -> String {
    permissions.iter().map(|permission| quoted(permission)).collect::<Vec<_>>().join(", ")
}

impl Answers {
    pub(super) fn text(&self) -> String {
        let home_tenant = match &self.home_tenant {
            Some(tenant) => format!("home_tenant = {}", quoted(tenant)),
            None => "#home_tenant = \"00000000-0000-0000-0000-000000000000\"".to_owned(),
        };
        let cloud = if self.cloud == "global" { String::new() } else { format!("cloud = {}\n", quoted(&self.cloud)) };
        let needs: String = [("application", &self.application), ("delegated", &self.delegated)]
            .into_iter()
            .filter(|(_, permissions)| !permissions.is_empty())
            .map(|(kind, permissions)| format!("{kind} = {{ required = [{}] }}\n", list(permissions)))
            .collect();
        format!(
            r#"# The configuration of entra-consent. Every key: docs/configuration.md and consent.example.toml.
# Nothing secret belongs into this file: it says where secrets are kept.

[site]
# Your name as the customers' administrators know it. On every page.
name = {name}
# The address of this service as browsers see it.
base_url = {base_url}
# How an administrator reaches you, in words.
support = {support}
# Your privacy notice.
privacy_url = {privacy_url}
# Your own tenant: where `entra-consent doctor` reads your registrations.
{home_tenant}

[keys]
# Where the key that signs links is kept.
secret = {keys}

[[apps]]
# Its name in links and records.
id = {app}
# "Application (client) ID" of the registration.
client_id = {client_id}
# Its name on Microsoft's consent screen.
name = {app_name}
{cloud}# How the app proves who it is when it asks Graph.
credential = {{ {credential_key} = {credential} }}
# What the app is for, and what happens after the approval: one sentence each for the page.
#purpose = ""
#afterwards = ""

# Everything the registration lists belongs here: required, optional, or forbidden.
[apps.permissions."Microsoft Graph"]
{needs}"#,
            name = quoted(&self.name),
            base_url = quoted(&self.base_url),
            support = quoted(&self.support),
            privacy_url = quoted(&self.privacy_url),
            keys = place::toml(&self.keys),
            app = quoted(&self.app),
            client_id = quoted(&self.client_id),
            app_name = quoted(&self.app_name),
            credential_key = self.credential_key,
            credential = place::toml(&self.credential),
        )
    }
}
