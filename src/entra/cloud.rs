//! The hosts of each cloud (protocol reference §7).

use url::Url;

/// Where one cloud answers. Built-in clouds are https; a custom one may be http on a loopback host only (the configuration holds
/// that line).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The authority, such as `https://login.microsoftonline.com`, without a trailing slash in its path.
    pub authority: Url,
    /// Microsoft Graph, such as `https://graph.microsoft.com`. Its origin is also the resource of `{graph}/.default`.
    pub graph: Url,
    /// A further certificate authority in PEM for a custom cloud, trusted for this cloud only.
    pub extra_ca: Option<Vec<u8>>,
}
