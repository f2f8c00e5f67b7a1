//! Outputs that are compared word for word with files of the project. `UPDATE_GOLDEN=1 cargo test` writes them anew; what changed is then
//! read in the difference of the commit.

use std::path::Path;

/// Compares a text with a file below `tests/it/golden`.
pub(crate) fn assert_same(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{file} differs; if that is meant, UPDATE_GOLDEN=1 cargo test. It is now:\n{text}");
}
