//! The fuzzing targets over their seeds and small edits of the seeds, so that the targets keep up with the code and their assertions hold
//! here too.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

#[expect(unreachable_pub, reason = "a library of its own for the fuzzer")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use targets::Stage;

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(!seeds.is_empty());
    seeds
}

/// Cuts, repeats and overwrites bytes at random positions.
fn edited(seeds: &[Vec<u8>], which: &Index, edits: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = which.get(seeds).clone();
    for (place, kind, byte) in edits {
        if bytes.is_empty() {
            break;
        }
        let at = place.index(bytes.len());
        match kind % 4 {
            0 => bytes[at] = *byte,
            1 => bytes.insert(at, *byte),
            2 => drop(bytes.remove(at)),
            _ => {
                let end = bytes.len().min(at + usize::from(*byte));
                let run = bytes[at..end].to_vec();
                bytes.splice(at..at, run);
            }
        }
    }
    bytes
}

fn over(folder: &str, target: impl Fn(&Stage, &[u8])) {
    let stage = Stage::default();
    let seeds = seeds(folder);
    for seed in &seeds {
        target(&stage, seed);
    }
    let edits = prop::collection::vec(any::<(Index, u8, u8)>(), 1..4);
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) });
    let ran = runner.run(&(any::<Index>(), edits), |(which, edits)| {
        target(&stage, &edited(&seeds, &which, &edits));
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn any_bytes_as_an_event_are_answered_and_recorded() {
    over("events", |stage, event| drop(stage.event(event)));
}

#[test]
fn any_query_comes_to_one_outcome_through_four_front_doors() {
    over("fuzz/seeds/callback", Stage::query);
}

#[test]
fn any_bytes_as_work_fail_message_by_message() {
    over("fuzz/seeds/work", |stage, event| {
        stage.work(event);
    });
}
