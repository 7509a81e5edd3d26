//! What the user of a participant types and reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use moq_mls::engine::Credential;
use moq_mls::notice::{Hold, Notice};
use moq_mls::tracks::SenderId;
use moq_mls::{Command, JoinRequest};

use crate::call::tell;
use crate::handle::View;
use crate::identity::short;
use crate::media::Received;

pub const HELP: &str = "commands: members, media, update, remove ID, leave, help; Ctrl-C stops without leaving\n\
                    who may join: waiting, admit ID, admit SENDER_ID NAME, refuse ID, replace ID MEMBER";
/// Most clients that are shown as waiting; others are admitted by their whole SenderId and name.
const WAITING: usize = 256;

/// Who asks to be let in, as far as the user has not decided.
#[derive(Default)]
pub struct Prompt {
    waiting: BTreeMap<SenderId, JoinRequest>,
}

/// What a line of the user leads to.
#[derive(Debug, PartialEq)]
pub enum Line {
    /// This is done.
    Do(Command),
    /// This is shown.
    Show(String),
}

impl Prompt {
    /// Reads a line.
    pub fn obey(&mut self, me: &SenderId, view: &View, line: &str) -> Line {
        let words: Vec<&str> = line.split_whitespace().collect();
        let done = match words[..] {
            [] => Ok(Line::Show(String::new())),
            ["update"] => Ok(Line::Do(Command::Update)),
            ["leave"] => Ok(Line::Do(Command::Leave)),
            ["members"] => Ok(Line::Show(members(view))),
            ["media"] => Ok(Line::Show(media(me, view))),
            ["waiting"] => Ok(Line::Show(self.list())),
            ["remove", id] => member(view, id).map(|id| Line::Do(Command::Remove(id))),
            ["admit", id] => self.take(id).map(|request| admit(request, None)),
            ["admit", id, name] => expected(id, name).map(|request| {
                self.waiting.remove(request.sender());
                admit(request, None)
            }),
            ["replace", id, other] => {
                member(view, other).and_then(|other| self.take(id).map(|request| admit(request, Some(other))))
            }
            ["refuse", id] => {
                self.take(id).map(|request| Line::Do(Command::Refuse(request.sender().clone())))
            }
            _ => Ok(Line::Show(HELP.to_owned())),
        };
        done.unwrap_or_else(Line::Show)
    }

    /// Notes what happened, and returns what the user reads of it; `None` of what is too small for that.
    pub fn hear(&mut self, notice: &Notice, view: &View) -> Option<String> {
        match notice {
            // The relay replays what it has, old epochs included.
            Notice::PeerFault { .. } => None,
            Notice::Epoch { epoch, .. } => Some(match (&view.authenticator, view.epoch) {
                (Some(bytes), Some(now)) if now == *epoch => {
                    format!("{}, authenticator {}", tell(notice), hex::encode(&bytes[..8]))
                }
                _ => tell(notice),
            }),
            Notice::JoinRequested { request, reason } => Some(self.ask(request, reason)),
            Notice::MemberJoined { sender, .. } | Notice::MemberReplaced { new: sender, .. } => {
                // Another member may have let it in.
                self.waiting.remove(sender);
                Some(tell(notice))
            }
            other => Some(tell(other)),
        }
    }

    fn ask(&mut self, request: &JoinRequest, reason: &Hold) -> String {
        let (sender, name) = (request.sender(), request.credential());
        let id = short(sender);
        let mut text = format!("{name} asks to be let in: {reason}. Its SenderId is {sender}\n");
        if self.waiting.len() >= WAITING && !self.waiting.contains_key(sender) {
            text += "  too many wait: type admit SENDER_ID NAME";
            return text;
        }
        self.waiting.insert(sender.clone(), request.clone());
        write!(text, "  type: admit {id}, or refuse {id}, or replace {id} MEMBER").ok();
        if let Hold::SameIdentity { member } = reason {
            write!(text, " (MEMBER is {})", short(member)).ok();
        }
        text
    }

    fn list(&self) -> String {
        let line = |(id, request): (&SenderId, &JoinRequest)| format!("  {id} {}", request.credential());
        match self.waiting.is_empty() {
            true => "nobody waits to be let in".to_owned(),
            false => self.waiting.iter().map(line).collect::<Vec<_>>().join("\n"),
        }
    }

    fn take(&mut self, prefix: &str) -> Result<JoinRequest, String> {
        let id = only(self.waiting.keys(), prefix, "client that waits")?;
        self.waiting.remove(&id).ok_or_else(|| format!("{id} does not wait"))
    }
}

fn admit(request: JoinRequest, replacing: Option<SenderId>) -> Line {
    Line::Do(Command::Admit { request, replacing })
}

/// Names a client that has not asked here, or was removed: by its whole SenderId and the name in its credential.
fn expected(id: &str, name: &str) -> Result<JoinRequest, String> {
    let is_whole = id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let sender = SenderId::new(id.to_owned()).ok().filter(|_| is_whole);
    let sender = sender.ok_or_else(|| {
        "admit SENDER_ID NAME needs the whole SenderId, 64 hexadecimal digits: see `identity`".to_owned()
    })?;
    Ok(JoinRequest::expected(sender, Credential::basic(name.to_owned())))
}

fn member(view: &View, prefix: &str) -> Result<SenderId, String> {
    only(view.roster.iter().map(|(id, _)| id), prefix, "member")
}

/// Returns the one that begins so.
fn only<'a>(ids: impl Iterator<Item = &'a SenderId>, prefix: &str, what: &str) -> Result<SenderId, String> {
    let found: Vec<&SenderId> = ids.filter(|id| id.to_string().starts_with(prefix)).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => Err(format!("there is no {what} whose SenderId begins with {prefix}")),
        _ => Err(format!("there is more than one {what} whose SenderId begins with {prefix}")),
    }
}

fn members(view: &View) -> String {
    let mut text = format!("epoch {}:", view.epoch.map_or("none".to_owned(), |e| e.to_string()));
    for (id, name) in &view.roster {
        write!(text, "\n  {} {name}", short(id)).ok();
    }
    text
}

fn media(me: &SenderId, view: &View) -> String {
    let mut lines = Vec::new();
    for (id, name) in view.roster.iter().filter(|(id, _)| id != me) {
        let Received { opened, late, unopenable, newest_key, .. } = view.media_of(id);
        lines.push(format!(
            "  {} {name}: {opened} opened, the newest under epoch {newest_key}; {late} of them late; \
             {unopenable} unopenable",
            short(id)
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: &str) -> SenderId {
        SenderId::new(digit.repeat(64)).unwrap()
    }

    fn request(digit: &str) -> JoinRequest {
        JoinRequest::expected(id(digit), Credential::basic("carol"))
    }

    fn asking(digits: &[&str]) -> (Prompt, View) {
        let mut prompt = Prompt::default();
        let view = View { roster: vec![(id("d"), "dave".to_owned())], ..View::default() };
        for digit in digits {
            let notice = Notice::JoinRequested { request: request(digit), reason: Hold::Policy };
            let text = prompt.hear(&notice, &view).unwrap();
            assert!(text.starts_with("carol asks") && text.contains(&digit.repeat(64)), "{text}");
        }
        (prompt, view)
    }

    #[test]
    fn the_user_decides_about_the_client_that_was_shown() {
        let (mut prompt, view) = asking(&["a", "b", "c"]);
        let mut obey = |line: &str| prompt.obey(&id("0"), &view, line);
        let admit = |digit, replacing| Line::Do(Command::Admit { request: request(digit), replacing });
        assert_eq!(obey("admit aa"), admit("a", None));
        assert_eq!(obey("replace bb dd"), admit("b", Some(id("d"))));
        assert_eq!(obey("refuse c"), Line::Do(Command::Refuse(id("c"))));
        for line in ["admit aa", "refuse cc", "waiting"] {
            assert!(matches!(obey(line), Line::Show(text) if text.contains("no")), "{line}");
        }
    }

    #[test]
    fn who_is_not_meant_for_certain_is_not_let_in() {
        let (mut prompt, view) = asking(&["a"]);
        let other = SenderId::new(format!("a{}", "0".repeat(63))).unwrap();
        let other = JoinRequest::expected(other, Credential::basic("mallory"));
        prompt.hear(&Notice::JoinRequested { request: other, reason: Hold::Policy }, &view);
        let show = |line: Line| match line {
            Line::Show(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(show(prompt.obey(&id("0"), &view, "admit a")).contains("more than one"));
        assert!(show(prompt.obey(&id("0"), &view, "replace aa ee")).contains("no member"));
        assert!(show(prompt.obey(&id("0"), &view, "admit aa carol")).contains("the whole SenderId"));
        // Both are still there.
        assert_eq!(show(prompt.obey(&id("0"), &view, "waiting")).lines().count(), 2);
        let whole = format!("admit {} carol", "e".repeat(64));
        let expected = Line::Do(Command::Admit { request: request("e"), replacing: None });
        assert_eq!(prompt.obey(&id("0"), &view, &whole), expected);
    }

    #[test]
    fn who_came_in_does_not_wait() {
        let (mut prompt, view) = asking(&["a", "b"]);
        let credential = Credential::basic("carol");
        let (sender, new) = (id("a"), id("b"));
        prompt.hear(&Notice::MemberJoined { sender, leaf_index: 1, credential: credential.clone() }, &view);
        prompt.hear(&Notice::MemberReplaced { old: id("d"), new, leaf_index: 2, credential }, &view);
        let nobody = Line::Show("nobody waits to be let in".to_owned());
        assert_eq!(prompt.obey(&id("0"), &view, "waiting"), nobody);
    }
}
