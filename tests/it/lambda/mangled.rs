//! State values mangled in transit, as reported from the field (protocol reference §1.3), through the real function.

use entra_sandbox::{TenantId, demo};

use super::events::through_every_door;
use super::function::Real;

#[tokio::test]
async fn a_mangled_ticket_is_a_damaged_link_with_a_page_that_helps() {
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
        ("a page title glued on", format!("admin_consent=True&tenant={tenant}&state={ticket}Sign+in+to+your+account")),
        ("a title behind #", format!("admin_consent=True&tenant={tenant}&state={ticket}#Sign%20in")),
        ("a title behind an encoded #", format!("admin_consent=True&tenant={tenant}&state={ticket}%23Sign%20in")),
        ("cut in the middle", format!("admin_consent=True&tenant={tenant}&state={}", &ticket[..half])),
        ("the last character cut", format!("admin_consent=True&tenant={tenant}&state={}", &ticket[..ticket.len() - 1])),
        ("the signature cut", format!("admin_consent=True&tenant={tenant}&state={}", &ticket[..ticket.len() - signature.len()])),
        ("the address cut at 2,048", cut.to_owned()),
        ("upper case", format!("admin_consent=True&tenant={tenant}&state={}", ticket.to_uppercase())),
        ("lower case", format!("admin_consent=True&tenant={tenant}&state={}", ticket.to_lowercase())),
        ("case swapped", format!("admin_consent=True&tenant={tenant}&state={swapped}")),
        ("encoded twice", format!("admin_consent=True&tenant={tenant}&state={}", ticket.replace('.', "%252E"))),
        ("an encoded # encoded again", format!("admin_consent=True&tenant={tenant}&state={ticket}%2523")),
        ("state=state=", format!("admin_consent=True&tenant={tenant}&state=state={ticket}")),
        ("state%3D", format!("admin_consent=True&tenant={tenant}&state=state%3D{ticket}")),
        ("twice", format!("admin_consent=True&tenant={tenant}&state={ticket}&state={ticket}")),
        ("twice in one", format!("admin_consent=True&tenant={tenant}&state={ticket},{ticket}")),
        ("quoted", format!("admin_consent=True&tenant={tenant}&state=%22{ticket}%22")),
        ("in angle brackets", format!("admin_consent=True&tenant={tenant}&state=<{ticket}>")),
        ("a full stop behind", format!("admin_consent=True&tenant={tenant}&state={ticket}.")),
        ("a space before", format!("admin_consent=True&tenant={tenant}&state=+{ticket}")),
        ("folded as mail is", format!("admin_consent=True&tenant={tenant}&state={}%0D%0A+{}", &ticket[..70], &ticket[70..])),
        ("a byte order mark", format!("admin_consent=True&tenant={tenant}&state=%EF%BB%BF{ticket}")),
        ("with an error beside", format!("error=access_denied&error_subcode=cancel&state={ticket}x")),
    ];
    for (what, query) in &cases {
        let mut first = None;
        for (kind, event) in through_every_door(query) {
            let ended = real.send_json(&event).await;
            assert_eq!((ended.status(), ended.outcome(), ended.events()), (400, "link_damaged", vec!["rejected"]), "{what}, {kind}");
            assert_eq!(ended.shown(), "link_damaged", "{what}, {kind}");
            for help in ["cut the link or added text to its end", "from the original message", "support@northwind.example"] {
                assert!(ended.body().contains(help), "{what}: {help} is missing in {}", ended.body());
            }
            assert!(ended.records[0].get("tenant").is_none(), "the callback's claims are discarded");
            let told = ended.told();
            assert_eq!(*first.get_or_insert(told.clone()), told, "{what}, {kind}");
        }
    }
    assert_eq!(real.calls(), 0, "no call to Microsoft");
}

/// Copied or logged addresses may end with a bare `#`. A door that decodes cannot distinguish it from an encoded one, so both get the same
/// treatment. No ticket contains `#`, so dropping it is safe.
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
