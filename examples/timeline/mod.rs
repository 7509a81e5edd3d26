//! Draws recorded runs of one group as one page of HTML: text in, text out.
//!
//! A lane for each participant, epochs as bands, messages between lanes, faults marked, and each step as text. The
//! page loads nothing, and works from a file. Equal logs give equal pages.
//!
//! The example `replay` and the package `examples/live` both contain this folder by `#[path]`. It is no part of the
//! library: a page is for people, and its looks may change at any time. It reads the format in `vectors/README.md`
//! alone, so the recording knows nothing of it.
//!
//! | file | what |
//! |---|---|
//! | `fields.rs`, `places.rs` | fields of a line; where an object is, and what is in it |
//! | `log.rs` | a log as steps: what came in, and what came of it |
//! | `objects.rs` | which published object came where; whose clocks differ |
//! | `slots.rs` | increments of the counter, and the slots that they filled |
//! | `layout.rs` | where steps are: time from left to right, long waits cut short |
//! | `run.rs` | all of it together |
//! | `describing.rs` | what a line of a log says, for people |
//! | `figure.rs`, `drawing.rs`, `html.rs` | the figure; the page around it; escaped text |

mod describing;
mod drawing;
mod error;
mod fields;
mod figure;
mod html;
mod layout;
mod log;
mod objects;
mod places;
mod run;
mod slots;

use self::error::TimelineError;
use self::log::Log;
use self::run::Run;

/// Returns the page of some logs, each with the name of its file.
///
/// # Errors
/// [`TimelineError`] for what is no log, and for logs that do not belong together.
pub(crate) fn page(files: &[(String, String)]) -> Result<String, TimelineError> {
    let mut logs: Vec<Log> = Vec::new();
    for (at, (file, text)) in files.iter().enumerate() {
        if let Some((first, _)) = files.iter().take(at).find(|(_, other)| other == text) {
            return Err(TimelineError::Twice { first: first.clone(), second: file.clone() });
        }
        let log = Log::read(file, text)?;
        if let Some(first) = logs.first().filter(|first| first.root() != log.root()) {
            return Err(TimelineError::Groups {
                first: first.file.clone(),
                group: first.group.clone(),
                second: log.file,
                other: log.group,
            });
        }
        logs.push(log);
    }
    if logs.is_empty() {
        return Err(TimelineError::Nothing);
    }
    let names = log::names(&logs);
    let (messages, clocks) = objects::match_objects(&mut logs);
    let layout = layout::arrange(&logs, &messages);
    let increments = slots::increments(&logs);
    Ok(drawing::page(&Run { logs, names, messages, increments, clocks, layout }))
}
