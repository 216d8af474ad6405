//! Holds the table of the README, which says where each noun is, to the files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const README: &str = include_str!("../README.md");

/// The table's columns, as folders from this crate's.
const LAYERS: [&str; 6] = [
    "src/api",
    "src/sync",
    "src/ops",
    "src/store/types",
    "src/store/sql",
    "../cli/src/admin",
];

/// The section with the table.
fn section() -> &'static str {
    let (_, section) = README.split_once("## Where things are").unwrap();
    section.split_once("\n## ").unwrap().0
}

/// The names in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The sources of a folder, without those of folders below.
fn sources(folder: &str) -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "rs"))
}

#[test]
fn a_noun_has_the_files_that_the_readme_says() {
    let (table, tools) = section().split_once("\nBesides nouns").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<&str>> = rows
        .map(|row| row.split('|').map(str::trim).collect())
        .collect();
    let tools: BTreeSet<&str> = quoted(tools).collect();
    for (layer, folder) in LAYERS.iter().enumerate() {
        // The columns are between the outer bars; the first is the noun.
        let said: BTreeSet<String> = rows
            .iter()
            .filter(|row| row[layer + 2] == "yes")
            .flat_map(|row| quoted(row[1]))
            .map(str::to_owned)
            .collect();
        let there: BTreeSet<String> = sources(folder)
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|name| !tools.contains(name.as_str()))
            .collect();
        assert_eq!(said, there, "{folder}");
    }
}

#[test]
fn no_handler_calls_the_store() {
    for path in ["src/api", "src/api/keys", "src/sync"]
        .into_iter()
        .flat_map(sources)
    {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            !text.contains(".store"),
            "{path:?} has to ask a use-case of ops/"
        );
    }
}
