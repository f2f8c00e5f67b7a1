//! The real AWS client against moto: the assumptions of the tests with secrets.

use crate::support::moto::Moto;

#[tokio::test]
async fn a_secret_that_was_put_is_got_in_its_current_version() {
    let moto = Moto::start();
    let client = moto.secrets_manager();
    client.create_secret().name("site/ticket-key").secret_string("first").send().await.expect("created");
    client.put_secret_value().secret_id("site/ticket-key").secret_string("second").send().await.expect("put");

    let current = client.get_secret_value().secret_id("site/ticket-key").version_stage("AWSCURRENT").send().await.expect("got");
    assert_eq!(current.secret_string(), Some("second"));
    let previous = client.get_secret_value().secret_id("site/ticket-key").version_stage("AWSPREVIOUS").send().await.expect("got");
    assert_eq!(previous.secret_string(), Some("first"));
}

#[tokio::test]
async fn an_unknown_secret_is_not_a_failure() {
    let moto = Moto::start();
    let error = moto.secrets_manager().get_secret_value().secret_id("nobody/made-this").send().await.expect_err("unknown");
    assert!(error.into_service_error().is_resource_not_found_exception());
}

#[test]
fn a_dropped_server_listens_no_more_and_another_is_a_world_of_its_own() {
    let first = Moto::start();
    let second = Moto::start();
    assert_ne!(first.url, second.url);
    let address = first.url.trim_start_matches("http://").to_owned();
    drop(first);
    assert!(std::net::TcpStream::connect(address).is_err());
}
