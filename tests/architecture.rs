//! What may name what in `src`: no circle of files, mls-rs in one place, and no file that is too long.
//!
//! An edge goes from a file to each file that a path in it names, by `use` or in the code: the longest
//! part of the path that is a module with a file. A path through a re-export leads to the file that
//! re-exports. A `mod` line alone is no edge. Test modules and files named `tests.rs` may name anything.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a file that does not say why it is longer.
const LINES: usize = 400;

/// What a longer file says in its module documentation, with the reason.
const EXCUSE: &str = "Over 400 lines";

/// Files beside those of `mls` that may name mls-rs.
const NAME_MLS_RS: &[&str] = &["lib.rs", "testing/seeded_crypto.rs"];

/// Every source file's text, by its path under `src`, with `/` between folders.
type Sources = BTreeMap<String, String>;
/// What each file names.
type Edges = BTreeMap<String, BTreeSet<String>>;

fn sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Sources::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let parts = path.strip_prefix(&root).expect("under src").components();
                let name: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
                all.insert(name.join("/"), fs::read_to_string(&path).expect("text"));
            }
        }
    }
    all
}

/// Cuts a source text into tokens, without comments, and with every literal as `""`. `::` is one token.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut deep = 0_usize;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (deep, i) = (deep + 1, i + 2),
                    ('*', '/') => (deep, i) = (deep - 1, i + 2),
                    _ => i += 1,
                }
                if deep == 0 || i >= chars.len() {
                    break;
                }
            }
        } else if c == '"' {
            i += 1;
            while i < chars.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
            out.push("\"\"".to_owned());
        } else if c == '\'' {
            // A character, unless it is a lifetime.
            if at(i + 1) == '\\' {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            } else if at(i + 2) == '\'' {
                i += 3;
            } else {
                i += 1;
            }
            out.push("''".to_owned());
        } else if c.is_alphanumeric() || c == '_' {
            let from = i;
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            let word: String = chars[from..i].iter().collect();
            let hashes = (0..).take_while(|n| at(i + n) == '#').count();
            if matches!(word.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                i += hashes + 1;
                while i < chars.len() && !chars[i..].starts_with(&end) {
                    i += 1;
                }
                i += end.len();
                out.push("\"\"".to_owned());
            } else {
                out.push(word);
            }
        } else if c == ':' && at(i + 1) == ':' {
            out.push("::".to_owned());
            i += 2;
        } else {
            if !c.is_whitespace() {
                out.push(c.to_string());
            }
            i += 1;
        }
    }
    out
}

/// The index after the sign that closes the one at `open`.
fn after_closing(tokens: &[String], open: usize) -> usize {
    let mut deep = 0_usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "{" | "[" | "(" => deep += 1,
            "}" | "]" | ")" => deep -= 1,
            _ => {}
        }
        if deep == 0 {
            return i + 1;
        }
    }
    tokens.len()
}

/// Leaves out test modules that are written inline.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let word = |i: usize| tokens.get(i).map_or("", String::as_str);
    let mut out = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        if word(i) == "#" && word(i + 1) == "[" && word(i + 2) == "cfg" {
            let end = after_closing(&tokens, i + 1);
            let for_tests =
                word(i + 4) == "test" || (word(i + 4) == "all" && (i + 5..end).any(|at| word(at) == "test"));
            if for_tests && word(end) == "mod" && word(end + 2) == "{" {
                i = after_closing(&tokens, end + 2);
                continue;
            }
        }
        out.push(tokens[i].clone());
        i += 1;
    }
    out
}

/// The module that a file holds, as the names from the root on.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if stem == "lib" { Vec::new() } else { stem.split('/').map(str::to_owned).collect() }
}

/// Every path that the leaves of a `use` tree name. Returns the index after the tree.
fn use_tree(tokens: &[String], mut i: usize, before: &[String], out: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(i).map_or("", String::as_str) {
            "{" => {
                i += 1;
                while tokens.get(i).is_some_and(|token| token != "}") {
                    i = use_tree(tokens, i, &path, out);
                    if tokens.get(i).is_some_and(|token| token == ",") {
                        i += 1;
                    }
                }
                return i + 1;
            }
            "::" => i += 1,
            "as" => i += 2,
            "" | ";" | "," | "}" => {
                out.push(path);
                return i;
            }
            word => {
                path.push(word.to_owned());
                i += 1;
            }
        }
    }
}

/// The file that a path names, seen from the module `here`; `None` for what is not of this crate.
fn resolve(path: &[String], here: &[String], modules: &BTreeMap<Vec<String>, String>) -> Option<String> {
    let mut rest = path;
    let mut base = match rest.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => here.to_vec(),
        first => {
            let child = [here, &[first.to_owned()]].concat();
            if !modules.contains_key(&child) {
                return None;
            }
            here.to_vec()
        }
    };
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" | "self" => {}
            "super" => {
                base.pop();
            }
            _ => break,
        }
        rest = others;
    }
    base.extend(rest.iter().cloned());
    (0..=base.len()).rev().find_map(|len| modules.get(&base[..len]).cloned())
}

/// What one file names.
fn names(file: &str, text: &str, modules: &BTreeMap<Vec<String>, String>) -> BTreeSet<String> {
    let tokens = without_tests(tokens(text));
    let word = |i: usize| tokens.get(i).map_or("", String::as_str);
    let mut here = module_of(file);
    // How deep the braces were where each inline module began.
    let mut inline: Vec<usize> = Vec::new();
    let mut deep = 0_usize;
    let mut found = BTreeSet::new();
    let mut i = 0;
    while i < tokens.len() {
        match word(i) {
            "mod" if word(i + 2) == "{" => {
                here.push(word(i + 1).to_owned());
                inline.push(deep);
                deep += 1;
                i += 3;
                continue;
            }
            "{" => deep += 1,
            "}" => {
                deep = deep.saturating_sub(1);
                if inline.last() == Some(&deep) {
                    inline.pop();
                    here.pop();
                }
            }
            // Not `use<'a>`, which says what a type captures.
            "use" if word(i + 1) != "<" => {
                let mut paths = Vec::new();
                i = use_tree(&tokens, i + 1, &[], &mut paths);
                found.extend(paths.iter().filter_map(|path| resolve(path, &here, modules)));
                continue;
            }
            _ if word(i + 1) == "::" && (i == 0 || word(i - 1) != "::") => {
                let is_visibility =
                    i > 2 && word(i - 1) == "in" && word(i - 2) == "(" && word(i - 3) == "pub";
                let mut path = vec![word(i).to_owned()];
                while word(i + 1) == "::" && word(i + 2).chars().all(|c| c.is_alphanumeric() || c == '_') {
                    path.push(word(i + 2).to_owned());
                    i += 2;
                }
                if !is_visibility {
                    found.extend(resolve(&path, &here, modules));
                }
            }
            _ => {}
        }
        i += 1;
    }
    found.remove(file);
    found
}

fn edges(sources: &Sources) -> Edges {
    let modules = sources.keys().map(|file| (module_of(file), file.clone())).collect();
    let named = |(file, text): (&String, &String)| (file.clone(), names(file, text, &modules));
    sources.iter().filter(|(file, _)| !is_tests(file)).map(named).collect()
}

fn is_tests(file: &str) -> bool {
    file == "tests.rs" || file.ends_with("/tests.rs")
}

/// A shortest way along the edges, at least one long, with both ends.
fn way(edges: &Edges, from: &str, to: &str) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(file) = queue.pop_front() {
        for next in edges.get(file).into_iter().flatten() {
            if came_from.contains_key(next.as_str()) {
                continue;
            }
            came_from.insert(next, file);
            if next == to {
                let mut back = vec![to.to_owned()];
                let mut at = file;
                while at != from {
                    back.push(at.to_owned());
                    at = came_from[at];
                }
                back.push(from.to_owned());
                back.reverse();
                return Some(back);
            }
            queue.push_back(next);
        }
    }
    None
}

/// One shortest circle for each set of files that reach each other, as `a.rs -> b.rs -> a.rs`.
fn circles(edges: &Edges) -> Vec<String> {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut out = Vec::new();
    for file in edges.keys() {
        if told.contains(file.as_str()) {
            continue;
        }
        let Some(mut shortest) = way(edges, file, file) else { continue };
        for other in edges.keys() {
            if way(edges, file, other).is_some() && way(edges, other, file).is_some() {
                told.insert(other);
                shortest =
                    way(edges, other, other).filter(|way| way.len() < shortest.len()).unwrap_or(shortest);
            }
        }
        out.push(shortest.join(" -> "));
    }
    out
}

/// True if the text's first lines, which document the module, give a reason for its length.
fn is_excused(text: &str) -> bool {
    text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains(EXCUSE))
}

fn made_up(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

/// A file of `tests` that neither the suite nor the manifest names would never run.
#[test]
fn every_file_of_tests_is_run() {
    for (package, least) in [(".", 40), ("examples/live", 15)] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(package);
        let read = |path: &str| fs::read_to_string(root.join(path)).expect("text");
        let (suite, manifest) = (read("tests/suite.rs"), read("Cargo.toml"));
        let entries = fs::read_dir(root.join("tests")).expect("a folder");
        let mut sources: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        sources.retain(|path| path.is_dir() || path.extension().is_some_and(|ending| ending == "rs"));
        assert!(sources.len() > least, "{package}: {} files", sources.len());
        for path in sources {
            let name = path.file_stem().expect("a name").to_string_lossy();
            let module = suite.lines().any(|line| *line == format!("mod {name};"));
            let program = manifest.contains(&format!("[[test]]\nname = \"{name}\"\n"));
            assert!(module != program, "{path:?} is a module of suite.rs: {module}; a program: {program}");
        }
    }
}

#[test]
fn no_files_name_each_other_in_a_circle() {
    let circles = circles(&edges(&sources()));
    assert!(circles.is_empty(), "circles of files under src:\n{}", circles.join("\n"));
}

#[test]
fn nobody_names_what_the_root_re_exports() {
    for (file, names) in edges(&sources()) {
        assert!(!names.contains("lib.rs"), "src/{file} names an item of the crate root, not of its module");
    }
}

#[test]
fn only_the_engine_over_mls_rs_names_it() {
    for (file, text) in &sources() {
        let may = file == "mls.rs" || file.starts_with("mls/") || NAME_MLS_RS.contains(&file.as_str());
        let does = tokens(text).iter().any(|token| token == "mls_rs" || token.starts_with("mls_rs_"));
        assert!(may || !does, "src/{file} names mls-rs");
    }
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| text.lines().count() > LINES && !is_excused(text))
        .map(|(file, text)| format!("src/{file}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "over {LINES} lines and no \"{EXCUSE}\" with a reason:\n{}", long.join("\n"));
}

#[test]
fn a_made_up_circle_is_found() {
    let circle = made_up(&[
        ("lib.rs", "mod a; mod b; mod c; pub use a::A;"),
        ("a.rs", "use crate::b::{self, deep::{X as Y, Z}};"),
        ("b.rs", "mod inner; struct B; impl B { fn f() -> crate::c::C { todo!() } }"),
        ("b/inner.rs", "struct Alone;"),
        ("c.rs", "pub(in crate::b) use super::a::A;"),
    ]);
    assert_eq!(circles(&edges(&circle)), ["a.rs -> b.rs -> c.rs -> a.rs"]);

    let child =
        made_up(&[("a.rs", "mod b; pub use b::B;"), ("a/b.rs", "use super::Shared;"), ("lib.rs", "mod a;")]);
    assert_eq!(circles(&edges(&child)), ["a.rs -> a/b.rs -> a.rs"]);
    let root = made_up(&[("a.rs", "fn f(_: crate::A) {}"), ("lib.rs", "mod a; pub use a::A;")]);
    assert_eq!(circles(&edges(&root)), ["a.rs -> lib.rs -> a.rs"]);
    let two = made_up(&[
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "use crate::a::A;"),
        ("c.rs", "use crate::d::D; use crate::a::A;"),
        ("d.rs", "use crate::c::C;"),
        ("lib.rs", ""),
    ]);
    assert_eq!(circles(&edges(&two)), ["a.rs -> b.rs -> a.rs", "c.rs -> d.rs -> c.rs"]);
}

#[test]
fn what_is_no_edge_makes_no_circle() {
    let fine = made_up(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            r####"
            //! See [`B`](crate::b::B).
            mod under { pub(super) struct A; fn f() -> super::A { let c = '"'; let l: &'static str; } }
            /* use crate::b::B; /* nested */ use crate::b::B; */
            const TEXT: &str = "use crate::b::B; \" crate::b::B";
            const RAW: &str = r#"" crate::b::B"#;
            #[cfg(test)]
            mod tests { use crate::b::B; }
            #[cfg(all(test, feature = "x"))]
            mod more { use crate::b::B; }
            "####,
        ),
        ("a/tests.rs", "use crate::b::B; use super::*;"),
        ("b.rs", "use crate::a::A; use std::fmt;"),
    ]);
    let edges = edges(&fine);
    assert_eq!(edges["a.rs"], BTreeSet::new());
    assert_eq!(edges["b.rs"], BTreeSet::from(["a.rs".to_owned()]));
    assert!(circles(&edges).is_empty());
}

#[test]
fn a_long_file_must_say_why() {
    assert!(is_excused("//! A table.\n//! Over 400 lines: one table.\n\nfn f() {}"));
    assert!(!is_excused("//! A table.\n\n// Over 400 lines: too late.\n"));
}
