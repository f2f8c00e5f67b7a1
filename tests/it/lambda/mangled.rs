//! State values mangled in transit, as reported from the field (protocol reference §1.3), through the real function.

use entra_sandbox::{TenantId, demo};
use serde_json::json;

use super::events::through_every_door;
use super::function::Real;

#[tokio::test]
async fn a_ticket_that_needs_a_guess_is_a_damaged_link() {
    let mut real = Real::start().await;
    real.test.approve(demo::CONTOSO);
    let ticket = real.ticket(demo::CONTOSO).await;
    let tenant = demo::CONTOSO;
    let swapped: String =
        ticket.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
    let half = ticket.len() / 2;
    let (_, signature) = ticket.rsplit_once('.').unwrap();
    let long = format!("https://consent.northwind.example/callback?scope={}&state={ticket}", "x".repeat(1_800));
    let (_, cut) = long[..2_048].split_once('?').unwrap();
    assert!(cut.contains("&state=eyJ") && !cut.contains(&ticket), "the cut goes through the ticket");
    let cases = [
        ("cut in the middle", format!("admin_consent=True&tenant={tenant}&state={}", &ticket[..half])),
        ("the last character cut", format!("admin_consent=True&tenant={tenant}&state={}", &ticket[..ticket.len() - 1])),
        ("the signature cut", format!("admin_consent=True&tenant={tenant}&state={}", &ticket[..ticket.len() - signature.len()])),
        ("the address cut at 2,048", cut.to_owned()),
        ("upper case", format!("admin_consent=True&tenant={tenant}&state={}", ticket.to_uppercase())),
        ("lower case", format!("admin_consent=True&tenant={tenant}&state={}", ticket.to_lowercase())),
        ("case swapped", format!("admin_consent=True&tenant={tenant}&state={swapped}")),
        ("encoded twice", format!("admin_consent=True&tenant={tenant}&state={}", ticket.replace('.', "%252E"))),
        ("state=state=", format!("admin_consent=True&tenant={tenant}&state=state={ticket}")),
        ("state%3D", format!("admin_consent=True&tenant={tenant}&state=state%3D{ticket}")),
        ("twice", format!("admin_consent=True&tenant={tenant}&state={ticket}&state={ticket}")),
        ("quoted", format!("admin_consent=True&tenant={tenant}&state=%22{ticket}%22")),
        ("in angle brackets", format!("admin_consent=True&tenant={tenant}&state=<{ticket}>")),
        ("text inside", format!("admin_consent=True&tenant={tenant}&state={}", ticket.replacen('.', "..", 1))),
        ("twice behind &amp;", format!("admin_consent=True&tenant={tenant}&state={ticket}&amp;state={ticket}")),
        ("escaped twice", format!("admin_consent=True&amp;amp;state={ticket}&state=x")),
        ("a space before", format!("admin_consent=True&tenant={tenant}&state=+{ticket}")),
        ("folded as mail is", format!("admin_consent=True&tenant={tenant}&state={}%0D%0A+{}", &ticket[..70], &ticket[70..])),
        ("a byte order mark", format!("admin_consent=True&tenant={tenant}&state=%EF%BB%BF{ticket}")),
    ];
    for (what, query) in &cases {
        let mut first = None;
        for (kind, event) in through_every_door(query) {
            let ended = real.send_json(&event).await;
            assert_eq!((ended.status(), ended.outcome(), ended.events()), (400, "link_damaged", vec!["rejected"]), "{what}, {kind}");
            assert_eq!(ended.shown(), "link_damaged", "{what}, {kind}");
            for help in ["cut the link, or added text to its end", "from the original message", "support@northwind.example"] {
                assert!(ended.body().contains(help), "{what}: {help} is missing in {}", ended.body());
            }
            assert!(ended.records[0].get("tenant").is_none(), "the callback's claims are discarded");
            let told = ended.told();
            assert_eq!(*first.get_or_insert(told.clone()), told, "{what}, {kind}");
        }
    }
    assert_eq!(real.calls(), 0, "no call to Microsoft");
}

/// The function recovers a ticket with appended text, and reads `&amp;` as `&`. Each query has a tenant of its own.
#[tokio::test]
async fn a_ticket_that_can_be_recovered_is_recovered() {
    let mut real = Real::start().await;
    let mut tenants = 0x7777_0000_0000_4000_8000_0000_0001_0000..;
    let damage = |kind: &str, bytes: usize| json!({"kind": kind, "bytes": bytes});
    for (query, mangling) in [
        ("admin_consent=True&tenant=TENANT&state=TICKETSign+in+to+your+account", vec![damage("appended_text", 23)]),
        ("state=TICKET%23Sign%20in&tenant=TENANT&admin_consent=True", vec![damage("appended_text", 8)]),
        ("admin_consent=True&tenant=TENANT&state=TICKETA", vec![damage("appended_text", 1)]),
        ("admin_consent=True&tenant=TENANT&state=TICKET%2523", vec![damage("appended_text", 3)]),
        ("admin_consent=True&tenant=TENANT&state=TICKET,TICKET", vec![]),
        ("admin_consent=True&tenant=TENANT&state=TICKET.", vec![damage("appended_punctuation", 1)]),
        ("admin_consent=True&tenant=TENANT&state=TICKET/", vec![damage("appended_punctuation", 1)]),
        ("admin_consent=True&tenant=TENANT&state=TICKET%5D),", vec![damage("appended_punctuation", 3)]),
        ("admin_consent=True&tenant=TENANT&state=TICKET+", vec![damage("appended_space", 1)]),
        ("admin_consent=True&tenant=TENANT&state=TICKET%2520", vec![damage("appended_space", 3)]),
        ("admin_consent=True&amp;tenant=TENANT&amp;state=TICKET", vec![damage("escaped_ampersand", 8)]),
        (
            "admin_consent=True&amp;tenant=TENANT&amp;state=TICKET%C3%9Cbersicht",
            vec![damage("appended_text", 10), damage("escaped_ampersand", 8)],
        ),
    ] {
        let tenant = TenantId::from_u128(tenants.next().unwrap());
        real.test.approve(tenant);
        let sent = query.replace("TENANT", &tenant.to_string()).replace("TICKET", &real.ticket(tenant).await);
        let mut first = None;
        for (kind, event) in through_every_door(&sent) {
            let ended = real.send_json(&event).await;
            assert_eq!(
                (ended.status(), ended.outcome(), ended.events()),
                (303, "granted", vec!["claimed", "concluded"]),
                "{query}, {kind}"
            );
            if !mangling.is_empty() {
                assert_eq!(ended.records[0]["mangling"], json!(mangling), "{query}");
            }
            let told = ended.told();
            assert_eq!(*first.get_or_insert(told.clone()), told, "{query}, {kind}");
        }
    }
    let refused = real.ticket(demo::WOODGROVE).await;
    let query = format!("error=access_denied&error_subcode=cancel&state={refused}x&y=1&y=2&session_state=1&session_state=2");
    let ended = real.send_json(&through_every_door(&query).remove(0).1).await;
    assert_eq!((ended.outcome(), &ended.records[0]["unknown_parameters"]), ("declined", &json!(2)));
}

/// Copied or logged addresses may end with a bare `#`. A door that decodes cannot tell a bare `#` from an encoded one, so the function
/// treats both alike. No ticket contains `#`, so it is safe to drop.
#[tokio::test]
async fn a_bare_hash_at_the_end_is_no_damage() {
    let mut real = Real::start().await;
    let mut first = None;
    let mut tenants = 0x7777_0000_0000_4000_8000_0000_0000_0000..;
    for query in [
        "admin_consent=True&tenant=TENANT&state=TICKET",
        "admin_consent=True&tenant=TENANT&state=TICKET#",
        "admin_consent=True&tenant=TENANT&state=TICKET%23",
        "state=TICKET&tenant=TENANT&admin_consent=True#",
        "state=TICKET&admin_consent=True&tenant=TENANT#",
    ] {
        let tenant = TenantId::from_u128(tenants.next().unwrap());
        real.test.approve(tenant);
        let query = query.replace("TENANT", &tenant.to_string()).replace("TICKET", &real.ticket(tenant).await);
        for (kind, event) in through_every_door(&query) {
            let ended = real.send_json(&event).await;
            assert_eq!((ended.status(), ended.outcome()), (303, "granted"), "{query} through {kind}");
            let told = format!("{:?}", ended.told_of_any_ticket()).replace(&tenant.to_string(), "TENANT");
            assert_eq!(*first.get_or_insert(told.clone()), told, "{query} through {kind}");
        }
    }
}
