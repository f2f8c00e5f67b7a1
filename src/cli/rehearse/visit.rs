//! The browsers of a rehearsal. Requests to the installation stay in the process; those to Microsoft go to the simulated one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use entra_sandbox::{Sandbox, TenantId};
use http::header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use crate::config::ConfiguredApp;
use crate::consent::{ExpectedTenant, Query};
use crate::file::{self, Readers};
use crate::installation::Installation;
use crate::serve::store::{OrderWorker, Store};
use crate::web::{self, AddressSource, FrontDoor, Request};

/// The parts of a running rehearsal.
pub(super) struct Rehearsal {
    pub(super) installation: Arc<Installation>,
    pub(super) sandbox: Sandbox,
    pub(super) store: Store,
    pub(super) worker: OrderWorker,
    pub(super) http: reqwest::Client,
    /// A tenant that is not in the table.
    pub(super) stranger: TenantId,
    pub(super) folder: PathBuf,
}

/// The browser of one customer.
#[derive(Debug, Default)]
pub(super) struct Browser {
    /// The row of the table, counted from 1.
    pub(super) row: usize,
    pub(super) cookie: String,
    /// The page that waits for the approval of a companion.
    pub(super) watch: Option<String>,
    /// The pages in their order: file and title. The title is HTML.
    pub(super) shown: Vec<(String, String)>,
}

/// Most turns of the worker at one moment. Each turn carries out several orders.
const MOST_TURNS: u32 = 1_000;

impl Rehearsal {
    /// Lets time pass, and the worker carry out what became due.
    pub(super) async fn pass(&self, span: Duration) -> Result<(), String> {
        self.sandbox.control().advance(span);
        for _ in 0..MOST_TURNS {
            if self.worker.step().await.map_err(|error| error.to_string())? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Opens the invitation, presses the button of an app, and returns the address of Microsoft's page.
    pub(super) async fn at_microsoft(
        &self,
        browser: &mut Browser,
        link: &str,
        app: &ConfiguredApp,
        tenant: TenantId,
    ) -> Result<String, String> {
        self.open(browser, link, None).await?;
        let at = self.open(browser, link, Some(&format!("step={}", app.profile.id))).await?;
        let Some(companion) = &app.companion else { return Ok(at) };
        let tenant = ExpectedTenant::Tenant(crate::consent::TenantId::from_u128(tenant.as_u128()));
        let address = companion.consent_address(tenant).ok_or("a companion has no consent address")?;
        browser.watch = Some(at);
        self.open(browser, address.as_str(), None).await
    }

    /// Opens an address, follows redirects and writes the page. Returns the address of the page.
    pub(super) async fn open(&self, browser: &mut Browser, address: &str, mut form: Option<&str>) -> Result<String, String> {
        let mut address = address.to_owned();
        loop {
            let (location, page) = match address.starts_with(self.installation.issuer()) {
                true => self.ours(browser, &address, form.take()).await?,
                false => self.microsofts(&address, form.take()).await?,
            };
            match location {
                Some(next) => address = next,
                None => {
                    self.keep(browser, &page)?;
                    return Ok(address);
                }
            }
        }
    }

    fn keep(&self, browser: &mut Browser, page: &str) -> Result<(), String> {
        let name = format!("pages/{}-{}.html", browser.row, browser.shown.len() + 1);
        let path = self.folder.join(&name);
        std::fs::create_dir_all(self.folder.join("pages")).map_err(|error| error.to_string())?;
        file::create(&path, page, Readers::Owner).map_err(|error| format!("{}: {error}", path.display()))?;
        let title = page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map_or("Page", |(title, _)| title);
        browser.shown.push((name, title.to_owned()));
        Ok(())
    }

    async fn ours(&self, browser: &mut Browser, address: &str, form: Option<&str>) -> Result<(Option<String>, String), String> {
        let url = Url::parse(address).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/html"))]);
        headers.extend(HeaderValue::from_str(&browser.cookie).ok().map(|cookie| (COOKIE, cookie)));
        let request = Request {
            method: if form.is_some() { Method::POST } else { Method::GET },
            path: url.path().to_owned(),
            query: Query::parse(url.query().unwrap_or_default().as_bytes()),
            headers,
            body: form.unwrap_or_default().to_owned().into(),
            source: None,
            source_from: AddressSource::Socket,
            front_door: FrontDoor::Local,
        };
        let answer = web::handle(&self.installation, request).await;
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        if let Some((cookie, _)) = text(SET_COOKIE).and_then(|cookie| cookie.split_once(';')) {
            browser.cookie = format!("{}; {cookie}", browser.cookie).trim_start_matches("; ").to_owned();
        }
        Ok((text(LOCATION).map(str::to_owned), answer.into_body()))
    }

    async fn microsofts(&self, address: &str, form: Option<&str>) -> Result<(Option<String>, String), String> {
        if !address.starts_with(self.sandbox.url()) {
            return Err(format!("{address} leads out of the rehearsal"));
        }
        let request = match form {
            Some(form) => self.http.post(address).header("content-type", "application/x-www-form-urlencoded").body(form.to_owned()),
            None => self.http.get(address),
        };
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok((location, answer.text().await.map_err(|error| error.to_string())?))
    }
}
