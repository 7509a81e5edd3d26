//! What a newcomer makes of a Welcome to a successor of the group that it looks for.

use bytes::Bytes;

use crate::engine::{Engine, WelcomeInfo};
use crate::error::Error;
use crate::notice::{Fault, Notice};
use crate::participant::context::Context;
use crate::participant::flow::Flow;
use crate::participant::joining::Joining;
use crate::participant::offer::Offer;
use crate::tracks::GroupName;

/// Most Welcomes kept while the embedder makes up its mind.
const MOST_OFFERS: usize = 8;

impl<G> Joining<G> {
    /// Takes in a Welcome to another group than the one that is looked for.
    pub(super) fn on_other_group<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        payload: Bytes,
        welcome: &Bytes,
        info: &WelcomeInfo,
    ) -> Result<Flow<G>, Error> {
        let welcome_to = Offer::of(cx, payload, info).filter(|_| self.kept.is_none());
        let Some(offer) = welcome_to.filter(|offer| !self.left.contains(&offer.group)) else {
            cx.fault(None, Fault::WrongGroup);
            return Ok(Flow::Stay);
        };
        let group = offer.group.clone();
        let known = self.offers.iter().any(|other| other.group == group);
        if self.offers.len() >= MOST_OFFERS {
            self.offers.remove(0);
            cx.fault(None, Fault::TooMany);
        }
        self.offers.push(offer);
        if cx.config.follow_offers {
            return self.accept(cx, &group);
        }
        if !known {
            let own =
                cx.keys.packages.iter().find(|key| key.key_package_ref == info.key_package_ref).cloned();
            let joined = match own.filter(|_| info.has_tree) {
                Some(key) => cx.engine.join(cx.time_of_day(), welcome, &key, None)?.ok(),
                None => None,
            };
            let roster = joined.map(|group| cx.engine.roster(&group)).transpose()?.unwrap_or_default();
            let credentials = roster.into_iter().map(|member| member.credential).collect();
            cx.notify(Notice::SuccessorOffered { group, credentials });
        }
        Ok(Flow::Stay)
    }

    /// Goes over to a successor that was offered, and looks at its Welcomes there.
    pub(super) fn accept<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        group: &GroupName,
    ) -> Result<Flow<G>, Error> {
        let offers = std::mem::take(&mut self.offers);
        let of_it = offers.into_iter().filter(|offer| offer.group == *group);
        let offers: Vec<Offer> = of_it.collect();
        let Some(last) = offers.last() else { return Ok(Flow::Stay) };
        cx.move_to(group.clone(), last.epoch_base, false);
        self.begin_elsewhere(cx);
        self.accepted = true;
        self.persist(cx);
        for offer in offers.into_iter().rev() {
            if let flow @ Flow::Enter(..) = self.consider(cx, offer.payload)? {
                return Ok(flow);
            }
        }
        Ok(Flow::Stay)
    }

    /// The successor that was offered did not let this participant in: looks again where the group was.
    pub(super) fn turn_back<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        if !std::mem::take(&mut self.accepted) {
            return Ok(());
        }
        if self.left.len() >= MOST_OFFERS {
            self.left.remove(0);
        }
        self.left.push(cx.config.group.clone());
        cx.go_home();
        self.begin_elsewhere(cx);
        self.fresh_key_package(cx)
    }
}
