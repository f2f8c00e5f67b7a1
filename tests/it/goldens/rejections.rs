//! Rejected requests: invalid and expired tokens, requests that cannot be read, and answers of an incomplete installation.

use serde_json::{Value, json};

use super::doors::{DOORS, Door, Request, event};
use super::names::{Named, fixed, sign};
use super::product::{Product, Setup, demo};
use super::walk::{Walk, invitation};
use super::{assert_same, golden, pretty};

const NOW: u64 = 1_795_176_000;
const DAY: u64 = 86_400;

/// A ticket with some claims changed.
fn ticket(changed: Value) -> String {
    let mut claims = json!({
        "iat": NOW, "exp": NOW + 7_200, "jti": fixed(2), "app": "mail-backup", "ten": demo::CONTOSO, "inv": null, "lbl": null, "ref": null,
        "bnd": null,
    });
    claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    sign("ticket", "callback", claims)
}

fn receipt(changed: Value) -> String {
    let mut claims = json!({
        "iat": NOW, "exp": NOW + 30 * DAY, "jti": fixed(3), "tkt": fixed(2), "app": "mail-backup", "ten": demo::CONTOSO, "inv": null,
        "lbl": null, "ref": null, "clm": "success", "cod": null, "trc": null, "cor": null, "out": "pending", "cba": NOW, "bnd": "none",
        "late": false, "sgn": NOW, "stp": 0, "que": "no",
    });
    claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    format!("/r/{}", sign("receipt", "receipt", claims))
}

fn callback(query: &str) -> Request {
    Request::get(&format!("/callback?{query}"))
}

#[tokio::test]
async fn tokens_that_are_refused_keep_their_golden() {
    golden(
        "rejections/tokens",
        "by tokens signed with the key of the tests, and by texts that are no token",
        &DOORS,
        Setup::default,
        async |walk: &mut Walk| {
            let ended = json!({ "iat": NOW - 40 * DAY, "exp": NOW - 10 * DAY });
            for (what, request) in [
                ("a callback with a ticket that is no token", callback("admin_consent=True&state=x.y.z")),
                ("a result page that is no token", Request::get("/r/x.y.z")),
                ("an invitation that is no token", Request::get("/i/x.y.z")),
                ("the button of an invitation that is no token", Request::post("/i/x.y.z", "step=mail-backup")),
                ("a ticket used as a receipt", Request::get(&format!("/r/{}", ticket(json!({}))))),
                ("a ticket past its end", callback(&format!("admin_consent=True&state={}", ticket(ended.clone())))),
                ("a receipt past its end", Request::get(&receipt(ended.clone()))),
                ("a ticket of an app that is configured no more", callback(&format!("state={}", ticket(json!({ "app": "given-up" }))))),
                ("a receipt of an app that is configured no more", Request::get(&receipt(json!({ "app": "given-up" })))),
                ("a receipt past its end, for a program", Request::get(&receipt(ended)).for_json()),
            ] {
                walk.visit(what, request).await;
            }
            walk.advance(31 * DAY);
            let invitation = invitation(1, [Some("mail-backup"), None], &demo::CONTOSO.to_string());
            walk.visit("an invitation past its end", Request::get(&invitation)).await;
            walk.visit("its button", Request::post(&invitation, "step=mail-backup")).await;
        },
    )
    .await;
}

#[tokio::test]
async fn links_that_were_taken_back_keep_their_golden() {
    let setup = || Setup { more: format!("[links]\nrevoked = [\"{}\", \"{}\"]\n", fixed(1), fixed(2)), ..Setup::default() };
    golden("rejections/taken_back", "by tokens signed with the key of the tests", &DOORS, setup, async |walk: &mut Walk| {
        let invitation = invitation(1, [Some("mail-backup"), None], &demo::CONTOSO.to_string());
        walk.visit("the invitation", Request::get(&invitation)).await;
        walk.visit("its button", Request::post(&invitation, "step=mail-backup")).await;
        walk.visit("the ticket", callback(&format!("admin_consent=True&state={}", ticket(json!({}))))).await;
        walk.visit("the receipt", Request::get(&receipt(json!({})))).await;
    })
    .await;
}

#[tokio::test]
async fn requests_that_cannot_be_read_keep_their_golden() {
    golden("rejections/requests", "by requests that no page makes", &DOORS, Setup::default, async |walk: &mut Walk| {
        let state = format!("state={}", ticket(json!({})));
        let tenant = demo::CONTOSO;
        for (what, request) in [
            ("nothing arrived", Request::get("/callback")),
            ("a tenant that is no id", callback(&format!("admin_consent=True&tenant=t-1&{state}"))),
            ("a parameter that comes twice", callback(&format!("tenant={tenant}&tenant={tenant}&{state}"))),
            ("a parameter that is too long", callback(&format!("error={}&{state}", "x".repeat(129)))),
            ("too many parameters", callback(&format!("{}{state}", "a=b&".repeat(40)))),
            ("a query that is too large", callback(&format!("a={}&{state}", "x".repeat(17_000)))),
            ("a callback with another method", Request::get("/callback").with_method("PUT")),
            ("a callback in a form", Request::post("/callback", &format!("admin_consent=True&tenant={tenant}&{state}"))),
            ("a form of another type", Request::post("/callback", "x").with("content-type", "text/plain")),
            ("a form that is too large", Request::post("/callback", &"x".repeat(70_000))),
            ("the same for a program", Request::get("/callback").with_method("PUT").for_json()),
        ] {
            walk.visit(what, request).await;
        }
        walk.advance(61);
        for (what, request) in [
            ("no page", Request::get("/nowhere")),
            ("no page, for a program", Request::get("/nowhere").for_json()),
            ("below the callback", Request::get("/callback/")),
            ("the root", Request::get("/")),
            ("the root, for a program", Request::get("/").for_json()),
            ("the root with another method", Request::get("/").with_method("DELETE")),
            ("a health check", Request::get("/health")),
            ("a callback looked up by a scanner", callback(&state).with_method("HEAD")),
            ("a result page with another method", Request::get("/r/x.y.z").with_method("PUT")),
            ("an invitation with another method", Request::get("/i/x.y.z").with_method("PUT")),
            ("an invitation looked up by a scanner", Request::get("/i/x.y.z").with_method("HEAD")),
        ] {
            walk.visit(what, request).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_installation_without_its_keys_keeps_its_golden() {
    let setup = || Setup { without_keys: true, ..Setup::default() };
    golden("rejections/keys_unavailable", "by a key secret that cannot be read", &DOORS, setup, async |walk: &mut Walk| {
        walk.visit("a callback", callback(&format!("admin_consent=True&state={}", ticket(json!({}))))).await;
        walk.visit("a result page", Request::get(&receipt(json!({})))).await;
        walk.visit("an invitation", Request::get(&invitation(1, [Some("mail-backup"), None], "any"))).await;
        walk.visit("its button", Request::post(&invitation(1, [Some("mail-backup"), None], "any"), "step=mail-backup")).await;
        walk.visit("a callback of a program", callback("state=x.y.z").for_json()).await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_recorded_keeps_its_golden() {
    golden("rejections/not_recorded", "by records that cannot be written", &DOORS, Setup::default, async |walk: &mut Walk| {
        walk.product.leave_room_for(0);
        walk.meanwhile("no record can be written");
        let genuine = callback(&format!("admin_consent=True&state={}", ticket(json!({}))));
        let invitation = invitation(1, [Some("mail-backup"), None], &demo::CONTOSO.to_string());
        walk.visit("a callback", genuine.clone()).await;
        walk.visit("a callback without a ticket", callback("admin_consent=True")).await;
        walk.visit("an invitation", Request::get(&invitation)).await;
        walk.visit("its button", Request::post(&invitation, "step=mail-backup")).await;
        walk.visit("a program", genuine.clone().for_json()).await;
        walk.product.leave_room_for(1);
        walk.meanwhile("one record can be written");
        walk.visit("a callback", genuine).await;
    })
    .await;
}

#[tokio::test]
async fn events_that_are_no_requests_keep_their_golden() {
    golden("rejections/events", "by events of Lambda", &[Door::HttpApi], Setup::default, async |walk: &mut Walk| {
        for name in ["authorizer", "schedule", "web-socket"] {
            let file = format!("{}/events/not-http-{name}.json", env!("CARGO_MANIFEST_DIR"));
            walk.invoke(name, &std::fs::read_to_string(file).unwrap()).await;
        }
        walk.invoke("messages of a queue", r#"{"Records":[{"messageId":"m1","body":"x","eventSource":"aws:sqs"}]}"#).await;
        walk.invoke("an empty object", "{}").await;
        walk.invoke("a list", "[]").await;
        walk.invoke("no JSON", "GET / HTTP/1.1").await;
        let request = callback("admin_consent=True&state=x");
        let mut disagreeing = event(Door::RestApi, &request);
        disagreeing["queryStringParameters"]["state"] = json!("y");
        walk.invoke("two maps of parameters that disagree", &disagreeing.to_string()).await;
        let mut malformed = event(Door::HttpApi, &request);
        malformed["requestContext"]["http"]["method"] = json!("G T");
        walk.invoke("a method that is none", &malformed.to_string()).await;
        let mut malformed = event(Door::HttpApi, &Request::post("/callback", "x"));
        malformed["body"] = json!("no base64!");
        walk.invoke("a body that is not the base64 it claims to be", &malformed.to_string()).await;
    })
    .await;
}

/// Shows the form of an answer for each door of Lambda: a redirect with a cookie, a page, and JSON.
#[tokio::test]
async fn the_shape_of_an_answer_keeps_its_golden() {
    let mut golden = serde_json::Map::new();
    for door in DOORS.into_iter().filter(|door| *door != Door::Serve) {
        let product = Product::new(Setup::default()).await;
        let invitation = invitation(1, [Some("mail-backup"), None], &demo::CONTOSO.to_string());
        let mut answers = Vec::new();
        for request in [
            Request::post(&invitation, "step=mail-backup"),
            Request::get("/"),
            Request::get("/").for_json(),
            Request::get("/").with_method("PUT"),
        ] {
            let mut answer = product.callback(event(door, &request).to_string().as_bytes()).await;
            if answer["body"].as_str().is_some_and(|body| !body.is_empty()) {
                answer["body"] = json!("<body>");
            }
            for headers in ["headers", "multiValueHeaders"] {
                for (name, value) in answer.get_mut(headers).and_then(Value::as_object_mut).into_iter().flatten() {
                    let value_of = |value: &str| if name == "location" { value.to_owned() } else { "<value>".to_owned() };
                    *value = match value.take() {
                        Value::Array(values) => values.iter().map(|value| value_of(value.as_str().unwrap())).collect(),
                        other => json!(value_of(other.as_str().unwrap())),
                    };
                }
            }
            answers.push(answer);
        }
        let mut answers = json!(answers);
        Named::replace(&mut answers, &product.microsoft);
        // The address at Microsoft contains Microsoft's port a second time, encoded.
        let port = product.microsoft.rsplit(':').next().unwrap().to_owned();
        golden.insert(door.name().into(), serde_json::from_str(&answers.to_string().replace(&port, "PORT")).unwrap());
    }
    assert_same("walks/shapes.json", &pretty(&json!(golden)));
}
