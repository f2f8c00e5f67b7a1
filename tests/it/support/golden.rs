//! Compares outputs word for word with files of the project. `UPDATE_GOLDEN=1 cargo test` rewrites the files; review the changes in the
//! diff of the commit.

use std::path::Path;

/// Compares a text with a file below `tests/it/golden`.
pub(crate) fn assert_same(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        assert!(std::env::var_os("CI").is_none(), "CI compares goldens and never writes them");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let update = "if that is meant, UPDATE_GOLDEN=1 cargo test";
    assert!(golden == text, "{file} differs; {update}. From its first difference on:\n{}", first_difference(&golden, text));
}

/// A few lines of both texts from the first line on which they differ.
fn first_difference(golden: &str, text: &str) -> String {
    let same = golden.lines().zip(text.lines()).take_while(|(one, other)| one == other).count();
    let from = |text: &str| text.lines().skip(same.saturating_sub(3)).take(20).collect::<Vec<_>>().join("\n");
    format!("--- line {}, the golden\n{}\n--- now\n{}", same + 1, from(golden), from(text))
}
