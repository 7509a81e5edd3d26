//! A counterexample as an explicit list of steps, in `vectors/regressions`, and played again.

use std::path::{Path, PathBuf};

use stateright::Model;

use crate::rows::{self, Row};
use crate::search::Space;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/regressions")
}

/// Writes the way to a violation where `cargo test` plays it again.
pub(crate) fn keep(row: &Row, what: &str, steps: &[String]) {
    let short = row.name.split(' ').next().unwrap();
    let vector = serde_json::json!({
        "world": "exhaustive", "row": short, "found": row.name, "what": what, "steps": steps,
    });
    let path = folder().join(format!("exhaustive-{short}-{what}.json"));
    std::fs::write(&path, serde_json::to_string_pretty(&vector).unwrap() + "\n").unwrap();
    println!("kept as {}", path.display());
}

/// Plays the kept steps of one file. Content that is named by its hash may be another by now: a step that is
/// not to be had is left out. No state on the way may break an invariant.
pub(crate) fn play(vector: &serde_json::Value) -> usize {
    let row = rows::all().into_iter().find(|r| r.name.split(' ').next() == vector["row"].as_str()).unwrap();
    let space = Space(row);
    let mut world = space.init_states().remove(0);
    let mut played = 0;
    for wanted in vector["steps"].as_array().unwrap() {
        let mut steps = Vec::new();
        space.actions(&world, &mut steps);
        let step = steps.iter().find(|s| Some(s.to_string().as_str()) == wanted.as_str());
        if let Some(next) = step.and_then(|s| space.next_state(&world, *s)) {
            world = next;
            played += 1;
        }
        assert_eq!(world.broken, None, "{vector}");
    }
    played
}

/// Plays every kept counterexample; their number.
pub(crate) fn play_all() -> usize {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let vectors = files.map(|path| std::fs::read_to_string(path).unwrap());
    let vectors = vectors.map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
    let mut count = 0;
    for vector in vectors.filter(|v| v["world"] == "exhaustive") {
        play(&vector);
        count += 1;
    }
    count
}
