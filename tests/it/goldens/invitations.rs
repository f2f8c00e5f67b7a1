//! The pages before and after a callback: invitations, the watch page of a companion, and the report of a chain.

use super::doors::{DOORS, Request};
use super::golden;
use super::product::{BASE, Change, READER, Setup, UserRole, demo};
use super::walk::{Walk, invitation};

const SIGNED: &str = "by an invitation signed with the key of the tests, then by a walk";

fn contoso() -> String {
    demo::CONTOSO.to_string()
}

fn grant(walk: &mut Walk, app: &str, change: Change) {
    walk.product.change(change);
    walk.meanwhile(&format!("{app} is approved in the portal"));
}

#[tokio::test]
async fn the_invitation_for_an_app_keeps_its_golden() {
    golden("invitations/app", SIGNED, &DOORS, Setup::default, async |walk: &mut Walk| {
        let address = invitation(1, [Some("mail-backup"), None], &contoso());
        walk.visit("the page", Request::get(&address)).await;
        walk.visit("a program", Request::get(&address).for_json()).await;
        walk.visit("a scanner", Request::get(&address).with_method("HEAD")).await;
        walk.visit("a button that the page does not have", Request::post(&address, "step=sign-in")).await;
        let first = walk.visit("the button", Request::post(&address, "step=mail-backup")).await;
        walk.visit("the button again, in the same browser", Request::post(&address, "step=mail-backup")).await;
        walk.visit_elsewhere("the button in another browser", Request::post(&address, "step=mail-backup")).await;
        let back = walk.decide(first.location(), demo::CONTOSO, UserRole::Administrator, "accept").await;
        let answer = walk.visit_elsewhere("another browser comes back", back).await;
        walk.visit_elsewhere("its result page", Request::get(answer.location())).await;
    })
    .await;
}

#[tokio::test]
async fn the_invitation_for_any_tenant_keeps_its_golden() {
    golden("invitations/any_tenant", SIGNED, &DOORS, Setup::default, async |walk: &mut Walk| {
        let address = invitation(1, [Some("mail-backup"), None], "any");
        walk.visit("the page", Request::get(&address)).await;
        walk.visit("the button", Request::post(&address, "step=mail-backup")).await;
        let companion = invitation(5, [Some("apple"), None], "any");
        walk.visit("the page for a companion", Request::get(&companion)).await;
        walk.visit("its button", Request::post(&companion, "step=apple")).await;
    })
    .await;
}

#[tokio::test]
async fn an_expired_invitation_that_asks_keeps_its_golden() {
    let allowed = || Setup { more: "[links]\nrenewal_requests = true\n".into(), ..Setup::default() };
    golden("invitations/asks", SIGNED, &DOORS, allowed, async |walk: &mut Walk| {
        let address = invitation(1, [Some("mail-backup"), None], &contoso());
        walk.advance(31 * 86_400);
        walk.visit("the page", Request::get(&address)).await;
        walk.visit("a page of another site", Request::post(&address, "ask=renewal").with("sec-fetch-site", "cross-site")).await;
        walk.visit("the button", Request::post(&address, "ask=renewal").with("sec-fetch-site", "same-origin")).await;
        walk.visit("a program", Request::post(&address, "ask=renewal").for_json().with("sec-fetch-site", "none")).await;
    })
    .await;
}

#[tokio::test]
async fn the_help_page_keeps_its_golden() {
    golden("invitations/help", "by the link of an invitation", &DOORS, Setup::default, async |walk: &mut Walk| {
        for (what, query) in
            [("the page", ""), ("a number", "?number=65004"), ("an unknown number", "?number=99999"), ("no number", "?number=x")]
        {
            walk.visit(what, Request::get(&format!("/help{query}"))).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_app_that_is_approved_already_keeps_its_golden() {
    golden("invitations/approved_already", SIGNED, &DOORS, Setup::default, async |walk: &mut Walk| {
        grant(walk, "mail-backup", Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: None });
        let address = invitation(1, [Some("mail-backup"), None], &contoso());
        let answer = walk.visit("the button", Request::post(&address, "step=mail-backup")).await;
        walk.result(&answer).await;
    })
    .await;
}

#[tokio::test]
async fn the_watch_page_of_a_companion_keeps_its_golden() {
    golden("invitations/companion", SIGNED, &DOORS, Setup::default, async |walk: &mut Walk| {
        grant(walk, "reader", Change::Grant { tenant: demo::CONTOSO, app: READER, permissions: None });
        let address = invitation(1, [Some("apple"), None], &contoso());
        walk.visit("the page", Request::get(&address)).await;
        let answer = walk.visit("the button", Request::post(&address, "step=apple")).await;
        let watch = answer.location().to_owned();
        walk.visit("the watch page", Request::get(&watch)).await;
        walk.visit("the watch page, for a program", Request::get(&watch).for_json()).await;
        walk.visit("the watch page, stopped", Request::get(&format!("{watch}?reload=off"))).await;
        grant(walk, "apple", Change::Grant { tenant: demo::CONTOSO, app: demo::APPLE, permissions: None });
        walk.advance(31);
        let answer = walk.visit("the watch page again", Request::get(&watch)).await;
        walk.result(&answer).await;
    })
    .await;
}

#[tokio::test]
async fn a_chain_keeps_its_golden() {
    golden("invitations/chain", SIGNED, &DOORS, Setup::default, async |walk: &mut Walk| {
        let address = invitation(1, [None, Some("onboarding")], &contoso());
        walk.visit("the page", Request::get(&address)).await;
        walk.visit("a button that does not say which app", Request::post(&address, "")).await;
        let answer = walk.visit("the button of the first app", Request::post(&address, "step=reader")).await;
        let callback = walk.decide(answer.location(), demo::CONTOSO, UserRole::Administrator, "accept").await;
        let answer = walk.visit("the browser comes back", callback).await;
        walk.result(&answer).await;
        let report = format!("{}/chain", answer.location());
        assert!(report.starts_with(BASE));
        walk.visit("the report", Request::get(&report)).await;
        walk.visit("the report, for a program", Request::get(&report).for_json()).await;
        grant(walk, "mail-backup", Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: None });
        grant(walk, "apple", Change::Grant { tenant: demo::CONTOSO, app: demo::APPLE, permissions: None });
        walk.advance(31);
        walk.visit("the report of a chain that is done", Request::get(&report)).await;
    })
    .await;
}
