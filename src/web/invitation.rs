//! The invitation's routes: the page (`show`) and its button (`start`).

use http::StatusCode;
use time::OffsetDateTime;

use super::invitation_page::{CompanionStep, InvitationPage, Step, invitation};
use super::pages::{ASK, Notice};
use super::rejection::refused;
use super::reply::{self, Answer};
use super::request::{self, Request};
use crate::approval::renewal::{self, RenewalReply};
use crate::approval::start::{self, OpenInvitation, StartReply};
use crate::config::ConfiguredApp;
use crate::consent::Query;
use crate::consent::roles::role_needed;
use crate::env::moment;
use crate::installation::Installation;

pub(super) async fn show(installation: &Installation, request: &Request, token: &str) -> Answer {
    let OpenInvitation { invitation: opened, chain, first, apps, .. } = match start::show(installation, &request.visitor(), token).await {
        Ok(opened) => opened,
        Err(refusal) => return refused(installation, request, refusal),
    };
    let page = InvitationPage {
        branding: reply::branding(installation),
        organisation: opened.label.as_ref().map(|label| label.as_str()),
        reference: opened.reference.as_ref().map(|reference| reference.as_str()),
        address: &format!("{}/i/{token}", installation.issuer()),
        help_href: &format!("{}/help", installation.issuer()),
        expires_at: moment(opened.expires_at),
        chain: chain.map(|chain| &*chain.name),
        steps: apps
            .iter()
            .map(|app| Step {
                is_optional: chain.is_some_and(|chain| chain.optional.contains(&app.profile.id)),
                ..step(app, installation.clock.now())
            })
            .collect(),
        // All steps have this host, because the configuration refuses a chain across clouds.
        login_host: first.endpoints.authority.host_str().unwrap_or_default(),
    };
    reply::leading_away(reply::html(StatusCode::OK, invitation(&page)))
}

pub(super) async fn start(installation: &Installation, request: &Request, token: &str) -> Answer {
    let form = Query::parse(&request.body);
    // Another site can send the form only with the link, but then nobody in front of the page decided to ask.
    if form.first(ASK).is_some() && !request.is_cross_site() {
        return match renewal::ask(installation, &request.visitor(), token).await {
            Ok(RenewalReply::Sent) => reply::notice(installation, request, Notice::RenewalRequested),
            Ok(RenewalReply::NotSent) => reply::notice(installation, request, Notice::RenewalNotSent(reply::RETRY_SECONDS)),
            Err(refusal) => refused(installation, request, refusal),
        };
    }
    match start::start(installation, &request.visitor(), token, form.first("step")).await {
        Ok(StartReply::ToMicrosoft { address, secret, lives }) => {
            let mut answer = reply::see_other(address.as_str());
            reply::set_cookie(&mut answer, request::SECRET, &secret, lives);
            answer
        }
        Ok(StartReply::ToReceipt(address)) => reply::see_other(&address),
        Err(refusal) => refused(installation, request, refusal),
    }
}

fn step(app: &ConfiguredApp, now: OffsetDateTime) -> Step<'_> {
    Step {
        id: app.profile.id.as_str(),
        app: &app.profile.name,
        client_id: app.profile.client_id,
        purpose: app.profile.wording.purpose.as_deref(),
        permissions: &app.profile.expected,
        asked_by_name: app.scope.names_each(),
        role: role_needed(&app.profile.expected),
        is_optional: false,
        publisher: app.publisher.as_ref(),
        companion: app.companion.as_ref().map(|companion| CompanionStep::of(app, companion, now)),
    }
}
