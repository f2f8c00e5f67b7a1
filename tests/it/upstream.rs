//! If the file of recordings exists, replays the recorded answers of the token endpoint and of Graph through a complete check.
//!
//! The tables of `src/entra/token/tests.rs` and `src/entra/graph` contain the same facts; this test adds the recordings' exact bytes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_consent::consent::finding::Visible;
use entra_consent::consent::{ResourceId, Verdict};
use entra_sandbox::{Change, Effect, FaultAt, Kind};
use serde_json::{Value, json};

use crate::lambda::events::given_data;
use crate::verify::{MAIL, READER, Stage, TENANT, mail_profile, reader_profile, verdict};

fn token(changes: &Value, audience: &str) -> String {
    let mut claims = json!({
        "aud": audience, "tid": TENANT, "appid": MAIL, "idtyp": "app", "oid": "99999999-0000-4000-8000-000000000001",
        "roles": ["Mail.Read", "User.Read.All"],
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn filled(text: &str, audience: &str) -> String {
    let text = text.replace("{TENANT}", &TENANT.to_string()).replace("{CLIENT_ID}", &MAIL.to_string());
    let text = text.replace("https://graph.microsoft.com\"", &format!("{audience}\""));
    text.replace("{TOKEN}", &token(&Value::Null, audience))
}

fn answer(line: &Value, audience: &str) -> Effect {
    let body = match (line.get("raw_body"), line.get("body"), line.get("claims")) {
        (Some(raw), _, _) => filled(raw.as_str().unwrap(), audience),
        (_, Some(body), _) => filled(&body.to_string(), audience),
        (_, _, Some(claims)) => {
            let mut claims: Value = serde_json::from_str(&filled(&claims.to_string(), audience)).unwrap();
            // This recording lists the other claims, so the absent claim is what it shows.
            if claims.get("tid").is_some() && claims.get("roles").is_none() {
                claims["roles"] = Value::Null;
            }
            json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token(&claims, audience)}).to_string()
        }
        other => panic!("a line without an answer: {other:?}"),
    };
    let headers: BTreeMap<String, String> =
        line.get("headers").map(|headers| serde_json::from_value(headers.clone()).unwrap()).unwrap_or_default();
    Effect::Verbatim { status: u16::try_from(line["status"].as_u64().unwrap()).unwrap(), headers, body }
}

async fn replay_token(line: &Value) {
    let (id, classify) = (&line["id"], line["classify"].as_str().unwrap());
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.fault(FaultAt::Token, answer(line, stage.sandbox.url()));
    let check = stage.mail().await;
    let seen = verdict(&check, &mail_profile());
    let expected: &[Verdict] = match classify.split([':', ' ', ',', ';']).next().unwrap() {
        "not_yet_or_not_granted" => &[Verdict::NothingSeen],
        "our_fault_secret" | "config_error" | "clock_skew" => &[Verdict::OperatorFault],
        "bug_in_our_validation" => &[Verdict::TenantNotFound],
        "self_inflicted_throttle" | "malformed_upstream" | "refuse" | "throttled" | "transient" => &[Verdict::NoAnswer],
        "tolerate" | "granted" => &[Verdict::AllRequired, Verdict::Excess],
        "token" => &[Verdict::NothingSeen, Verdict::NoAnswer],
        other => panic!("{id}: a classification this test does not know: {other}"),
    };
    assert!(expected.contains(&seen), "{id} is {classify}: {seen:?} {check:?}");
    if classify.starts_with("self_inflicted_throttle") {
        assert!(check.retry_after.unwrap().as_secs() >= 60);
    }
}

async fn replay_graph(line: &Value) {
    let (id, classify) = (&line["id"], line["classify"].as_str().unwrap());
    for at in [FaultAt::Batch, FaultAt::Part] {
        let is_list = line["body"].get("value").is_some();
        let is_redirect = line["status"] == 302;
        if (is_list && at == FaultAt::Batch) || (is_redirect && at == FaultAt::Part) {
            continue;
        }
        let stage = Stage::new();
        stage.change(Change::Grant { tenant: TENANT, app: READER, permissions: None });
        // A token without readable roles, so that only Graph's answer counts.
        stage.fault(FaultAt::Token, Effect::OpaqueToken);
        let effect = answer(line, stage.sandbox.url());
        if is_list {
            stage.fault_on_part("appRoleAssignments", effect)
        } else {
            stage.fault(at, effect)
        }
        let check = stage.reader().await;
        let seen = verdict(&check, &reader_profile());
        let expected = match classify.split([':', ' ', ',', ';']).next().unwrap() {
            "not_yet_or_not_granted" => Verdict::NothingSeen,
            "throttled" | "transient" | "refuse" | "granted" => Verdict::NoAnswer,
            other => panic!("{id}: a classification this test does not know: {other}"),
        };
        assert_eq!(seen, expected, "{id} at {at:?} is {classify}: {check:?}");
        assert!(check.finding.assess(&reader_profile()).difference.missing.is_empty() || seen == Verdict::NothingSeen);
        assert_eq!(stage.control.count(Kind::Graph), 0, "{id}: no foreign page, no redirect");
        if is_list {
            assert!(matches!(check.finding.application, Visible::Partly(_)), "{id}");
        }
        assert!(!check.finding.fresh_roles.contains_key(&ResourceId::GRAPH));
    }
}

#[tokio::test]
async fn recorded_answers_are_taken_for_what_they_are() {
    let Some(data) = given_data() else {
        println!("ABSENT: the recorded answers are not on this machine; they were not replayed");
        return;
    };
    let recordings = std::fs::read_to_string(data.join("upstream.jsonl")).unwrap();
    let mut replayed = 0;
    for line in recordings.lines().filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["endpoint"].as_str().unwrap() {
            "token" => replay_token(&line).await,
            "graph" => replay_graph(&line).await,
            other => panic!("an endpoint this test does not know: {other}"),
        }
        replayed += 1;
    }
    println!("replayed {replayed} recorded answers");
    assert!(replayed > 0);
}
