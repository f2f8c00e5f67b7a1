//! The verifier's caches: checks, tokens, and checks in progress.

use std::pin::pin;

use entra_sandbox::RetryAfter;
use futures_util::future::{Either, join_all, select};

use super::*;

#[tokio::test]
async fn a_check_is_cached_for_30_seconds_with_its_age() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let first = stage.mail().await;
    stage.control.advance(Duration::from_secs(29));
    let again = stage.mail().await;
    assert!(first.fresh && !again.fresh);
    assert_eq!((again.at, again.upstream.len()), (first.at, 0));
    assert!(Arc::ptr_eq(&first.finding, &again.finding));
    stage.control.advance(Duration::from_secs(2));
    assert!(stage.mail().await.fresh);
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_look() {
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.fault(FaultAt::Token, Effect::Slow { millis: 150 });
    let checks = join_all((0..20).map(|_| stage.mail())).await;
    assert!(checks.iter().all(|check| verdict(check, &mail_profile()) == Verdict::AllRequired));
    assert_eq!(checks.iter().filter(|check| check.fresh).count(), 1);
    assert_eq!((stage.tokens(), stage.batches()), (1, 1));
}

#[tokio::test]
async fn caller_who_goes_away_delays_the_next_by_one_interval() {
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.control.fault(Fault::new(FaultAt::Token, Effect::Slow { millis: 10_000 }).times(1)).unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(100), stage.mail()).await;
    assert!(gone.is_err());
    stage.later();
    assert_eq!(verdict(&stage.mail().await, &mail_profile()), Verdict::AllRequired);
}

#[tokio::test]
async fn waiting_for_another_callers_look_counts_against_the_budget() {
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.fault(FaultAt::Token, Effect::Slow { millis: 5_000 });
    let (profile, credential) = (mail_profile(), secret(demo::APP_SECRET));
    let long = stage.check_within(&profile, MAIL, &credential, Duration::from_millis(900));
    let short = stage.check_within(&profile, MAIL, &credential, Duration::from_millis(200));
    match select(pin!(long), pin!(short)).await {
        Either::Right((short, _)) => assert_eq!(verdict(&short, &profile), Verdict::NoAnswer),
        Either::Left(_) => panic!("the short check waited for the end of the long one"),
    }
}

#[tokio::test]
async fn a_hundred_replays_cost_at_most_two_tokens() {
    let stage = Stage::new();
    stage.grant(READER);
    for _ in 0..100 {
        assert_eq!(verdict(&stage.reader().await, &reader_profile()), Verdict::AllRequired);
        stage.control.advance(Duration::from_secs(7));
    }
    assert!(stage.tokens() <= 2, "{}", stage.tokens());
}

#[tokio::test]
async fn a_cached_token_costs_one_round_trip_and_a_new_one_two() {
    let stage = Stage::new();
    stage.grant(READER);
    assert_eq!(stage.reader().await.upstream.len(), 2);
    stage.later();
    assert_eq!(stage.reader().await.upstream.len(), 1);
}

#[tokio::test]
async fn a_cached_token_is_not_used_close_to_its_end() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.reader().await;
    stage.control.advance(Duration::from_secs(3599 - 300));
    assert_eq!(verdict(&stage.reader().await, &reader_profile()), Verdict::AllRequired);
    assert_eq!(stage.tokens(), 2);
}

#[tokio::test]
async fn a_token_without_a_lifetime_is_not_cached() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.fault(FaultAt::Token, Effect::Member { name: "expires_in".into(), json: None });
    stage.reader().await;
    stage.later();
    stage.reader().await;
    assert_eq!(stage.tokens(), 2);
}

#[tokio::test]
async fn a_token_that_could_not_show_all_that_is_required_is_not_kept() {
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.mail().await;
    stage.later();
    stage.mail().await;
    assert_eq!((stage.tokens(), stage.batches()), (2, 2), "only fresh roles are evidence for an app without rights");
}

#[tokio::test]
async fn a_token_that_lacks_a_required_permission_is_not_kept_though_it_may_read_all() {
    let stage = Stage::new();
    let without_mail = vec![PermissionSet::graph(&["Directory.Read.All"], &["User.Read"])];
    stage.change(Change::Grant { tenant: TENANT, app: READER, permissions: Some(without_mail) });
    assert_eq!(verdict(&stage.reader().await, &reader_profile()), Verdict::SomeRequired);
    stage.later();
    assert_eq!(verdict(&stage.reader().await, &reader_profile()), Verdict::SomeRequired);
    assert_eq!((stage.tokens(), stage.batches()), (2, 2));
}

#[tokio::test]
async fn a_cached_token_that_lost_its_rights_is_replaced_within_the_look() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.reader().await;
    stage
        .control
        .fault(
            Fault::new(FaultAt::Part, Effect::Status { status: 403, code: None, retry_after: None })
                .on_path("oauth2PermissionGrants")
                .times(1),
        )
        .unwrap();
    stage.later();
    let check = stage.reader().await;
    assert_eq!(verdict(&check, &reader_profile()), Verdict::AllRequired, "{check:?}");
    assert_eq!((stage.tokens(), stage.batches()), (2, 3));
}

#[tokio::test]
async fn a_cached_token_that_lost_its_rights_is_used_no_more() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.reader().await;
    let denied = Effect::Status { status: 403, code: None, retry_after: None };
    stage.control.fault(Fault::new(FaultAt::Part, denied).on_path("oauth2PermissionGrants")).unwrap();
    stage.later();
    stage.reader().await;
    let (tokens, batches) = (stage.tokens(), stage.batches());
    stage.later();
    stage.reader().await;
    assert_eq!(stage.tokens() - tokens, stage.batches() - batches, "each batch uses a token minted for it");
}

#[tokio::test]
async fn a_clock_that_goes_back_blocks_no_check() {
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.mail().await;
    stage.control.clock().set(datetime!(2026-11-19 12:00 UTC));
    assert!(stage.mail().await.fresh);
}

#[tokio::test]
async fn a_future_retry_time_after_a_clock_change_blocks_nothing() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let throttled = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(60)) };
    stage.control.fault(Fault::new(FaultAt::Token, throttled).times(1)).unwrap();
    assert!(stage.mail().await.retry_after.is_some());
    stage.control.clock().set(datetime!(2026-11-19 12:00 UTC));
    assert!(stage.mail().await.fresh, "a new request to Microsoft");
}

#[tokio::test]
async fn a_check_from_the_future_is_not_reused() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let first = stage.mail().await;
    stage.control.clock().set(first.at - time::Duration::seconds(29));
    assert!(stage.mail().await.fresh);
    stage.control.advance(Duration::from_secs(29));
    assert!(!stage.mail().await.fresh);
    stage.control.advance(Duration::from_secs(1));
    assert!(stage.mail().await.fresh);
}

#[tokio::test]
async fn two_apps_in_one_tenant_are_looked_at_apart() {
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.grant(READER);
    assert!(stage.mail().await.fresh);
    assert!(stage.reader().await.fresh);
}

#[tokio::test]
async fn where_graph_is_unwell_a_cached_token_is_kept_and_fresh_roles_decide() {
    let stage = Stage::new();
    stage.grant(READER);
    let roles_only = profile(READER, "reader", &[(ResourceId::GRAPH, Application, "Mail.Read", Need::Required)]);
    let credential = secret(READER_SECRET);
    stage.check(&roles_only, READER, &credential).await;
    stage.control.fault(Fault::new(FaultAt::Batch, Effect::Html { status: 503 }).times(1)).unwrap();
    stage.later();
    let check = stage.check(&roles_only, READER, &credential).await;
    assert!(matches!(verdict(&check, &roles_only), Verdict::AllRequired | Verdict::Excess), "{check:?}");
    assert_eq!((stage.tokens(), stage.batches()), (2, 2), "one call to Graph in the check");
    stage.later();
    stage.check(&roles_only, READER, &credential).await;
    assert_eq!((stage.tokens(), stage.batches()), (2, 3));
}
