//! What is in the live view: state and drawing, without a terminal.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use moq_mls::WaitsFor;
use moq_mls::tracks::SenderId;
use moq_mls_tokio::{Clock, SystemClock};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table};

use crate::handle::View;
use crate::identity::{printable, short};
use crate::media::Received;

/// Whose media came within this time speaks.
const SPEAKS: Duration = Duration::from_secs(1);
/// What happened longer ago is forgotten.
const LINES: usize = 1000;
/// Lines that a page key moves.
const PAGE: usize = 8;
/// The most members that are listed, if there is room.
const MEMBERS: u16 = 16;

/// What is shown beside the participant's view.
pub(super) struct Picture {
    title: String,
    me: SenderId,
    clock: SystemClock,
    /// What the user types.
    pub(super) prompt: String,
    lines: VecDeque<String>,
    /// How many lines the user went back.
    back: usize,
    /// By member, how many of its objects had come, and when the last of them came.
    heard: BTreeMap<SenderId, (u64, Instant)>,
}

impl Picture {
    pub(super) fn new(title: String, me: SenderId) -> Self {
        Self {
            title,
            me,
            clock: SystemClock::new(),
            prompt: String::new(),
            lines: VecDeque::new(),
            back: 0,
            heard: BTreeMap::new(),
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        for line in text.lines() {
            self.lines.push_back(printable(line));
            if self.back > 0 {
                self.back = (self.back + 1).min(self.lines.len());
            }
        }
        while self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }

    pub(super) fn scroll(&mut self, up: bool) {
        self.back =
            if up { (self.back + PAGE).min(self.lines.len()) } else { self.back.saturating_sub(PAGE) };
    }

    /// Notes whose media came.
    pub(super) fn note(&mut self, view: &View, now: Instant) {
        for (id, _) in &view.roster {
            let count =
                if *id == self.me { view.last_sent.unwrap_or_default() } else { view.media_of(id).opened };
            let known = self.heard.get(id).map_or(0, |(known, _)| *known);
            if count > known {
                self.heard.insert(id.clone(), (count, now));
            }
        }
        self.heard.retain(|id, _| view.roster.iter().any(|(member, _)| member == id));
    }

    fn speaks(&self, id: &SenderId, now: Instant) -> bool {
        self.heard.get(id).is_some_and(|(_, at)| now.saturating_duration_since(*at) < SPEAKS)
    }

    pub(super) fn draw(&self, frame: &mut Frame<'_>, view: &View, now: Instant) {
        let members = u16::try_from(view.roster.len()).unwrap_or(MEMBERS).clamp(1, MEMBERS) + 3;
        let [top, middle, below, prompt] = Layout::vertical([
            Constraint::Length(4),
            Constraint::Max(members),
            Constraint::Min(3),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        self.head(frame, top, view);
        self.members(frame, middle, view, now);
        self.events(frame, below);
        let typed = Line::from(vec!["> ".bold().cyan(), Span::raw(&self.prompt)]);
        let column = u16::try_from(typed.width()).unwrap_or(u16::MAX).min(prompt.width.saturating_sub(1));
        frame.render_widget(typed, prompt);
        frame.set_cursor_position((prompt.x.saturating_add(column), prompt.y));
    }

    fn head(&self, frame: &mut Frame<'_>, area: Rect, view: &View) {
        let epoch = view.epoch.map_or("no epoch".to_owned(), |epoch| format!("epoch {epoch}"));
        let authenticator = view.authenticator.as_ref().and_then(|all| all.get(..8)).map(hex::encode);
        let authenticator = authenticator.map_or(String::new(), |start| format!(", authenticator {start}"));
        let block = Block::bordered()
            .title(Line::from(format!(" {} ", self.title)).bold())
            .title(Line::from(format!(" {epoch}{authenticator} ")).right_aligned());
        let waits = match view.waits {
            Some(mut status) => {
                status.waited = self.clock.now().since(status.since);
                let is_idle = matches!(status.waits_for, WaitsFor::News | WaitsFor::End | WaitsFor::Join);
                let style = if is_idle { Style::new() } else { Style::new().fg(Color::Yellow) };
                Line::styled(status.to_string(), style)
            }
            None => Line::raw("starting"),
        };
        let reached = |what: &'static str, error: &Option<String>| match error {
            None => format!("{what} answers").green(),
            Some(error) => format!("{what}: {error}").red(),
        };
        let sides = vec![
            reached("relay", &view.relay_error),
            "  ".into(),
            reached("counter service", &view.counter_error),
        ];
        frame.render_widget(Paragraph::new(vec![waits, Line::from(sides)]).block(block), area);
    }

    fn members(&self, frame: &mut Frame<'_>, area: Rect, view: &View, now: Instant) {
        let rows = view.roster.iter().map(|(id, name)| {
            let speaks = self.speaks(id, now);
            let (sign, style) = if speaks {
                ("●", Style::new().fg(Color::Green))
            } else {
                ("○", Style::new().add_modifier(Modifier::DIM))
            };
            let Received { opened, newest_key, unopenable, .. } = view.media_of(id);
            let (media, key, lost) = if *id == self.me {
                ("this one".to_owned(), String::new(), String::new())
            } else {
                let key = if opened > 0 { newest_key.to_string() } else { String::new() };
                (opened.to_string(), key, unopenable.to_string())
            };
            Row::new(vec![
                Span::styled(sign, style),
                Span::raw(name.clone()),
                Span::raw(short(id).to_string()),
                Span::styled(if speaks { "speaks" } else { "" }, style),
                Span::raw(media),
                Span::raw(key),
                Span::raw(lost),
            ])
        });
        let widths = [
            Constraint::Length(1),
            Constraint::Min(8),
            Constraint::Length(6),
            Constraint::Length(6),
            Constraint::Length(8),
            Constraint::Length(5),
            Constraint::Length(10),
        ];
        let header = Row::new(["", "member", "sender", "", "opened", "epoch", "unopenable"]).dim();
        let count = view.roster.len();
        let title = match count {
            0 => " no member ".to_owned(),
            1 => " 1 member ".to_owned(),
            _ => format!(" {count} members "),
        };
        let table = Table::new(rows, widths).header(header).block(Block::bordered().title(title));
        frame.render_widget(table, area);
    }

    fn events(&self, frame: &mut Frame<'_>, area: Rect) {
        let title = if self.back > 0 { " what happened (PageDown: on) " } else { " what happened " };
        let block = Block::bordered().title(title);
        let inner = block.inner(area);
        let (width, height) = (usize::from(inner.width).max(1), usize::from(inner.height));
        // The newest that fit, from the end on.
        let mut shown: VecDeque<String> = VecDeque::new();
        for line in self.lines.iter().rev().skip(self.back) {
            let signs: Vec<char> = line.chars().collect();
            for part in signs.chunks(width).rev() {
                shown.push_front(part.iter().collect());
            }
            if shown.len() >= height {
                break;
            }
        }
        let from = shown.len().saturating_sub(height);
        let lines: Vec<Line<'_>> = shown.into_iter().skip(from).map(Line::raw).collect();
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use moq_mls::tracks::GroupName;
    use moq_mls::{Config, Participant, Phase, Timestamp};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::{identity, media};

    fn id(name: &'static str) -> SenderId {
        SenderId::new(name).unwrap()
    }

    fn drawn(picture: &Picture, view: &View, now: Instant, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| picture.draw(frame, view, now)).unwrap();
        let cells = terminal.backend().buffer().content().chunks(usize::from(width).max(1));
        cells.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>() + "\n").collect()
    }

    fn hear(view: &mut View, from: &'static str, opened: u64) {
        let track = media::track(&GroupName::try_from("room").unwrap(), &id(from)).unwrap();
        let mut received = BTreeMap::new();
        let mut of_it = Received::default();
        (of_it.opened, of_it.newest_key) = (opened, 4);
        received.insert(track, of_it);
        view.received = received;
    }

    fn view() -> View {
        let roster = vec![(id("a11ce"), "alice".to_owned()), (id("b0b"), "bob".to_owned())];
        View { phase: Some(Phase::Member), epoch: Some(4), members: 2, roster, ..View::default() }
    }

    #[test]
    fn a_member_speaks_for_a_second_after_its_media_came() {
        let (mut picture, mut view, now) =
            (Picture::new("room".to_owned(), id("a11ce")), view(), Instant::now());
        picture.note(&view, now);
        assert!(!drawn(&picture, &view, now, (80, 24)).contains("speaks"));
        hear(&mut view, "b0b", 7);
        picture.note(&view, now);
        let text = drawn(&picture, &view, now, (80, 24));
        let line = text.lines().find(|line| line.contains("bob")).unwrap();
        assert!(line.contains("●") && line.contains("speaks") && line.contains('7'), "{text}");
        assert!(text.contains("epoch 4") && text.contains("2 members"), "{text}");
        let later = now + SPEAKS;
        picture.note(&view, later);
        assert!(!drawn(&picture, &view, later, (80, 24)).contains("speaks"));
    }

    #[test]
    fn the_view_says_what_the_participant_waits_for() {
        let engine = identity::engine("alice", &identity::generate().unwrap()).unwrap();
        let config = Config::new(GroupName::try_from("room").unwrap());
        let participant = Participant::new(engine, config, Timestamp::from_millis(0)).unwrap();
        let mut view = View { waits: Some(participant.status()), ..View::default() };
        view.counter_error = Some("refused".to_owned());
        let picture = Picture::new("room".to_owned(), id("a11ce"));
        let text = drawn(&picture, &view, Instant::now(), (100, 24));
        assert!(text.contains("not begun, waiting for the command to join for "), "{text}");
        assert!(text.contains("relay answers  counter service: refused"), "{text}");
    }

    #[test]
    fn the_newest_lines_are_shown_and_pages_go_back() {
        let (mut picture, view, now) = (Picture::new("room".to_owned(), id("a11ce")), view(), Instant::now());
        (0..100).for_each(|n| picture.say(&format!("line {n} {}", "x".repeat(200))));
        let text = drawn(&picture, &view, now, (80, 24));
        assert!(text.contains("line 99") && !text.contains("line 80"), "{text}");
        (0..30).for_each(|_| picture.scroll(true));
        picture.scroll(false);
        picture.say("news");
        let text = drawn(&picture, &view, now, (80, 24));
        assert!(text.contains("line 6 ") && !text.contains("news"), "{text}");
    }

    #[test]
    fn no_text_controls_the_terminal_and_every_size_is_drawn() {
        let (mut picture, mut view, now) =
            (Picture::new("room".to_owned(), id("a11ce")), view(), Instant::now());
        picture.say("evil \u{1b}[2J\u{7}");
        view.roster.push((id("c"), identity::printable("\u{1b}]0;title\u{7}")));
        for size in [(1, 1), (2, 5), (10, 3), (40, 10), (80, 24), (300, 100)] {
            let text = drawn(&picture, &view, now, size);
            assert!(!text.chars().any(|sign| sign.is_control() && sign != '\n'), "{text:?}");
        }
    }
}
