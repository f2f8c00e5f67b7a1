//! One genuine link, opened without limit: the records stay few, they count every visit, and each new outcome gets a record.

use entra_consent::consent::{ExpectedTenant, ProfileId};
use entra_consent::token::Subject;
use entra_sandbox::{UserRole, demo};
use serde_json::{Value, json};

use super::support::stage::{Stage, ticket_of};
use crate::support::same_id;

const REPLAYS: u64 = 3_000;

fn counted(records: &[Value]) -> u64 {
    records.iter().map(|record| record["count"].as_u64().unwrap_or(1)).sum()
}

fn of_event<'a>(records: &'a [Value], event: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["event"] == event).collect()
}

#[tokio::test]
async fn thousands_of_replays_of_one_ticket_are_a_few_lines_and_every_one_is_counted() {
    let stage = Stage::new().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    for replay in 0..REPLAYS {
        let tenant = format!("99990000-aaaa-bbbb-cccc-{replay:012}");
        let url = format!("{}/callback?admin_consent=True&tenant={tenant}&state={ticket}", stage.base);
        let page = stage.http.get(url).header("accept", "application/json").send().await.unwrap();
        assert_eq!(page.status(), 409);
    }
    assert_eq!(stage.control.upstream_calls(), 0);
    let lines = stage.records();
    assert_eq!(lines.len(), 2 * 5, "five claims in full");
    stage.installation.records.settle().unwrap();
    let records = stage.records();
    assert_eq!(counted(&records), 2 * 5 + (REPLAYS - 5), "every other claim is counted once");
    let about = &of_event(&records, "claimed")[0]["ticket"];
    assert!(of_event(&records, "suppressed").iter().all(|record| record["ticket"] == *about));
}

#[tokio::test]
async fn the_approval_in_the_middle_of_a_flood_is_recorded_as_if_there_were_none() {
    let stage = Stage::new().await;
    let link = stage.link(demo::CONTOSO).await;
    let ticket = ticket_of(&link);
    let flood = async || {
        for _ in 0..100 {
            stage.claim(&ticket, "error=access_denied&error_subcode=cancel&admin_consent=True").await;
        }
    };
    flood().await;
    assert_eq!(of_event(&stage.records(), "concluded").last().unwrap()["outcome"]["after"], "declined");
    let before = stage.records().len();
    let answer = stage.decide(&link, demo::CONTOSO, UserRole::Administrator, "accept").await;
    stage.advance(1);
    let page = stage.open(answer.headers()["location"].to_str().unwrap()).await;
    assert_eq!(page.outcome(), "granted");
    let records = stage.records();
    let new: Vec<_> = records[before..].iter().filter(|record| record["event"] != "suppressed").collect();
    let events: Vec<_> = new.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["claimed", "concluded"]);
    assert_eq!((&new[0]["claim"]["kind"], &new[1]["outcome"]["after"]), (&json!("success"), &json!("granted")));
    flood().await;
    stage.installation.records.settle().unwrap();
    let records = stage.records();
    assert_eq!(of_event(&records, "claimed").len(), 5 + 1, "five of the flood, and the first of a further class");
    assert_eq!(counted(&records), 2 * 6 + 195, "every other claim has one line or is counted once");
    let first_of = |outcome: &str| records.iter().filter(|record| record["outcome"]["after"] == outcome).count();
    assert!(first_of("granted") >= 1 && first_of("declined") >= 1);
    assert!(records.len() < 100, "{}", records.len());
}

#[tokio::test]
async fn an_invitation_that_scanners_open_and_press_without_end_hides_no_other() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let (subject, life) = (Subject::App(ProfileId::parse("mail-backup").unwrap()), stage.installation.config.links.invitation);
    let invite = async || {
        let tenant = ExpectedTenant::Tenant(same_id(demo::CONTOSO));
        stage.installation.invitation(subject.clone(), tenant, None, None, life).await.unwrap()
    };
    let (id, address) = invite().await;
    for _ in 0..300 {
        stage.get(&address).await;
        let pressed = stage.read(stage.http.post(&address).send().await.unwrap()).await;
        assert!(pressed.header("location").unwrap().contains("/r/"), "the answer is the same, with a line or without");
    }
    let (other, address) = invite().await;
    stage.get(&address).await;
    assert_eq!(stage.last_record()["invitation"], other.to_string());
    let lines = stage.records();
    assert!(lines.len() < 60, "{}", lines.len());
    assert!(["seen", "started", "concluded"].iter().all(|event| !of_event(&lines, event).is_empty()));
    stage.advance(20 * 60);
    stage.get(&address).await;
    let records = stage.records();
    assert_eq!(counted(&records), 2 * 300 + 3, "the next line of another 20 minutes contains the rest");
    let found: std::collections::BTreeSet<_> = of_event(&records, "concluded").iter().map(|record| record["ticket"].to_string()).collect();
    assert_eq!(found.len(), 1, "presses of one button in quick succession share a ticket");
    for told in of_event(&records, "suppressed") {
        let about_it = told["invitation"] == id.to_string() || found.contains(&told["ticket"].to_string());
        assert!(about_it, "{told}");
    }
}
