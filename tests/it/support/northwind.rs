//! The `consent.toml` of Northwind, the service provider of these tests. It comes in parts, because most tests differ in one line.

use entra_sandbox::demo;

/// The key that signs links, as its secret contains it.
pub(crate) const KEY: &str = r#"{"kid":"k1","key":"canary-secret-8sW1xK7dR4tY9uB3nC6fG0hJ"}"#;
/// The client secret of [`mail_backup`].
pub(crate) const APP_SECRET: &str = "canary-secret-of-mail-backup";
/// The client secret of [`reader`].
pub(crate) const READER_SECRET: &str = "canary-secret-of-reader";
/// The permissions of the app that customers approve, in most tests.
pub(crate) const USUAL: &str = r#"application = { required = ["Mail.Read", "User.Read.All"] }
delegated = { optional = ["User.Read"] }"#;
/// The app's setting if it is its own verifier.
pub(crate) const BY_ITSELF: &str = r#"credential = { client_secret = { env = "APP_SECRET" } }"#;
/// The app's setting if [`reader`] verifies it.
pub(crate) const BY_READER: &str = r#"verified_by = "reader""#;
/// The permissions of a reader that can read the directory and approval requests.
pub(crate) const DIRECTORY_AND_REQUESTS: &str = r#"application = { required = ["Directory.Read.All", "ConsentRequest.Read.All"] }"#;
/// Apple's mail app, and a chain that ends with it.
pub(crate) const APPLE_AND_CHAIN: &str = r#"
[[companions]]
id = "apple"
catalogue = "apple-internet-accounts"
cloud = "sandbox"
verified_by = "reader"

[[chains]]
id = "onboarding"
name = "Onboarding"
steps = ["reader", "mail-backup", "apple"]
"#;

/// The site, the key and the simulated Microsoft as a configured cloud. `key` is the key's source; `more` are lines of `[installation]`.
pub(crate) fn head(base_url: &str, key: &str, sandbox: &str, more: &str) -> String {
    format!(
        r#"[site]
name = "Northwind Managed Services"
base_url = "{base_url}"
support = "support@northwind.example"
privacy_url = "https://northwind.example/privacy"
{more}
[keys]
secret = {key}

[clouds.sandbox]
authority = "{sandbox}"
graph = "{sandbox}"
"#
    )
}

/// A line of `[installation]` with the tenant of Northwind's own registrations.
pub(crate) fn home() -> String {
    format!("home_tenant = \"{}\"", demo::HOME)
}

/// The app that customers approve. `lines` are its settings, `permissions` those of Microsoft Graph.
pub(crate) fn mail_backup(lines: &str, permissions: &str) -> String {
    app("mail-backup", &demo::APP.to_string(), "Northwind Mail Backup", lines, permissions)
}

/// The app that verifies others.
pub(crate) fn reader(permissions: &str) -> String {
    let credential = r#"credential = { client_secret = { env = "READER_SECRET" } }"#;
    app("reader", &super::stage::READER.to_string(), "Northwind Reader", credential, permissions)
}

fn app(id: &str, client: &str, name: &str, lines: &str, permissions: &str) -> String {
    format!(
        r#"
[[apps]]
id = "{id}"
client_id = "{client}"
name = "{name}"
cloud = "sandbox"
{lines}
[apps.permissions."Microsoft Graph"]
{permissions}
"#
    )
}
