//! What a commit changed: intents that are done, and the news.

use crate::engine::{Engine, Member as GroupMember};
use crate::notice::Notice;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::member::admission::strangers_hold;
use crate::participant::member::epoch::Epoch;

/// Settles the intents that a commit fulfilled, whoever made it.
pub(crate) fn settle<E: Engine>(
    cx: &Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
    removed: &[GroupMember],
    added: &[GroupMember],
) {
    let Carried { joiners, intents, paces, .. } = carried;
    let limits = &cx.config.limits;
    for gone in removed {
        let back = added.iter().any(|m| m.sender == gone.sender);
        // Who came back in the same commit was not put out: an intent to bar it stands.
        let stands = back && intents.removals.get(&gone.sender) == Some(&true);
        let bar = if stands { Some(true) } else { intents.removals.remove(&gone.sender) };
        let left = intents.leavers.remove(&gone.sender);
        let replaced = added.iter().any(|m| m.identity == gone.identity);
        // What it joined by is spent, and must not be taken for a new intent to join.
        if let Some(sequence) = gone.sequence {
            joiners.spend(&gone.sender, sequence, limits);
            joiners.note_gone(sequence.min(cx.honest_number()));
        }
        if !(back || left) {
            joiners.forget_unasked(&gone.sender);
        }
        if !(back || left || replaced || bar == Some(false)) {
            joiners.bar(&gone.sender, limits);
        }
    }
    for new in added {
        paces.entries.note(&new.sender, cx.now, cx.entry_rate(), limits.remembered_senders);
        if let Some(sequence) = new.sequence {
            joiners.spend(&new.sender, sequence, limits);
        }
    }
    let strangers = strangers_hold(cx, joiners);
    joiners.settle(&epoch.roster, added, strangers.as_ref());
    intents.removals.retain(|sender, _| epoch.roster.of(sender).is_some());
}

/// Tells who came, who went and who was replaced.
pub(crate) fn tell<E: Engine>(cx: &mut Context<E>, removed: Vec<GroupMember>, added: Vec<GroupMember>) {
    let mut fresh = added;
    for old in removed {
        match fresh.iter().position(|m| m.sender == old.sender || m.identity == old.identity) {
            Some(at) => {
                let new = fresh.swap_remove(at);
                cx.notify(Notice::MemberReplaced { old: old.sender, new: new.sender });
            }
            None => cx.notify(Notice::MemberLeft { sender: old.sender }),
        }
    }
    for GroupMember { leaf, sender, credential, .. } in fresh {
        cx.notify(Notice::MemberJoined { sender, leaf, credential });
    }
}
