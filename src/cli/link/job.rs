//! The settings that all links of one run share, and how one of the links is signed and verified.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::row::{EXPIRED, REVOKED, RowMail, RowState};
use crate::cli::csv_safe::safe_within;
use crate::cli::customers::Customer;
use crate::cli::mail::{Leads, Locale, Mail};
use crate::config::ConfiguredApp;
use crate::consent::{Expectation, ExpectedTenant, Label, Reference};
use crate::installation::{Installation, NoLink, SignedLink};
use crate::token::{Invitation, KeyRing, Subject, Ticket};

/// The settings for the links of one run.
pub(in crate::cli) struct Job<'a> {
    pub(in crate::cli) installation: &'a Installation,
    pub(in crate::cli) keys: Arc<KeyRing>,
    /// The app, or the first of the chain.
    pub(in crate::cli) app: &'a ConfiguredApp,
    pub(in crate::cli) subject: Subject,
    pub(in crate::cli) direct: bool,
    pub(in crate::cli) life: Duration,
}

impl<'a> Job<'a> {
    pub(in crate::cli) fn sign(
        &self,
        tenant: ExpectedTenant,
        label: Option<Label>,
        reference: Option<Reference>,
    ) -> Result<SignedLink<String>, NoLink> {
        if !self.direct {
            return Ok(self.installation.sign_invitation(&self.keys, self.subject.clone(), tenant, label, reference, self.life)?);
        }
        let expectation = Expectation { app: self.app.profile.id.clone(), tenant, label, reference, invitation: None };
        let SignedLink { id, expires_at, address } = self.installation.sign_direct_link(&self.keys, self.app, expectation, self.life)?;
        Ok(SignedLink { id, expires_at, address: address.into() })
    }

    /// The state of a link that an earlier run made for this customer. `None` for a link that this job would not make.
    pub(super) fn open(&self, address: &str, customer: &Customer) -> Option<RowState> {
        let signer = self.installation.signer(&self.keys);
        let (id, issued_at, expires_at, tenant, label, reference) = if self.direct {
            let url = url::Url::parse(address).ok()?;
            let (_, state) = url.query_pairs().find(|(name, _)| name == "state")?;
            let Ticket { id, issued_at, expires_at, expectation, .. } = Ticket::open(&state, signer).ok()?;
            let Expectation { app, tenant, label, reference, invitation } = expectation;
            let is_ours = app == self.app.profile.id && invitation.is_none();
            is_ours.then_some((id, issued_at, expires_at, tenant, label, reference))?
        } else {
            let token = address.strip_prefix(self.installation.issuer())?.strip_prefix("/i/")?;
            let Invitation { id, issued_at, expires_at, subject, tenant, label, reference, .. } = Invitation::open(token, signer).ok()?;
            (subject == self.subject).then_some((id, issued_at, expires_at, tenant, label, reference))?
        };
        let ExpectedTenant::Tenant(tenant) = tenant else { return None };
        if label != customer.label || reference != customer.reference || customer.tenant.id().is_some_and(|id| id != tenant) {
            return None;
        }
        let link = SignedLink { id, expires_at, address: address.to_owned() };
        let (status, what) = if self.installation.is_taken_back(&[id], issued_at) {
            (REVOKED, "`links.revoked` or `links.revoked_before` of consent.toml has taken the link back".to_owned())
        } else if expires_at <= signer.now {
            (EXPIRED, format!("the link ended on {}", ends(&link).date()))
        } else {
            return Some(RowState::linked(tenant, link, true));
        };
        // The link may have been mailed, so it stays unless the operator asks to replace it.
        let way = "For another one, empty the cell `status` of this row in the table of links, and run the same command with --resume";
        Some(RowState::Dead { tenant, link, status, problem: format!("{what}. {way}") })
    }

    /// The apps of the link.
    pub(super) fn apps(&self) -> impl Iterator<Item = &'a ConfiguredApp> {
        let chain = match &self.subject {
            Subject::App(_) => None,
            Subject::Chain(id) => self.installation.config.chain(id),
        };
        let steps = chain.map(|chain| chain.steps.iter()).unwrap_or_default();
        let (config, only) = (&self.installation.config, chain.is_none().then_some(self.app));
        only.into_iter().chain(steps.filter_map(|step| config.app(step)))
    }

    /// The names of the link's apps, for people.
    pub(super) fn app_names(&self) -> Vec<&'a str> {
        self.apps().map(|app| &*app.profile.name).collect()
    }

    pub(in crate::cli) fn mail<'m>(
        &self,
        apps: &'m [&'m str],
        link: &'m SignedLink<String>,
        label: Option<&'m Label>,
        reference: Option<&'m Reference>,
    ) -> Mail<'m>
    where
        'a: 'm,
    {
        let login_origin = self.app.endpoints.authority.origin().ascii_serialization();
        let (leads, link_origin) = match self.direct {
            true => (Leads::ToMicrosoft, login_origin.clone()),
            false => (Leads::ToOurPage, self.installation.config.site.base_url.origin().ascii_serialization()),
        };
        Mail {
            operator: &self.installation.config.site.operator,
            support: &self.installation.config.site.support,
            apps,
            organisation: label.map(Label::as_str),
            reference: reference.map(Reference::as_str),
            link: &link.address,
            leads,
            link_origin,
            login_origin,
            ends: ends(link),
        }
    }

    /// Subject and text of the mail for a row of a table, in the row's language. If there are no sentences in that language, the mail is in
    /// `default`, and the result contains the reason.
    pub(super) fn mail_of_row(
        &self,
        apps: &[&str],
        default: Locale,
        customer: &Customer,
        link: &SignedLink<String>,
    ) -> (RowMail, Option<String>) {
        let mail = self.mail(apps, link, customer.label.as_ref(), customer.reference.as_ref());
        let (locale, remark) = match customer.language.as_deref().map(str::parse::<Locale>) {
            None => (default, None),
            Some(Ok(locale)) => (locale, None),
            Some(Err(error)) => (default, Some(format!("column language: {error}. The mail is in the language of --language"))),
        };
        let file = mail.file(locale, customer.contact.as_deref());
        let [organisation, reference] = [mail.organisation, mail.reference].map(|words| words.map(safe_within));
        let mail = Mail { organisation: organisation.as_deref(), reference: reference.as_deref(), ..mail };
        (RowMail { cells: [mail.subject(locale), mail.text(locale)], file }, remark)
    }
}

pub(super) fn ends(link: &SignedLink<String>) -> OffsetDateTime {
    crate::env::moment(link.expires_at)
}
