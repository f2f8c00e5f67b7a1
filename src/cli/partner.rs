//! Asks Graph for a partner's lists in the partner's own tenant, page by page.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::bulk::runner::{Attempt, RetryPolicy, Runner};
use super::bulk::throttle::Scope;
use super::exit::{CommandError, DOCTOR, failed, usage};
use super::token_from::{Holder, NoHeldToken, TokenFrom};
use crate::config::ConfiguredApp;
use crate::consent::TenantId;
use crate::entra::graph::{GdapRelationships, GdapRoles, NoPage, PartnerList, Unread};
use crate::entra::http::Http;
use crate::entra::token::AccessToken;
use crate::entra::verifier::NoToken;
use crate::installation::{BulkVerifier, Installation};

/// Most pages that we read. No partner's list has nearly as many, so this only ends an endless list.
const MOST_PAGES: usize = 10_000;

/// The partner's own tenant, and the token that reads there.
pub(super) struct Partner<'s> {
    installation: &'s Installation,
    app: &'s ConfiguredApp,
    from: Option<TokenFrom>,
    home: TenantId,
    http: Http,
    token: Arc<AccessToken>,
}

impl<'s> Partner<'s> {
    /// Gets a token for the partner's own tenant, with the credential of `app` or with a person's token.
    ///
    /// # Errors
    /// The tenant is not configured, or there is no token.
    pub(super) async fn sign_in(
        installation: &'s Installation,
        app: &'s ConfiguredApp,
        from: Option<TokenFrom>,
    ) -> Result<Self, CommandError> {
        let Some(home) = installation.config.site.home_tenant else {
            let told = "Your customers are listed in your own tenant, and consent.toml does not say which it is.";
            return Err(usage(told, "write its id as home_tenant under [site]; `entra-consent tenant YOUR-DOMAIN` shows it"));
        };
        let bulk_verifier = installation.bulk_verifier(1);
        let token = token(installation, &bulk_verifier, app, home, from).await?;
        let http = bulk_verifier.http(app).map_err(|error| failed(error, DOCTOR))?;
        Ok(Self { installation, app, from, home, http, token })
    }

    /// Reads all pages of a list. Entries before a failed page are passed on.
    ///
    /// # Errors
    /// A page is missing, or `take` failed.
    pub(super) async fn each(
        &self,
        list: PartnerList,
        mut take: impl FnMut(&RawValue) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let incomplete = |why: &str, remedy: &str| failed(format!("The list is not complete. {why}"), remedy);
        let endpoints = &self.app.endpoints;
        let runner = Runner::new(Scope::Service, 1, RetryPolicy::default());
        let mut asked = HashSet::new();
        let mut next = Some(list.first_page(endpoints));
        while let Some(url) = next.take() {
            if !asked.insert(url.clone()) {
                return Err(incomplete("Its next page is one that it had before.", STRANGE));
            }
            let ask = async || match list.page(&self.http, endpoints, &self.token.secret, url.clone(), self.installation.clock.now()).await
            {
                Err(NoPage::Unread(unread @ (Unread::Unwell { .. } | Unread::NoFlag(_)))) => {
                    Attempt::unanswered(Err(unread.into()), unread.retry_after())
                }
                answer => Attempt::answered(answer),
            };
            let unsent = |pause| Err(Unread::Unwell { status: 429, retry_after: Some(pause) }.into());
            let page = runner
                .send(ask)
                .await
                .unwrap_or_else(unsent)
                .map_err(|error| incomplete(&format!("{error}."), &self.remedy(error, list)))?;
            if asked.len() > MOST_PAGES {
                return Err(incomplete(&format!("The list has more than {MOST_PAGES} pages: it is not believed to end."), STRANGE));
            }
            page.entries.iter().try_for_each(|entry| take(entry))?;
            next = page.next;
        }
        Ok(())
    }

    /// Reads the customers' relationships in force.
    ///
    /// # Errors
    /// As [`Self::each`]. An unreadable entry is an error too, because its roles would be missing.
    pub(super) async fn relationships(&self) -> Result<GdapRelationships, CommandError> {
        let mut relationships = GdapRelationships::new();
        let unread = |()| failed("A relationship cannot be read.", STRANGE);
        self.each(PartnerList::Relationships, |entry| GdapRoles::add(&mut relationships, entry).map_err(unread)).await?;
        Ok(relationships)
    }

    /// Who must act, and how.
    fn remedy(&self, error: NoPage, list: PartnerList) -> String {
        let (permission, home, profile) = (list.permission(), self.home, &self.app.profile);
        match (error, self.from) {
            (NoPage::Unread(Unread::NotVisible), None) => format!(
                "grant `{}` the application permission {permission} of Microsoft Graph in your own tenant {home}:\n\
                 add it to the registration, and grant it: Entra admin center > App registrations > {} > API permissions.",
                profile.id, profile.name
            ),
            (NoPage::Unread(Unread::NotVisible), Some(_)) => {
                format!("a token with {permission}, of an account with a role that reads the directory of {home}")
            }
            (NoPage::Unread(Unread::Unauthorized), _) => "get a new token".to_owned(),
            (NoPage::Unread(unread @ (Unread::Unwell { .. } | Unread::NoFlag(_))), _) => match unread.retry_after() {
                Some(wait) => format!("again in {} s", wait.as_secs()),
                None => "again in a moment".to_owned(),
            },
            (NoPage::Unread(Unread::NotFound | Unread::Refused(_) | Unread::Unreadable) | NoPage::Elsewhere, _) => STRANGE.to_owned(),
        }
    }
}

const STRANGE: &str = "look for a proxy that changes the answers of Microsoft";

async fn token(
    installation: &Installation,
    bulk_verifier: &BulkVerifier<'_>,
    app: &ConfiguredApp,
    home: TenantId,
    from: Option<TokenFrom>,
) -> Result<Arc<AccessToken>, CommandError> {
    if let Some(from) = from {
        let holder = Holder::new(from)?;
        return holder.token(&app.endpoints, home, &installation.clock).await.map_err(NoHeldToken::into_command);
    }
    bulk_verifier.graph_token(app, home).await.map(Arc::new).map_err(|error| {
        let remedy = match &error {
            NoToken::Refused(refusal) => match refusal.code {
                Some(code) => crate::consent::aadsts::lookup(code).operator(),
                None => "again in a moment",
            },
            NoToken::Credential(_) => "--verbose, which shows why; with --token-from no credential is needed",
            NoToken::Client(_) => "look at the app's cloud in consent.toml",
        };
        failed(format!("`{}` has no token for your own tenant {home}: {error}.", app.profile.id), remedy)
    })
}
