//! What a commit changed: intents that are done, and the news.

use crate::engine::{Engine, Member as GroupMember};
use crate::notice::Notice;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::member::admission::strangers_hold;
use crate::participant::member::changing::is_changed;
use crate::participant::member::epoch::{Epoch, Turnover};

/// Settles the intents that a commit fulfilled, no matter who made it.
pub(crate) fn settle<E: Engine>(
    cx: &Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
    turnover: &Turnover,
) {
    let Turnover { changed, removed, added, .. } = turnover;
    let Carried { joiners, intents, paces, .. } = carried;
    let limits = &cx.config.limits;
    for (old, new) in changed {
        // It would escape what is intended for it by a commit of its own.
        intents.rename(&old.sender, &new.sender);
        if is_changed(old, new) {
            joiners.has_changed(&old.sender, &new.sender);
            joiners.take(&new.sender);
        }
        // What came under the old name must not be taken for a new intent to join.
        for (sender, object_id) in
            [old, new].into_iter().filter_map(|m| Some((&m.sender, m.key_package_object_id?)))
        {
            joiners.spend(sender, object_id, limits);
        }
        if let Some(object_id) = old.key_package_object_id.filter(|_| old.sender != new.sender) {
            joiners.note_gone(object_id.min(cx.honest_number()));
        }
    }
    for gone in removed {
        let back = added.iter().any(|m| m.sender == gone.sender);
        // Who came back in the same commit was not put out: an intent to bar it stands.
        let stands = back && intents.removals.get(&gone.sender) == Some(&true);
        let bar = if stands { Some(true) } else { intents.removals.remove(&gone.sender) };
        let left = intents.leavers.remove(&gone.sender);
        // By the embedder's decision only: a namesake that comes in as it goes must not save it from being barred.
        let replaced = added.iter().any(|m| joiners.is_to_replace(&m.sender, &gone.sender));
        // What it joined by is spent, and must not be taken for a new intent to join.
        if let Some(object_id) = gone.key_package_object_id {
            joiners.spend(&gone.sender, object_id, limits);
            joiners.note_gone(object_id.min(cx.honest_number()));
        }
        if !(back || left) {
            joiners.forget_unasked(&gone.sender);
        }
        if !(back || left || replaced || bar == Some(false)) {
            joiners.bar(&gone.sender, limits);
        }
        if !back {
            joiners.has_moved(&gone.sender, None);
        }
    }
    for new in added {
        paces.entries.note(&new.sender, cx.now, cx.entry_rate(), limits.remembered_senders);
        if let Some(object_id) = new.key_package_object_id {
            joiners.spend(&new.sender, object_id, limits);
        }
        // Another member let it in, which did not know whose place it takes.
        let replacing = joiners.has_come_in(&new.sender).filter(|old| *old != cx.me && *old != new.sender);
        if let Some(old) = replacing {
            intents.removals.entry(old).or_insert(false);
        }
    }
    let strangers = strangers_hold(cx, joiners);
    joiners.settle(&epoch.roster, added, strangers.as_ref());
    intents.removals.retain(|sender, _| epoch.roster.of(sender).is_some());
}

/// Tells who came, who went, who was replaced and who has another key.
pub(crate) fn tell<E: Engine>(cx: &mut Context<E>, turnover: Turnover) {
    let Turnover { changed, removed, added: mut fresh, .. } = turnover;
    for (old, new) in changed.into_iter().filter(|(old, new)| is_changed(old, new)) {
        let GroupMember { leaf_index: leaf, sender: new, credential, .. } = new;
        cx.notify(Notice::MemberChanged { leaf_index: leaf, old: old.sender, new, credential });
    }
    for old in removed {
        // Its own key goes before a namesake's. Of another identity it is another, whatever its key.
        let same = |by_key: bool| {
            fresh.iter().position(|m| m.identity == old.identity && (!by_key || m.sender == old.sender))
        };
        match same(true).or_else(|| same(false)) {
            Some(at) => {
                let GroupMember { leaf_index: leaf, sender: new, credential, .. } = fresh.swap_remove(at);
                cx.notify(Notice::MemberReplaced { old: old.sender, new, leaf_index: leaf, credential });
            }
            None => cx.notify(Notice::MemberLeft { sender: old.sender }),
        }
    }
    for GroupMember { leaf_index: leaf, sender, credential, .. } in fresh {
        cx.notify(Notice::MemberJoined { sender, leaf_index: leaf, credential });
    }
}
