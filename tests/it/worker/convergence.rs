//! Standard queues deliver messages more than once and in any order. The transitions and their IDs are still the same every time.

use std::collections::BTreeSet;

use entra_consent::approval::follow_up::{Delivery, carry_out};
use entra_sandbox::{Change, PermissionSet, demo};
use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};

use super::super::support::stage::Stage;
use super::{of_kind, stage};

/// The result of a run: all transition IDs, the published IDs, and the final outcome.
#[derive(Debug, PartialEq, Eq)]
struct End {
    transitions: BTreeSet<String>,
    told: BTreeSet<String>,
    last: String,
}

fn id(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Microsoft shows half of the approval after some checks, and all of it after some more. `whims` decides for each delivery whether it is
/// duplicated, comes after later messages, or is followed by a restart of the process.
async fn run(whims: &[u8]) -> (Stage, End) {
    let stage = stage().await;
    let ticket = super::super::support::stage::ticket_of(&stage.link(demo::CONTOSO).await);
    stage.claim_success(&ticket, demo::CONTOSO).await;
    let mut whims = whims.iter().copied().chain(std::iter::repeat(0));
    let mut delivered: Vec<String> = Vec::new();
    for round in 0..60 {
        if round == 4 {
            let half = vec![PermissionSet::graph(&["Mail.Read"], &[])];
            stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: Some(half) });
        }
        if round == 9 {
            stage.grant(demo::CONTOSO, demo::APP);
        }
        let Some(message) = stage.outbox.take_next() else { break };
        let wait = message.due - stage.clock.unix_seconds();
        stage.advance(u64::try_from(wait).unwrap_or(0).max(31));
        let whim = whims.next().unwrap_or(0);
        delivered.push(message.body.clone());
        let mut bodies = vec![message.body.clone()];
        if whim & 1 == 1 {
            bodies.push(message.body.clone());
        }
        if whim & 2 == 2 {
            // The queue delivers an old message again, after newer messages.
            bodies.push(delivered[usize::from(whim >> 2) % delivered.len()].clone());
        }
        for body in bodies {
            carry_out(&stage.worker, Delivery { id: &message.id, body: &body, received: message.received, receipt: None }).await;
        }
    }
    let transitions = of_kind(&stage, "concluded").iter().map(|record| id(&record["transition"])).collect();
    let told = stage.outbox.events().iter().map(|event| id(&event["id"])).collect();
    let last = id(&of_kind(&stage, "settled").last().unwrap()["outcome"]["after"]);
    (stage, End { transitions, told, last })
}

#[test]
fn repeated_and_reordered_messages_converge() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Runs { cases: 12, ..Runs::default() });
    runner
        .run(&proptest::collection::vec(any::<u8>(), 30), |whims| {
            let (stage, end) = runtime.block_on(run(&whims));
            let records = of_kind(&stage, "concluded");
            let ticket = records[0]["ticket"].clone();
            prop_assert!(records.iter().all(|record| record["ticket"] == ticket));
            // Repeats do not change the path of the outcomes: nothing, half, all.
            let way: BTreeSet<_> = records.iter().map(|record| record["outcome"].to_string()).collect();
            let expected: BTreeSet<_> = [("null", "pending"), ("\"pending\"", "granted_in_part"), ("\"granted_in_part\"", "granted")]
                .map(|(before, after)| format!("{{\"after\":\"{after}\",\"before\":{before}}}"))
                .into();
            prop_assert!(way.is_superset(&expected), "{:?}", way);
            // A late delivery of an old message may find a later state at once. This is one more true transition, and it leads to the same
            // final outcome.
            let late: BTreeSet<_> = way.difference(&expected).cloned().collect();
            prop_assert!(late.iter().all(|way| way == "{\"after\":\"granted\",\"before\":\"pending\"}"), "{:?}", late);
            prop_assert_eq!(end.transitions.len(), way.len(), "one id for each transition");
            prop_assert_eq!(&end.transitions, &end.told, "every recorded transition is published");
            prop_assert_eq!(end.last.as_str(), "granted");
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_link_that_is_used_twice_on_one_day_has_both_its_ends_recorded() {
    let stage = stage().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    for _ in 0..2 {
        assert_eq!(stage.claim_success(&ticket, demo::CONTOSO).await.outcome(), "pending");
        stage.grant(demo::CONTOSO, demo::APP);
        stage.work(3_600).await;
        stage.change(Change::Delete { tenant: demo::CONTOSO, app: demo::APP });
        stage.advance(3_600);
    }
    let ends: Vec<_> = of_kind(&stage, "settled").iter().map(|record| record["outcome"]["after"].clone()).collect();
    assert_eq!(ends, ["granted", "granted"]);
    let granted = of_kind(&stage, "concluded").into_iter().filter(|record| record["outcome"]["after"] == "granted");
    assert_eq!(granted.count(), 2);
}
