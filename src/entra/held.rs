//! A Graph token that a person got elsewhere, such as from `az`. Its claims are unverified data, and decide only whether the token is
//! useful here.

use std::collections::BTreeSet;

use serde::Deserialize;
use time::OffsetDateTime;

use super::cloud::Endpoints;
use super::token::{AccessToken, UnverifiedClaims, names_graph, payload};
use crate::consent::{ResourceId, TenantId};
use crate::env::from_unix;
use crate::secret::Secret;

/// Why we do not use a person's token. Contains nothing of the token except a tenant id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnfitToken {
    /// The text has no readable claims, so the token's tenant is unknown.
    #[error("it is no access token whose claims can be read")]
    Unreadable,
    /// The token is for the tenant of this `tid` instead.
    #[error("it is a token for tenant {0}")]
    OtherTenant(TenantId),
    /// The token's audience is not this cloud's Microsoft Graph.
    #[error("it is not a token for Microsoft Graph in this cloud")]
    NotGraph,
    /// The token has expired.
    #[error("its life has ended")]
    Ended,
}

#[derive(Deserialize)]
struct HeldTokenClaims {
    tid: Option<String>,
    aud: Option<String>,
    exp: Option<u64>,
    scp: Option<String>,
    roles: Option<Vec<Box<str>>>,
}

impl AccessToken {
    /// Accepts a person's token for a tenant. The token carries Graph calls and proves nothing: its claims only decide whether we send it
    /// at all. A token works in one tenant, the tenant of its `tid`, and Graph would answer for that tenant.
    ///
    /// # Errors
    /// [`UnfitToken`]: we then do not send the token.
    pub(crate) fn held(secret: Secret, endpoints: &Endpoints, tenant: TenantId, now: OffsetDateTime) -> Result<Self, UnfitToken> {
        let text = secret.expose();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UnfitToken::Unreadable);
        }
        let claims: HeldTokenClaims = payload(text).ok_or(UnfitToken::Unreadable)?;
        let of = claims.tid.as_deref().and_then(|tid| TenantId::parse(tid).ok()).ok_or(UnfitToken::Unreadable)?;
        if of != tenant {
            return Err(UnfitToken::OtherTenant(of));
        }
        let audience = claims.aud.as_deref().unwrap_or_default();
        if ResourceId::parse(audience) != Ok(ResourceId::GRAPH) && !names_graph(endpoints, audience) {
            return Err(UnfitToken::NotGraph);
        }
        let expires_at = claims.exp.and_then(from_unix).ok_or(UnfitToken::Unreadable)?;
        if expires_at <= now {
            return Err(UnfitToken::Ended);
        }
        let scopes: BTreeSet<Box<str>> = claims.scp.unwrap_or_default().split_ascii_whitespace().map(Box::from).collect();
        let roles = claims.roles.unwrap_or_default().into_iter().collect();
        // The token's `oid` belongs to the person, or to another app.
        let claims = Some(UnverifiedClaims { roles, scopes, object: None });
        Ok(Self { secret, expires_at, claims })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
    const TENANT: TenantId = TenantId::from_u128(7);

    fn held(change: impl FnOnce(&mut Value)) -> Result<AccessToken, UnfitToken> {
        let mut claims = json!({
            "tid": TENANT, "aud": "https://graph.microsoft.com", "exp": NOW.unix_timestamp() + 60, "scp": "Directory.Read.All openid",
            "oid": "99999999-0000-4000-8000-000000000001", "idtyp": "user",
        });
        change(&mut claims);
        let text = format!("e30.{}.AAAA", URL_SAFE_NO_PAD.encode(claims.to_string()));
        AccessToken::held(Secret::new(text), &endpoints(), TENANT, NOW)
    }

    fn endpoints() -> Endpoints {
        Endpoints::of(&crate::consent::Cloud::Global).unwrap()
    }

    #[test]
    fn a_token_is_used_only_in_its_own_tenant_for_this_clouds_graph_and_while_it_lives() {
        let token = held(|_| {}).unwrap();
        let claims = token.claims.unwrap();
        assert!(claims.scopes.contains("Directory.Read.All") && claims.roles.is_empty() && claims.object.is_none());
        assert!(held(|claims| claims["aud"] = json!("00000003-0000-0000-c000-000000000000")).is_ok());
        assert!(held(|claims| claims["aud"] = json!("https://graph.microsoft.com/")).is_ok());
        let other = TenantId::from_u128(8);
        for (change, refused) in [
            (("tid", json!(other)), UnfitToken::OtherTenant(other)),
            (("tid", json!(null)), UnfitToken::Unreadable),
            (("tid", json!("common")), UnfitToken::Unreadable),
            (("aud", json!("https://management.azure.com")), UnfitToken::NotGraph),
            (("aud", json!("https://graph.microsoft.us")), UnfitToken::NotGraph),
            (("aud", json!("https://graph.microsoft.com.evil.example")), UnfitToken::NotGraph),
            (("aud", json!(null)), UnfitToken::NotGraph),
            (("exp", json!(NOW.unix_timestamp())), UnfitToken::Ended),
            (("exp", json!(null)), UnfitToken::Unreadable),
        ] {
            assert_eq!(held(|claims| claims[change.0] = change.1.clone()).unwrap_err(), refused, "{change:?}");
        }
        for text in ["", "canary", "a.b", "a.b.c.d", "e30.e30.\n", "e30.!!.x"] {
            let error = AccessToken::held(Secret::new(text.into()), &endpoints(), TENANT, NOW).unwrap_err();
            assert_eq!(error, UnfitToken::Unreadable, "{text:?}");
        }
    }
}
