//! What became of the media of a whole call, seen from outside: did members miss anything, and could
//! those who are out still open anything?

use anyhow::{Context, Result, ensure};
use moq_mls::keys::RingConfig;
use moq_mls::tracks::GroupName;

use crate::handle::Handle;
use crate::media;
use crate::output::say;

/// Sums over all pairs of a sender and a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Opened by members.
    pub opened: u64,
    /// Opened by members, of these, after they waited for their key.
    pub late: u64,
    /// Received by members and never opened: from before they came in.
    pub unopenable: u64,
    /// Missing at members, counted from a receiver's first opened object of each track.
    pub lost: u64,
    /// Opened by those who are out, though sealed after the switch bound.
    pub opened_outside: u64,
    /// Opened by those who are out, sealed within the switch bound.
    pub within_bound: u64,
    /// Received by those who are out and not opened.
    pub closed: u64,
}

/// Counts what the members received from the `senders` among them, and what those `out` of the group did. The switch
/// bound is `ring`'s, from the moment that each sender heard of the removal.
///
/// # Errors
/// If a sender sent nothing, or a member opened nothing of one, or if nothing reached one who is out: the counts
/// would show nothing then.
pub fn tally(
    group: &GroupName,
    ring: &RingConfig,
    senders: &[&Handle],
    members: &[&Handle],
    out: &[&Handle],
) -> Result<Tally> {
    let mut sum = Tally::default();
    for from in senders {
        let track = media::track(group, &from.sender)?;
        let sender = from.view();
        let sent = sender.last_sent.with_context(|| format!("{} sent nothing", from.name))?;
        for to in members.iter().filter(|to| to.sender != from.sender) {
            let received = to.view().received.remove(&track).unwrap_or_default();
            ensure!(received.opened > 0, "{} opened nothing of {}", to.name, from.name);
            sum.lost += received.lost(sent);
            sum.opened += received.opened;
            sum.late += received.late;
            sum.unopenable += received.unopenable;
        }
        for to in out {
            let received = to.view().received.remove(&track).unwrap_or_default();
            // A sender that came in later had nothing to switch from.
            let bound = sender.went.get(&to.sender).map(|heard| heard.after(ring.switch_after_removal));
            let after = received.opened_outside.iter().filter(|at| bound.is_none_or(|b| **at >= b)).count();
            sum.opened_outside += after as u64;
            sum.within_bound += (received.opened_outside.len() - after) as u64;
            let closed = received.unopenable + to.view().waiting as u64;
            ensure!(
                closed > 0,
                "nothing of {} reached {}, which is out: it shows nothing",
                from.name,
                to.name
            );
            sum.closed += closed;
        }
    }
    Ok(sum)
}

impl Tally {
    /// Prints the figures.
    pub fn print(&self) {
        say!("figure live_media_opened {} objects", self.opened);
        say!("figure live_media_late {} objects", self.late);
        say!("figure live_media_unopenable {} objects", self.unopenable);
        say!("figure live_media_lost {} objects", self.lost);
        say!("figure live_media_opened_by_removed {} objects", self.opened_outside);
        say!("figure live_media_opened_by_removed_within_bound {} objects", self.within_bound);
        say!("figure live_media_closed_to_removed {} objects", self.closed);
    }

    /// # Errors
    /// If members lost anything, or those who are out opened what was sealed after the bound.
    pub fn ensure_closed(&self) -> Result<()> {
        ensure!(self.lost == 0, "{} media objects are missing at members", self.lost);
        ensure!(
            self.opened_outside == 0,
            "those who are out opened {} media objects sealed after the switch bound",
            self.opened_outside
        );
        Ok(())
    }
}
