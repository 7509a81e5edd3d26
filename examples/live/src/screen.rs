//! The live view of a participant: members, epoch, who speaks, what it waits for; below it what happened, and a prompt.
//!
//! The terminal is given back when a [`Screen`] is dropped, and by ratatui's hook when the program panics. Ctrl-C is a
//! key here and no signal: it ends [`Screen::next`] as `Input::Stop`.

mod picture;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use moq_mls::tracks::SenderId;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use self::picture::Picture;
use crate::handle::View;
use crate::logging;

/// How often the view is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// What the user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Typed a line.
    Line(String),
    /// Pressed Ctrl-C.
    Stop,
}

/// Returns whether there is a terminal that can show a live view.
pub fn is_possible() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !is_dumb
}

/// A terminal with a live view on it.
pub struct Screen {
    terminal: DefaultTerminal,
    picture: Picture,
    view: watch::Receiver<View>,
    keys: mpsc::UnboundedReceiver<Event>,
    logged: mpsc::UnboundedReceiver<String>,
    ticks: Interval,
    ended: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal. What this process logs is shown in the view from now on.
    pub fn open(title: String, me: SenderId, view: watch::Receiver<View>) -> Result<Self> {
        let terminal = ratatui::try_init()?;
        let (pressed, keys) = mpsc::unbounded_channel();
        let ended = Arc::new(AtomicBool::new(false));
        let over = ended.clone();
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let event = match event::poll(EVERY) {
                    Ok(false) => continue,
                    Ok(true) => event::read(),
                    Err(error) => Err(error),
                };
                // Without a terminal there are no keys; without a screen, nobody waits for them.
                if event.ok().is_none_or(|event| pressed.send(event).is_err()) {
                    break;
                }
            }
        });
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let logged = logging::divert();
        Ok(Self { terminal, picture: Picture::new(title, me), view, keys, logged, ticks, ended })
    }

    /// Shows a line among what happened.
    pub fn say(&mut self, line: &str) {
        self.picture.say(line);
    }

    /// Draws until the user has typed a line or stops. May be cancelled and called again.
    pub async fn next(&mut self) -> Result<Input> {
        loop {
            tokio::select! {
                Some(event) = self.keys.recv() => if let Some(input) = self.take(&event) {
                    return Ok(input);
                },
                Some(line) = self.logged.recv() => self.say(&line),
                _ = self.ticks.tick() => self.draw()?,
            }
        }
    }

    fn draw(&mut self) -> Result<()> {
        let view = self.view.borrow().clone();
        self.picture.note(&view, Instant::now());
        self.terminal.draw(|frame| self.picture.draw(frame, &view, Instant::now()))?;
        Ok(())
    }

    fn take(&mut self, event: &Event) -> Option<Input> {
        let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return None };
        if *kind == KeyEventKind::Release {
            return None;
        }
        match (code, modifiers.contains(KeyModifiers::CONTROL)) {
            (KeyCode::Char('c'), true) => return Some(Input::Stop),
            (KeyCode::Char('u'), true) => self.picture.prompt.clear(),
            (KeyCode::Char(sign), false) => self.picture.prompt.push(*sign),
            (KeyCode::Backspace, _) => _ = self.picture.prompt.pop(),
            (KeyCode::PageUp, _) => self.picture.scroll(true),
            (KeyCode::PageDown, _) => self.picture.scroll(false),
            (KeyCode::Enter, _) => {
                let line = std::mem::take(&mut self.picture.prompt);
                self.picture.say(&format!("> {line}"));
                return Some(Input::Line(line));
            }
            _ => {}
        }
        None
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        logging::to_stderr();
        ratatui::restore();
    }
}
