//! The product has one crypto and TLS stack, and the Lambdas link no crate that only the command line needs.
//!
//! `Cargo.lock` cannot show this, because it lists crates behind optional features that are never built (ring, through reqwest's QUIC).
//! `cargo tree` resolves the crates that are really linked. Only normal edges count, because build scripts and tests do not reach
//! production.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates that a feature set links, as `name version`.
fn linked(features: &[&str]) -> BTreeSet<(String, String)> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .expect("cargo tree prints UTF-8")
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().expect("a line names a crate").to_owned();
            let version = words.next().and_then(|word| word.strip_prefix('v')).expect("a line names a version").to_owned();
            (name, version)
        })
        .collect()
}

fn versions<'a>(linked: &'a BTreeSet<(String, String)>, name: &str) -> Vec<&'a str> {
    linked.iter().filter(|(linked, _)| linked == name).map(|(_, version)| version.as_str()).collect()
}

/// Names of crates with which a second TLS, HTTP or crypto stack would be linked (ecosystem reference §1).
fn second_stacks(linked: &BTreeSet<(String, String)>) -> Vec<String> {
    const NEVER: [&str; 13] = [
        "ring",
        "openssl",
        "openssl-sys",
        "native-tls",
        "hyper-tls",
        "rsa",
        "p256",
        "p384",
        "ed25519-dalek",
        "rustls-rustcrypto",
        "mbedtls",
        "boring",
        "boring-sys",
    ];
    const LEGACY: [(&str, &str); 4] = [("rustls", "0.21."), ("hyper", "0.14."), ("h2", "0.3."), ("http", "0.2.")];
    linked
        .iter()
        .filter(|(name, version)| {
            NEVER.contains(&name.as_str()) || LEGACY.iter().any(|(legacy, start)| name == legacy && version.starts_with(start))
        })
        .map(|(name, version)| format!("{name} {version}"))
        .collect()
}

#[test]
fn aws_lc_rs_is_the_only_crypto_and_tls_stack() {
    for features in [&[][..], &["--no-default-features"], &["--all-features"]] {
        let linked = linked(features);
        assert_eq!(second_stacks(&linked), Vec::<String>::new(), "with {features:?}");
        for single in ["rustls", "aws-lc-rs", "aws-lc-sys", "hyper"] {
            assert_eq!(versions(&linked, single).len(), 1, "{single} with {features:?}: {:?}", versions(&linked, single));
        }
    }
}

#[test]
fn the_lambdas_link_no_crate_of_the_command_line() {
    let lambda = linked(&["--no-default-features"]);
    for terminal in ["axum", "clap", "indicatif", "console", "comfy-table", "entra-sandbox"] {
        assert_eq!(versions(&lambda, terminal), Vec::<&str>::new(), "{terminal}");
    }
    let everything = linked(&[]);
    assert!(!versions(&everything, "clap").is_empty(), "the default features contain the command line, else this test proves nothing");
}

#[test]
fn a_second_stack_is_noticed() {
    let crates = |all: &[(&str, &str)]| all.iter().map(|(name, version)| ((*name).into(), (*version).into())).collect();
    assert_eq!(
        second_stacks(&crates(&[("ring", "0.17.14"), ("rustls", "0.21.12"), ("rustls", "0.23.46"), ("openssl-probe", "0.2.2")])),
        ["ring 0.17.14", "rustls 0.21.12"]
    );
}

#[test]
fn the_table_of_dependencies_has_every_one_and_no_other() {
    let table = include_str!("../../docs/dependencies.md");
    let listed: BTreeSet<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let manifests = [include_str!("../../Cargo.toml"), include_str!("../../crates/sandbox/Cargo.toml")];
    let manifests = manifests.map(|manifest| toml::from_str::<toml::Table>(manifest).unwrap());
    let named = manifests.iter().flat_map(|manifest| {
        ["dependencies", "dev-dependencies"].into_iter().flat_map(|section| manifest[section].as_table().unwrap().keys())
    });
    assert_eq!(listed, named.map(String::as_str).collect());
}
