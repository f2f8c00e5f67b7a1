//! Answers of the token endpoint (recorded, documented or constructed), and the meaning of each.

use super::*;
use serde_json::json;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const CLIENT: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const TRACE: &str = "00000000-0000-4000-8000-000000000010";

fn endpoints() -> Endpoints {
    Endpoints::of(&crate::consent::Cloud::Global).unwrap()
}

fn read_as(resource: ResourceId, status: u16, body: &str) -> Result<AccessToken, TokenRefusal> {
    let endpoints = endpoints();
    let request = TokenRequest { endpoints: &endpoints, tenant: TENANT.parse().unwrap(), client: CLIENT.parse().unwrap(), resource };
    request.read(HttpAnswer { status, retry_after: None, body: body.as_bytes().to_vec() }, NOW)
}

fn read(status: u16, body: &str) -> Result<AccessToken, TokenRefusal> {
    read_as(ResourceId::GRAPH, status, body)
}

fn refused(status: u16, body: &str) -> Refused {
    read(status, body).unwrap_err().refused
}

fn jwt(claims: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn claims_with(changes: &[(&str, Value)]) -> Value {
    let mut claims = json!({
        "aud": "https://graph.microsoft.com", "tid": TENANT, "appid": CLIENT, "idtyp": "app", "ver": "1.0",
        "oid": "99999999-0000-4000-8000-000000000001", "roles": ["Mail.Read"],
    });
    for (name, value) in changes {
        claims[name] = value.clone();
    }
    claims
}

fn issued(token: &str) -> String {
    json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}).to_string()
}

fn error(status: u16, error: &str, code: u64) -> TokenRefusal {
    let body = json!({
        "error": error, "error_description": format!("AADSTS{code}: words.\r\nTrace ID: {TRACE}"), "error_codes": [code],
        "timestamp": "2026-01-02 03:04:05Z", "trace_id": TRACE, "correlation_id": "00000000-0000-4000-8000-000000000011",
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"), "suberror": "x",
    });
    read(status, &body.to_string()).unwrap_err()
}

#[test]
fn a_refusal_is_told_by_its_code_and_not_by_status_or_error() {
    for (status, name, code, meaning) in [
        (400, "unauthorized_client", 700_016, Obstacle::NotGranted),
        (401, "invalid_client", 7_000_229, Obstacle::NotGranted),
        (400, "invalid_grant", 65_001, Obstacle::NotGranted),
        (400, "invalid_client", 7_000_215, Obstacle::StaleCredential),
        (401, "invalid_client", 7_000_215, Obstacle::StaleCredential),
        (401, "invalid_client", 7_000_222, Obstacle::StaleCredential),
        (401, "invalid_client", 700_024, Obstacle::OwnCredential),
        (400, "invalid_scope", 1_002_012, Obstacle::OperatorFault),
        (400, "invalid_request", 900_023, Obstacle::TenantNotFound),
        (400, "invalid_request", 90_002, Obstacle::TenantNotFound),
        (400, "invalid_tenant", 90_002, Obstacle::TenantNotFound),
        (400, "invalid_grant", 53_003, Obstacle::BlockedByPolicy),
        (400, "invalid_grant", 50_196, Obstacle::LoopDetected),
        (401, "invalid_client", 7_000_112, Obstacle::Disabled),
        (400, "invalid_resource", 500_011, Obstacle::ResourceMissing(None)),
        (400, "invalid_client", 123_456_789, Obstacle::UnknownRefusal),
    ] {
        let refusal = error(status, name, code);
        assert_eq!(refusal.refused, Refused::Meaning(meaning), "{status} {name} {code}");
        assert_eq!(refusal.code.map(|code| u64::from(code.number())), Some(code));
        assert_eq!(refusal.trace_id.unwrap().to_string(), TRACE);
    }
}

#[test]
fn a_refusal_without_readable_codes_falls_back_to_its_error() {
    for (body, expected) in [
        (json!({"error": "invalid_client"}), Obstacle::UnknownRefusal),
        (json!({"error": "invalid_client", "error_codes": "7000215"}), Obstacle::UnknownRefusal),
        (json!({"error": "invalid_client", "error_codes": [-1, 1.5, null, "x", 1e30]}), Obstacle::UnknownRefusal),
        (json!({"error": "invalid_client", "error_codes": [1, 7_000_229]}), Obstacle::NotGranted),
        (json!({"error": "invalid_scope"}), Obstacle::OperatorFault),
        (json!({"error": "invalid_client", "error_description": "AADSTS7000229: no service principal"}), Obstacle::NotGranted),
    ] {
        assert_eq!(refused(400, &body.to_string()), Refused::Meaning(expected), "{body}");
    }
}

#[test]
fn an_unwell_service_says_only_that() {
    for status in [408, 429, 500, 502, 503, 504] {
        for body in ["<html>502 Bad Gateway</html>", "", "null", "{}", r#"{"error":"mystery"}"#] {
            assert_eq!(refused(status, body), Refused::NoAnswer(NoAnswer::Unwell), "{status} {body}");
        }
    }
    assert_eq!(error(503, "temporarily_unavailable", 90_033).refused, Refused::Meaning(Obstacle::Transient));
    for status in [100, 204, 301, 302, 307, 308, 600] {
        let body = json!({"error": "invalid_client", "error_codes": [7_000_229]}).to_string();
        assert_eq!(refused(status, &body), Refused::NoAnswer(NoAnswer::Unreadable), "{status}");
    }
    for body in ["<html>", "", "null", "[]", "{}", r#"{"error":7}"#, r#"{"error":"a","error":"b"}"#, "\u{feff}{\"error\":\"a\"}"] {
        assert_eq!(refused(400, body), Refused::NoAnswer(NoAnswer::Unreadable), "{body}");
    }
}

#[test]
fn a_loop_is_left_alone_for_a_minute_at_least() {
    assert_eq!(error(400, "invalid_grant", 50_196).retry_after, Some(Duration::from_secs(60)));
    let answer = |seconds| HttpAnswer {
        status: 400,
        retry_after: Some(Duration::from_secs(seconds)),
        body: json!({"error": "invalid_grant", "error_codes": [50_196]}).to_string().into_bytes(),
    };
    assert_eq!(refusal(&answer(5)).retry_after, Some(Duration::from_secs(60)));
    assert_eq!(refusal(&answer(300)).retry_after, Some(Duration::from_secs(300)));
}

#[test]
fn the_life_of_a_token_is_believed_only_within_reason() {
    let token = jwt(&claims_with(&[]));
    let with = |expires_in: &str| format!(r#"{{"token_type":"Bearer",{expires_in}"access_token":"{token}"}}"#);
    for (expires_in, seconds) in [
        (r#""expires_in":3599,"#, 3599),
        (r#""expires_in":"3599","#, 3599),
        ("", 300),
        (r#""expires_in":null,"#, 300),
        (r#""expires_in":1,"#, 1),
        (r#""expires_in":9223372036854775807,"#, 86_400),
    ] {
        let expires_at = read(200, &with(expires_in)).unwrap().expires_at;
        assert_eq!(expires_at - NOW, time::Duration::seconds(seconds), "{expires_in}");
    }
    for expires_in in ["0", "-1", "99999999999999999999", "1e30", "3599.5", r#""""#, r#""soon""#, r#""-5""#, "true", "[]"] {
        let body = with(&format!(r#""expires_in":{expires_in},"#));
        assert_eq!(refused(200, &body), Refused::NoAnswer(NoAnswer::Unreadable), "{expires_in}");
    }
}

#[test]
fn what_is_not_a_bearer_token_is_no_answer() {
    let token = jwt(&claims_with(&[]));
    for body in [
        "null".to_owned(),
        String::new(),
        "<html></html>".to_owned(),
        format!("\u{feff}{}", issued(&token)),
        format!("{} {{}}", issued(&token)),
        issued(""),
        issued("a b"),
        issued("a\r\nX-Evil: 1"),
        issued("tökén"),
        issued(&token).replace("Bearer", "pop"),
        issued(&token).replace("token_type", "kind"),
        issued(&token).replacen('{', r#"{"access_token":"other","#, 1),
        issued(&token).replacen('{', r#"{"token_type":"Bearer","#, 1),
        json!(["Bearer", 3599, token]).to_string(),
        json!({"error": "invalid_client", "error_codes": [7_000_229]}).to_string(),
    ] {
        assert_eq!(refused(200, &body), Refused::NoAnswer(NoAnswer::Unreadable), "{body}");
    }
}

#[test]
fn roles_are_read_from_a_token_that_is_ours() {
    let graph = |changes: &[(&str, Value)]| read(200, &issued(&jwt(&claims_with(changes)))).unwrap().claims;
    let roles = |changes: &[(&str, Value)]| graph(changes).map(|claims| claims.roles.into_iter().map(String::from).collect::<Vec<_>>());
    let mail = Some(vec!["Mail.Read".to_owned()]);
    assert_eq!(roles(&[]), mail);
    assert_eq!(roles(&[("tid", json!(TENANT.to_uppercase())), ("appid", json!(CLIENT.to_uppercase()))]), mail);
    assert_eq!(roles(&[("appid", Value::Null), ("azp", json!(CLIENT))]), mail);
    assert_eq!(roles(&[("idtyp", Value::Null)]), mail);
    assert_eq!(roles(&[("aud", json!("https://graph.microsoft.com/"))]), mail);
    assert_eq!(roles(&[("aud", json!("00000003-0000-0000-c000-000000000000"))]), mail);
    assert_eq!(roles(&[("roles", Value::Null)]), Some(vec![]), "a token without roles is normal and proves nothing");
    assert_eq!(graph(&[]).unwrap().object.unwrap().to_string(), "99999999-0000-4000-8000-000000000001");
}

#[test]
fn a_token_for_somebody_else_is_no_answer() {
    for (name, value) in [
        ("tid", json!("aaaabbbb-0000-cccc-1111-dddd2222eeef")),
        ("tid", json!("common")),
        ("appid", json!("00001111-aaaa-2222-bbbb-3333cccc4445")),
        ("idtyp", json!("user")),
        ("idtyp", json!("App")),
        ("aud", json!("00000002-0000-0000-c000-000000000000")),
        ("aud", json!("https://graph.microsoft.com.example")),
        ("aud", json!("https://graph.microsoft.us")),
        ("aud", json!("https://graph.microsoft.com/beta")),
        ("aud", json!("")),
    ] {
        let body = issued(&jwt(&claims_with(&[(name, value.clone())])));
        assert_eq!(refused(200, &body), Refused::NoAnswer(NoAnswer::SomebodyElses(name)), "{name} {value}");
    }
}

#[test]
fn a_token_that_cannot_be_read_or_does_not_say_whose_it_is_shows_nothing() {
    let duplicate = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!(r#"{{"tid":"{TENANT}","tid":"{TENANT}"}}"#)));
    for token in [
        "opaque".to_owned(),
        "a.b".to_owned(),
        "a.b.c".to_owned(),
        "a.b.c.d.e".to_owned(),
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode("null")),
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode("[]")),
        duplicate,
        jwt(&claims_with(&[("roles", json!("Mail.Read"))])),
        jwt(&claims_with(&[("roles", json!([1]))])),
        jwt(&claims_with(&[("tid", Value::Null)])),
        jwt(&claims_with(&[("appid", Value::Null)])),
        jwt(&claims_with(&[("aud", Value::Null)])),
        jwt(&json!({"roles": ["Mail.Read"]})),
    ] {
        assert_eq!(read(200, &issued(&token)).unwrap().claims, None, "{token}");
    }
}

#[test]
fn a_token_of_another_resource_is_told_from_graphs() {
    let read = |audience: &str| read_as(ResourceId::EXCHANGE_ONLINE, 200, &issued(&jwt(&claims_with(&[("aud", json!(audience))]))));
    for good in ["00000002-0000-0ff1-ce00-000000000000", "https://outlook.office365.com", "https://outlook.office365.com/", "api://x"] {
        assert!(read(good).unwrap().claims.is_some(), "{good}");
    }
    for bad in ["https://graph.microsoft.com", "https://graph.microsoft.com/", "00000003-0000-0000-c000-000000000000"] {
        assert_eq!(read(bad).unwrap_err().refused, Refused::NoAnswer(NoAnswer::SomebodyElses("aud")), "{bad}");
    }
}
