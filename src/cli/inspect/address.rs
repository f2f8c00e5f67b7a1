//! Checks whether this installation issues the address around a token. Anyone who has seen a genuine token can put it behind any address,
//! and browsers follow the address.

use url::Url;

use super::bounded;
use super::pasted_input::{Address, PastedInput};
use crate::consent::{Expectation, ExpectedTenant, TenantId};
use crate::installation::Installation;
use crate::token::Ticket;
use crate::token::unchecked::{Said, Unchecked};

/// The differences between the address on one side, and the token or the installation on the other. Each makes the address unsafe to
/// follow. Without an installation, this only compares the values that both address and token contain.
pub(super) fn disagreements(given: &PastedInput, read: &Unchecked, installation: Option<&Installation>) -> Vec<String> {
    let mut found = Vec::new();
    let ticket = match &read.said {
        Said::Ticket(Ticket { expectation, .. }) => Some(expectation),
        Said::Invitation(_) | Said::Receipt(_) | Said::Order(_) => None,
    };
    match (&given.address, ticket) {
        (Address::None, _) => {}
        (Address::Page(kind), _) => {
            if *kind != read.kind() {
                found.push(format!("The address is one of a page for {}s, and this is none.", kind.name()));
            }
            found.extend(installation.zip(given.at.as_ref()).and_then(|(installation, at)| elsewhere(installation, at, folder(at))));
        }
        (Address::Microsoft { .. } | Address::Callback { .. }, None) => {
            found.push(format!("The address is one that takes a ticket, and this is a token of another kind: {}.", read.kind().name()));
        }
        (Address::Microsoft { tenant, .. }, Some(expectation)) => {
            if is_another(*tenant, expectation) {
                found.push("The address leads to another tenant than the ticket was made for: it was changed.".to_owned());
            }
            found.extend(
                installation
                    .zip(given.at.as_ref())
                    .map(|(installation, at)| changed(installation, at, given, expectation))
                    .unwrap_or_default(),
            );
        }
        (Address::Callback { tenant, .. }, Some(expectation)) => {
            if is_another(*tenant, expectation) {
                found.push("It came back from another tenant than the ticket was made for (`wrong_tenant`).".to_owned());
            }
            let folder = |at: &Url| at.path().strip_suffix("/callback").map(str::to_owned);
            found.extend(installation.zip(given.at.as_ref()).and_then(|(installation, at)| elsewhere(installation, at, folder(at))));
        }
        (Address::Other, _) => found.push("No page of this program has an address of this form.".to_owned()),
    }
    found
}

fn is_another(tenant: Option<TenantId>, expectation: &Expectation) -> bool {
    matches!((tenant, expectation.tenant), (Some(tenant), ExpectedTenant::Tenant(expected)) if tenant != expected)
}

/// The path above the page's own segment and its token.
fn folder(page: &Url) -> Option<String> {
    page.path().rsplitn(3, '/').nth(2).map(str::to_owned)
}

/// Reports an address of a page that is not at the installation's address. `folder` is the path that the installation's address must have;
/// `None` if no path is possible.
fn elsewhere(installation: &Installation, at: &Url, folder: Option<String>) -> Option<String> {
    let base = &installation.config.site.base_url;
    let is_here = at.origin() == base.origin() && folder.is_some_and(|folder| folder == base.path().trim_end_matches('/'));
    (!is_here).then(|| {
        let leads = bounded(&at.origin().ascii_serialization());
        format!("The address leads to another place, at {leads}; this site's addresses begin with {}/.", installation.issuer())
    })
}

/// Reports the parts of a Microsoft address that differ from this installation's own.
fn changed(installation: &Installation, at: &Url, given: &PastedInput, expectation: &Expectation) -> Vec<String> {
    // If the app is no longer configured, there is nothing to compare with, and another remark already reports that.
    let Some(app) = installation.config.app(&expectation.app) else { return Vec::new() };
    let ours = installation.consent_address(app, expectation.tenant, &given.token);
    let mut found = Vec::new();
    if !app.endpoints.is_authority(at) {
        let (leads, authority) = (bounded(&at.origin().ascii_serialization()), ours.origin().ascii_serialization());
        found.push(format!("The address leads to {leads}, and Microsoft's consent page for this app is at {authority}."));
    }
    if !at.path().eq_ignore_ascii_case(ours.path()) {
        found.push(format!("Its path is not the one that this site gives out, {}.", ours.path()));
    }
    let all = |address: &Url, name: &str| -> Vec<String> {
        address.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    };
    for (name, told) in [
        ("client_id", format!("The address asks for the app {{}}, and `{}` is {}.", expectation.app, app.profile.client_id)),
        ("redirect_uri", format!("The browser would come back to another address than {}: {{}}.", installation.redirect_address())),
        ("scope", format!("The address asks for {{}}, and this site asks for {}.", app.scope.as_str())),
        ("state", "The address has more than one ticket.".to_owned()),
    ] {
        let (is, should) = (all(at, name), all(&ours, name));
        let same = is.len() == should.len() && is.iter().zip(&should).all(|(is, should)| is.eq_ignore_ascii_case(should));
        if !same {
            found.push(told.replace("{}", &bounded(&is.join(", "))));
        }
    }
    found
}
