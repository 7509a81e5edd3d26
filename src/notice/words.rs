//! Notices and reasons as sentences, for people and logs.

use std::fmt;

use crate::counter::Reason;
use crate::notice::{
    ClockError, ClockWitness, EpochCause, Fault, Hold, Notice, Recovery, Refusal, RejoinReason, ServiceFault,
};
use crate::policy::Breach;
use crate::tracks::SenderId;

/// Who it was, if that is known.
struct Sender<'a>(Option<&'a SenderId>);

impl fmt::Display for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(sender) => sender.fmt(f),
            None => f.write_str("an unknown sender"),
        }
    }
}

/// A sentence.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epoch { epoch, cause: EpochCause::Created } => {
                write!(f, "This participant created the group, at epoch {epoch}.")
            }
            Self::Epoch { epoch, cause: EpochCause::Welcome } => {
                write!(f, "This participant is a member from epoch {epoch} on.")
            }
            Self::Epoch { epoch, cause: EpochCause::Commit { committer } } => {
                write!(f, "Epoch {epoch} is in force, by {committer}.")
            }
            Self::AgainstPolicy { epoch, committer, breach } => {
                write!(f, "Epoch {epoch}, by {committer}, is against the policy: {breach}.")
            }
            Self::MemberJoined { sender, leaf_index: leaf, credential } => {
                write!(f, "Member {sender} joined at leaf {leaf}, as {credential}.")
            }
            Self::MemberLeft { sender } => write!(f, "Member {sender} is out."),
            Self::MemberReplaced { old, new, leaf_index: leaf, credential } => {
                write!(f, "Member {old} came back as {new} at leaf {leaf}, as {credential}.")
            }
            Self::MemberChanged { leaf_index: leaf, old, new, credential } => {
                write!(f, "Member {old} at leaf {leaf} is {new} from now on, as {credential}.")
            }
            Self::JoinRequested { request, reason } => {
                write!(f, "The client {} asks to join, and you decide: {reason}.", request.sender())
            }
            Self::InvalidLeafKey { sender } => {
                write!(f, "The leaf key of member {sender} is no key; the next commit removes it.")
            }
            Self::CredentialExpired { sender } => write!(f, "The credential of member {sender} has expired."),
            Self::Removed { epoch } => write!(f, "This participant was removed: it is not in epoch {epoch}."),
            Self::Left => f.write_str("This participant left the group."),
            Self::LeaveUnheard => {
                f.write_str("This participant left, but no member took up its leave request in time.")
            }
            Self::JoinStalled { counter, waits_for } => {
                write!(f, "Not in the group yet, but waiting for {waits_for}; ")?;
                match counter {
                    Some(counter) => write!(f, "the counter is at {counter}."),
                    None => f.write_str("the counter is not known."),
                }
            }
            Self::NotReadBack { epoch } => {
                write!(f, "The own commit of epoch {epoch} never came back from the relay.")
            }
            Self::TreeMissing { epoch } => {
                write!(f, "The relay does not have the ratchet tree of epoch {epoch}.")
            }
            Self::Rejoining { reason } => write!(f, "This participant asks to be let in again: {reason}."),
            Self::Resumed { epoch } => {
                write!(f, "The missing commit is here: this participant goes on in epoch {epoch}.")
            }
            Self::StateErased { epoch } => {
                write!(f, "The state of epoch {epoch} was kept long enough, and is erased.")
            }
            Self::Recovery(step) => write!(f, "The group cannot go on: {step}."),
            Self::Succeeded { group } => write!(f, "The meeting goes on in the group {group}."),
            Self::SuccessorOffered { group, credentials } => {
                let members = credentials.len();
                write!(f, "The group {group} lets this participant in; {members} members are known.")
            }
            Self::ForkDetected { epoch, peer } => {
                write!(f, "Member {peer} has another state of epoch {epoch}.")
            }
            Self::DeadSlot { epoch } => {
                write!(f, "Nobody can enter epoch {epoch}: its pin has a lock of other keys.")
            }
            Self::FaultyCommit { epoch, commit_hash } => {
                let [a, b, c, d, ..] = commit_hash;
                write!(
                    f,
                    "The commit {a:02x}{b:02x}{c:02x}{d:02x}.. won epoch {epoch} and cannot be processed."
                )
            }
            Self::ServiceFault(fault) => write!(f, "The counter service cannot be worked with: {fault}."),
            Self::ParamsMismatch { .. } => {
                f.write_str("The group has other parameters than this participant's configuration.")
            }
            Self::Refused { sender, reason } => {
                write!(f, "A request about {sender} came to nothing: {reason}.")
            }
            Self::UnderAttack { fault, total } => {
                write!(f, "Too many faults come, {total} so far: {fault}.")
            }
            Self::ClockSkew { error: ClockError::None, witness, .. } => {
                write!(f, "This machine's clock is right again, as {witness} shows.")
            }
            Self::ClockSkew { error, by, witness } => {
                let way = if *error == ClockError::Ahead { "ahead" } else { "behind" };
                write!(f, "This machine's clock is {} s {way}, as {witness} shows.", by.as_secs())
            }
            Self::Doubled { times, wait } => {
                let wait = wait.as_secs();
                write!(
                    f,
                    "Another run of this participant is in the group, {times} times so far; this one waits {wait} s."
                )
            }
            Self::PeerFault { from, fault } => {
                write!(f, "An object of {} was dropped: {fault}.", Sender(from.as_ref()))
            }
        }
    }
}

/// Texts of values that have no fields, as parts of a sentence.
macro_rules! words {
    ($($kind:ty { $($value:ident => $text:literal,)+ })+) => {$(
        /// A part of a sentence.
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$value => $text,)+
                })
            }
        }
    )+};
}

words! {
    ClockWitness {
        Service => "the counter service",
        Peers => "what others send",
    }
    Refusal {
        NotAMember => "it is no member",
        NotAdmitted => "it was not admitted",
        BadKeyPackage => "its KeyPackage cannot be committed",
        Full => "there is no room",
        TooLarge => "what it needs is over a size limit",
    }
    Fault {
        ForeignTrack => "its track is none of this group's",
        BadLocation => "no such object may lie at its place",
        TooLarge => "it is over a size limit",
        NotMls => "it is no MLS message of the kind that the track is for",
        Invalid => "it does not verify",
        Expired => "it is outside its lifetime, or a clock is off",
        WrongSender => "its key is not the one that its track is named after",
        NotForMe => "no key of this participant opens it",
        WrongGroup => "it is of another group",
        WrongEpoch => "it is of another epoch",
        TooMany => "there are too many of its kind",
        NotPinned => "another commit won its epoch",
        BadReceipt => "its receipt does not verify",
        WrongTree => "it is not the ratchet tree that the Welcome names",
        UnknownReply => "it answers no request",
    }
    RejoinReason {
        Unreachable => "the commit that won could not be found",
        FaultyCommit => "the commit that won could not be processed",
        PinForgotten => "the counter service forgot the pins of its epoch",
        WrongLock => "the pin that won has a lock of other keys",
        ServiceRegressed => "the counter service signed that it went back, or has another group of this name",
        Fork => "there are two states of one epoch",
        Replaced => "a member took its newer KeyPackage for a wish to come back",
        Doubled => "another run of it acted in its place",
    }
    Breach {
        Adds => "its committer may not add members",
        Removes => "its committer may not remove members",
        TooManyAdds => "it adds too many members",
        TooManyRemoves => "it removes too many members",
        TooLarge => "it has too many bytes",
        RosterFull => "it makes the group too large",
    }
    Reason {
        NotLocked => "the lock is not held",
        PinRequired => "the increment needs a pin",
        UnpinnedId => "the slots of this counter have no pins",
        Malformed => "the request is malformed",
        TooLarge => "the request is too large",
        Unauthenticated => "the request has no token",
        Forbidden => "the token does not allow it",
        RateLimited => "there are too many requests",
        Overflow => "the counter cannot go higher",
        CommitRequired => "the increment needs its commit",
        NotYourTurn => "another member has its turn",
    }
}

/// A part of a sentence.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("everybody who comes is asked about"),
            Self::Barred => f.write_str("it was removed before"),
            Self::MaybeBarred => f.write_str("it may be one of many who were removed before"),
            Self::OtherCredential { member: None } => {
                f.write_str("its key was admitted with another credential")
            }
            Self::OtherCredential { member: Some(credential) } => {
                write!(f, "its key is that of the member {credential}")
            }
            Self::SameIdentity { member } => write!(f, "member {member} has the same identity"),
        }
    }
}

/// A part of a sentence.
impl fmt::Display for ServiceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Regressed { current } => write!(f, "its counter is at {current}, below the group's epoch"),
            Self::Absurd { current } => write!(f, "its counter is at {current}, far above the group's epoch"),
            Self::LineageMismatch => f.write_str("it has another group under this name"),
            Self::NoPins => f.write_str("it records no pins"),
            Self::NoTokens => f.write_str("its locks have no tokens"),
            Self::LostGroup => f.write_str("it knows of no group, and the relay has commits of one"),
            Self::BadReceipt => f.write_str("a receipt is missing or does not verify"),
            Self::WrongKey => f.write_str("it says that this member's slot key is wrong"),
            Self::Refused(reason) => write!(f, "it refuses requests, for {reason}"),
            Self::NoAnswer => f.write_str("it does not answer"),
        }
    }
}

/// A part of a sentence.
impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Looking => f.write_str("this participant looks for a successor"),
            Self::Founding { group } => write!(f, "this participant founds the successor {group}"),
            Self::Following { group, founder } => {
                write!(f, "this participant asks to be let in to the successor {group} of {founder}")
            }
            Self::GivenUp { founder } => {
                write!(f, "nobody let this participant in to the successor of {founder}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::engine::Credential;
    use crate::join_request::JoinRequest;
    use crate::notice::WaitsFor;
    use crate::tracks::GroupName;

    fn all() -> Vec<Notice> {
        let who = SenderId::new("alice").unwrap();
        let group = GroupName::try_from("room").unwrap();
        let credential = Credential { kind: 1, data: Bytes::from_static(b"Alice") };
        let request = || JoinRequest::expected(who.clone(), credential.clone());
        let member = Some(credential.clone());
        let mut all = vec![
            Notice::Epoch { epoch: 7, cause: EpochCause::Created },
            Notice::Epoch { epoch: 7, cause: EpochCause::Welcome },
            Notice::Epoch { epoch: 7, cause: EpochCause::Commit { committer: who.clone() } },
            Notice::MemberJoined { sender: who.clone(), leaf_index: 1, credential: credential.clone() },
            Notice::MemberLeft { sender: who.clone() },
            Notice::MemberReplaced {
                old: who.clone(),
                new: who.clone(),
                leaf_index: 1,
                credential: credential.clone(),
            },
            Notice::MemberChanged {
                leaf_index: 1,
                old: who.clone(),
                new: who.clone(),
                credential: credential.clone(),
            },
            Notice::InvalidLeafKey { sender: who.clone() },
            Notice::CredentialExpired { sender: who.clone() },
            Notice::Removed { epoch: 7 },
            Notice::Left,
            Notice::LeaveUnheard,
            Notice::JoinStalled { counter: None, waits_for: WaitsFor::Probe },
            Notice::JoinStalled { counter: Some(7), waits_for: WaitsFor::Welcome },
            Notice::NotReadBack { epoch: 7 },
            Notice::TreeMissing { epoch: 7 },
            Notice::Resumed { epoch: 7 },
            Notice::StateErased { epoch: 7 },
            Notice::Succeeded { group: group.clone() },
            Notice::SuccessorOffered { group: group.clone(), credentials: vec![credential.clone()] },
            Notice::ForkDetected { epoch: 7, peer: who.clone() },
            Notice::DeadSlot { epoch: 7 },
            Notice::FaultyCommit { epoch: 7, commit_hash: [7; 32] },
            Notice::ParamsMismatch { group: None },
            Notice::Doubled { times: 2, wait: Duration::from_secs(7) },
        ];
        let hold = |hold| Notice::JoinRequested { request: request(), reason: hold };
        all.extend([Hold::Policy, Hold::Barred, Hold::MaybeBarred].map(hold));
        all.extend([None, member].map(|member| hold(Hold::OtherCredential { member })));
        all.push(hold(Hold::SameIdentity { member: who.clone() }));
        all.extend(
            [
                Recovery::Looking,
                Recovery::Founding { group: group.clone() },
                Recovery::Following { group, founder: who.clone() },
                Recovery::GivenUp { founder: who.clone() },
            ]
            .map(Notice::Recovery),
        );
        all.extend(
            [
                ServiceFault::Regressed { current: 7 },
                ServiceFault::Absurd { current: 7 },
                ServiceFault::LineageMismatch,
                ServiceFault::NoPins,
                ServiceFault::NoTokens,
                ServiceFault::LostGroup,
                ServiceFault::BadReceipt,
                ServiceFault::WrongKey,
                ServiceFault::Refused(Reason::Forbidden),
            ]
            .map(Notice::ServiceFault),
        );
        for (error, witness) in [
            (ClockError::None, ClockWitness::Service),
            (ClockError::Behind, ClockWitness::Peers),
            (ClockError::Ahead, ClockWitness::Service),
        ] {
            all.push(Notice::ClockSkew { error, by: Duration::from_secs(7), witness });
        }
        let breach = Breach::TooManyAdds;
        all.push(Notice::AgainstPolicy { epoch: 7, committer: who.clone(), breach });
        all.extend([None, Some(who.clone())].map(|from| Notice::PeerFault { from, fault: Fault::NotForMe }));
        all.push(Notice::UnderAttack { fault: Fault::TooMany, total: 70 });
        all.push(Notice::Rejoining { reason: RejoinReason::Unreachable });
        all.push(Notice::Refused { sender: who, reason: Refusal::Full });
        all
    }

    #[test]
    fn every_notice_is_a_sentence() {
        for notice in all() {
            let text = notice.to_string();
            assert!(text.starts_with(|c: char| c.is_uppercase()), "{text}");
            assert!(text.ends_with('.') && !text.ends_with(".."), "{text}");
            assert!(!text.contains(['{', '}', '(', '\"']), "{text}");
            assert!(text.split(' ').count() <= 25, "{text}");
        }
    }
}
