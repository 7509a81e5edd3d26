//! The documents keep to their bounds: the README is short, every link leads somewhere, no absent document is named.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of the README.
const LINES: usize = 120;
/// The documents whose links are followed, beside those in `docs`.
const DOCUMENTS: &[&str] =
    &["README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md", "vectors/README.md"];
/// Top folders: text in backticks that begins with one of them is a path.
const FOLDERS: &[&str] =
    &[".ci", "benches", "bindings", "docs", "examples", "fuzz", "crates", "src", "tests", "vectors"];
/// Folders that builds and runs leave.
const LEFT: &[&str] = &["target", ".git", "live-state", "moq-dev-state", "node_modules", "corpus", "found"];
/// Endings of files that may name a document; those without one are scripts.
const TEXTS: &[&str] = &["md", "rs", "toml", "py", "sh", "yml", ""];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a text")
}

/// Returns every file below `folder`, by its path from the root, without what builds and runs leave.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            if !entry.path().is_dir() {
                found.push(path.to_string_lossy().into_owned());
            } else if !LEFT.contains(&name.as_str()) {
                folders.push(path);
            }
        }
    }
    found
}

fn documents() -> Vec<String> {
    let docs = files("docs").into_iter().filter(|path| path.ends_with(".md"));
    DOCUMENTS.iter().map(|path| (*path).to_owned()).chain(docs).collect()
}

/// Returns the lines of a Markdown text that are not in a code block.
fn prose(text: &str) -> Vec<&str> {
    let mut in_code = false;
    let outside = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    };
    text.lines().filter(outside).collect()
}

/// Returns the targets of all links and pictures.
fn links(text: &str) -> Vec<String> {
    let text = prose(text).join("\n");
    let ends = text.split("](").skip(1);
    ends.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// Returns each text in backticks, up to its first space or colon, that is a path from the root.
fn quoted_paths(text: &str) -> Vec<String> {
    let quoted = prose(text).into_iter().flat_map(|line| line.split('`').skip(1).step_by(2));
    let paths = quoted.filter_map(|quoted| quoted.split([' ', ':']).next());
    let is_path = |path: &&str| {
        let folder = path.split_once('/').map(|(folder, _)| folder);
        folder.is_some_and(|folder| FOLDERS.contains(&folder)) && !path.contains(['*', '<', '{', '$'])
    };
    paths.filter(is_path).map(str::to_owned).collect()
}

/// Returns the anchors that a page shows for the headings of a document.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().chars();
        let kept = kept.filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// Says what is wrong with a link in `document`; `None` if it leads somewhere.
fn broken(document: &str, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let here = root().join(document);
    let file = if path.is_empty() { here } else { here.parent().expect("a folder").join(path) };
    if !file.exists() {
        return Some(format!("{document}: {link}: no such file"));
    }
    let missing = !anchor.is_empty()
        && !anchors(&fs::read_to_string(file).expect("a text")).iter().any(|known| known == anchor);
    missing.then(|| format!("{document}: {link}: no such heading"))
}

/// Returns every name of a Markdown document in a text.
fn named_documents(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || ['.', '/', '_', '-'].contains(&c);
    let words = text.split(|c| !is_part(c)).map(|word| word.trim_end_matches('.'));
    words.filter(|word| word.ends_with(".md") && word.len() > 3).map(str::to_owned).collect()
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= LINES, "README.md has {lines} lines, over {LINES}");
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut wrong = Vec::new();
    for document in documents() {
        wrong.extend(links(&read(&document)).iter().filter_map(|link| broken(&document, link)));
    }
    assert!(wrong.is_empty(), "broken links:\n{}", wrong.join("\n"));
}

#[test]
fn every_path_in_backticks_exists() {
    let mut wrong = Vec::new();
    for document in documents() {
        let paths = quoted_paths(&read(&document));
        let absent = paths.iter().filter(|path| !root().join(path).exists());
        wrong.extend(absent.map(|path| format!("{document}: {path}")));
    }
    assert!(wrong.is_empty(), "no such files:\n{}", wrong.join("\n"));
}

#[test]
fn no_absent_document_is_named() {
    // Of the top level only what is the project's: others may keep folders of their own beside it.
    let beside = fs::read_dir(root()).expect("a folder").flatten().filter(|entry| !entry.path().is_dir());
    let beside = beside.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let all: Vec<String> = FOLDERS.iter().flat_map(|folder| files(folder)).chain(beside).collect();
    // The name may be from the root, from the file's folder, or the file's name alone.
    let exists = |name: &str| {
        let name = name.trim_start_matches("./").trim_start_matches("../").trim_start_matches('/');
        all.iter().any(|path| path == name || path.ends_with(&format!("/{name}")))
    };
    let is_text = |path: &&String| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        TEXTS.contains(&ending)
    };
    let mut wrong = Vec::new();
    for path in all.iter().filter(is_text) {
        let Ok(text) = fs::read_to_string(root().join(path)) else { continue };
        let absent = named_documents(&text).into_iter().filter(|name| !exists(name));
        wrong.extend(absent.map(|name| format!("{path}: {name}")));
    }
    assert!(wrong.is_empty(), "absent documents are named:\n{}", wrong.join("\n"));
}

#[test]
fn links_paths_anchors_and_names_are_found() {
    let absent = concat!("no-such-document", ".md");
    let text = format!(
        "## A `b`, c-d\n[x]({absent}) ![y](crowd.svg#z) `src/{absent} --help` `a` `tests/*.rs`\n\
         ```sh\n[no](link) # no heading\n```\n"
    );
    assert_eq!(links(&text), [absent, "crowd.svg#z"]);
    assert_eq!(quoted_paths(&text), [format!("src/{absent}")]);
    assert_eq!(anchors(&text), ["a-b-c-d"]);
    assert_eq!(named_documents(&text), [absent.to_owned(), format!("src/{absent}")]);
    assert!(broken("README.md", absent).is_some_and(|why| why.ends_with("no such file")));
    assert!(broken("README.md", "#no-such-heading").is_some_and(|why| why.ends_with("no such heading")));
    assert_eq!(broken("README.md", "tests/README.md#coverage"), None);
}
