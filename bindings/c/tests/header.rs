//! The header that is committed is the one that the code makes: `MOQ_MLS_WRITE=1 cargo test -p moq-mls-c --test header`
//! writes it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn made() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml")).expect("a configuration");
    let boundary = here.join("../boundary/src");
    let mut sources: Vec<PathBuf> = ["codes.rs", "codes/notices.rs", "error.rs", "config/numbers.rs"]
        .iter()
        .map(|file| boundary.join(file))
        .collect();
    for folder in ["src/abi", "src/calls"] {
        let parent = here.join(folder).with_extension("rs");
        let mut files: Vec<PathBuf> =
            fs::read_dir(here.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        sources.push(parent);
        sources.extend(files);
    }
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = sources.into_iter().fold(builder, |builder, source| builder.with_src(source));
    let mut header = Vec::new();
    builder.generate().expect("a header").write(&mut header);
    let header = String::from_utf8(header).expect("text");
    header.lines().map(|line| notice_names(line) + "\n").collect()
}

/// Names the parts of a notice as everything else is named: cbindgen has a manner of its own for tagged unions.
fn notice_names(line: &str) -> String {
    let line = line.replace("MoqMlsNotice_Tag tag;", "MoqMlsNotice_Tag kind;");
    let line = line.replace("MoqMlsNotice_Tag", "MoqMlsNoticeKind");
    let Some((before, _)) = line.split_once("_Body") else { return line };
    let (indent, name) = before.split_once("MoqMls").expect("the prefix");
    let (_, after) = line.split_once("_Body").expect("a body");
    format!("{indent}MoqMlsNotice{name}{}", after.to_lowercase())
}

#[test]
fn committed_header_is_what_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/moq_mls.h");
    let made = made();
    if std::env::var_os("MOQ_MLS_WRITE").is_some() {
        fs::write(&path, &made).expect("a header");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "the header differs: run with MOQ_MLS_WRITE=1, and look at what changed");
}
