//! The national clouds of Microsoft 365. [`crate::entra::cloud`] has their hosts.

/// The cloud of an app registration. It is fixed for each app profile and never taken from a request: a tenant id means nothing in another
/// cloud, and tokens are not interchangeable (protocol reference §7).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// Worldwide, including Microsoft 365 GCC.
    Global,
    /// US Government L4 (GCC High).
    UsGovL4,
    /// US Government L5 (DoD).
    UsGovL5,
    /// China, operated by 21Vianet.
    China,
    /// A cloud that `consent.toml` describes under `[clouds.NAME]`; its hosts must be loopback addresses.
    Custom(Box<str>),
}

impl Cloud {
    /// The name that `consent.toml` uses.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Global => "global",
            Self::UsGovL4 => "us-gov-l4",
            Self::UsGovL5 => "us-gov-l5",
            Self::China => "china-21vianet",
            Self::Custom(name) => name,
        }
    }

    pub(crate) fn built_in(name: &str) -> Option<Self> {
        [Self::Global, Self::UsGovL4, Self::UsGovL5, Self::China].into_iter().find(|cloud| cloud.name() == name)
    }
}
