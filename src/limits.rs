//! Every bound the machine keeps, with its default.

use std::time::Duration;

/// Bounds on what peers, relays and the service can make the machine hold or do.
/// All are settable; passing one is a counted notice, never an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub struct Limits {
    /// Largest KeyPackage object, bytes.
    pub key_package_bytes: usize,
    /// Largest Commit or Welcome object, bytes. A member of a group in which nobody has committed yet but who added all
    /// the others seals to each of them: with X-Wing that is 1.2 kB a member, with X25519 0.1 kB.
    pub handshake_bytes: usize,
    /// Largest commit that the counter service keeps with its pin, bytes; the committer keeps to this and to
    /// [`handshake_bytes`](Self::handshake_bytes). It is [`MAX_COMMIT`](crate::counter::http::MAX_COMMIT) unless the
    /// service's store takes less: etcd takes 1 MiB unless it is configured otherwise.
    pub service_commit_bytes: usize,
    /// Largest ratchet-tree object, bytes.
    pub tree_bytes: usize,
    /// Most bytes of one commit, its Welcomes and its ratchet tree together: a snapshot holds them until they are
    /// published.
    pub outbox_bytes: usize,
    /// Most members.
    pub roster: usize,
    /// Most members added by one commit whose Welcomes have the ratchet tree inside.
    pub adds_per_commit: usize,
    /// Most members added by one commit whose ratchet tree goes apart.
    pub adds_per_commit_apart: usize,
    /// Most KeyPackages waiting to be committed, one per sender. Beyond, the expired go, then the oldest that
    /// wait for the embedder, counted in [`Stats::joiners_dropped`](crate::Stats::joiners_dropped). Where
    /// none can go, the new one is [`Refusal::Full`](crate::notice::Refusal::Full). While it is open
    /// whether this participant creates the group, as many are kept; beyond,
    /// [`Fault::TooMany`](crate::notice::Fault::TooMany).
    pub pending_joiners: usize,
    /// Most bytes of those KeyPackages, with the same end.
    pub pending_joiner_bytes: usize,
    /// Most senders remembered of each kind: barred, refused, admitted, members gone, strangers seen.
    /// (How often each was let in and had KeyPackages verified is remembered of as many.) Beyond, the oldest is
    /// forgotten. Once a barred or refused one was, every stranger waits for the embedder by
    /// [`Hold::MaybeBarred`](crate::notice::Hold::MaybeBarred); an admitted one is asked about again.
    pub remembered_senders: usize,
    /// Most tried commits held for one slot, one per committer; and most receipts, and commits that wait for proposals,
    /// held for it, and signed states that do not verify.
    pub candidates: usize,
    /// Most commits of members tried for one slot, most receipts verified, and most proposals held.
    pub commits_per_epoch: usize,
    /// Most bytes of members' commits that are tried for one slot and come to nothing: refused ones, and the second
    /// of a committer. Beyond, nothing is tried until the counter says what won.
    pub vain_bytes: usize,
    /// How often in a row one sender is let in, again and again; then once in [`Timers::returns`].
    pub returns: u32,
    /// How many KeyPackages of one sender are verified in a row; then one in [`Timers::key_package`].
    pub key_packages: u32,
    /// How far ahead of the own epoch a commit is kept.
    pub future_epochs: u64,
    /// Most bytes of commits kept for later epochs.
    pub future_bytes: usize,
    /// Most bytes of leave requests kept for later epochs, 256 for each counted in.
    pub leave_bytes: usize,
    /// Most own KeyPackages that can still be welcomed.
    pub own_key_packages: usize,
    /// Most Welcomes held while their pin is not known.
    pub welcomes: usize,
    /// Most bytes of those Welcomes.
    pub welcome_bytes: usize,
    /// A counter further ahead than this is the service's fault, not ours.
    pub counter_lead: u64,
    /// How often a publish that failed or may have failed is repeated, and a commit that is not heard.
    pub publish_tries: u32,
    /// Most actions waiting to be polled.
    pub actions: usize,
}

impl Limits {
    /// Returns the largest commit that everybody takes, bytes: the members, and the counter service.
    pub fn commit_bytes(&self) -> usize {
        self.handshake_bytes.min(self.service_commit_bytes)
    }

    /// Returns the default limits, raised to what `members` need whose credentials have `credential_bytes` and whose
    /// cipher suite has HPKE public keys of `key_bytes`. All members must have the same.
    ///
    /// [`vain_bytes`](Self::vain_bytes) stays as it is. The service's limit is not raised: see [`service_commit_bytes`](Self::service_commit_bytes).
    #[must_use]
    pub fn for_group(members: usize, credential_bytes: usize, key_bytes: usize) -> Self {
        // Signatures, signature key, capabilities and extensions have room in the rest.
        let leaf = key_bytes.saturating_add(credential_bytes).saturating_add(768);
        let key_package = leaf.saturating_add(key_bytes).saturating_add(256);
        let node = key_bytes.saturating_add(192);
        let all = |each: usize| members.saturating_mul(each);
        // No KEM in use has outputs longer than its public keys. Padding adds a quarter.
        let sealed = all(key_bytes.saturating_add(96)).saturating_add(key_package.saturating_mul(64));
        let commit = sealed.saturating_add(sealed / 4);
        let default = Self::default();
        let handshake_bytes = default.handshake_bytes.max(commit);
        Self {
            key_package_bytes: default.key_package_bytes.max(key_package),
            handshake_bytes,
            tree_bytes: default.tree_bytes.max(all(leaf.saturating_add(node))),
            outbox_bytes: default.outbox_bytes.max(handshake_bytes.saturating_mul(4)),
            roster: default.roster.max(members),
            pending_joiners: default.pending_joiners.max(members),
            pending_joiner_bytes: default.pending_joiner_bytes.max(all(key_package)),
            future_bytes: default.future_bytes.max(handshake_bytes),
            welcome_bytes: default.welcome_bytes.max(handshake_bytes.saturating_mul(2)),
            ..default
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_package_bytes: 16 << 10,
            handshake_bytes: 4 << 20,
            service_commit_bytes: 4 << 20,
            tree_bytes: 4 << 20,
            outbox_bytes: 64 << 20,
            roster: 8192,
            adds_per_commit: 64,
            adds_per_commit_apart: 2000,
            pending_joiners: 4096,
            pending_joiner_bytes: 4 << 20,
            remembered_senders: 4096,
            candidates: 8,
            commits_per_epoch: 64,
            vain_bytes: 1 << 20,
            returns: 4,
            key_packages: 16,
            future_epochs: 64,
            future_bytes: 4 << 20,
            leave_bytes: 1 << 20,
            own_key_packages: 8,
            welcomes: 32,
            welcome_bytes: 8 << 20,
            counter_lead: 1 << 20,
            publish_tries: 8,
            actions: 65_536,
        }
    }
}

/// How long the machine waits for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub struct Timers {
    /// Work is gathered this long before a commit.
    pub batch: Duration,
    /// While joiners keep coming within [`batch`](Self::batch) of each other, the commit waits for more of
    /// them, but not longer than this after the first.
    pub crowd: Duration,
    /// The next member in turn takes over after this much more. Who met another's lock, or must let others go first,
    /// tries again after as much.
    pub turn: Duration,
    /// A held commit without a confirmation is asked about after this, plus up to as much jitter. For so long own work
    /// gives way to it.
    pub confirm: Duration,
    /// The committer of a commit alone pins it for so long, as others see it; then they help. No longer than the lease
    /// of the counter service.
    pub lease: Duration,
    /// A sender that was let in too often in a row is let in again after this.
    pub returns: Duration,
    /// Of a sender with too many KeyPackages in a row another is verified after this.
    pub key_package: Duration,
    /// A missing commit is fetched again after this.
    pub fetch: Duration,
    /// A published commit that is not read back is published again after this.
    pub read_back: Duration,
    /// A joiner without a Welcome publishes a fresh KeyPackage after this. A run that met another of its kind leaves it
    /// the place for this long at first. Relays show a newcomer old KeyPackages for no longer.
    pub join_retry: Duration,
    /// A joiner without a Welcome tells the embedder after this.
    pub join_deadline: Duration,
    /// A member that cannot find a decided commit joins again after this.
    pub rejoin: Duration,
    /// A member that joins again keeps the state of its epoch for this long, unless it is let in before.
    pub keep: Duration,
    /// How long a member waits that has proof that its group cannot go on: for a Welcome in the old name, where
    /// others may have gone on; for the successor of the member that is to found it; and for a Welcome to that.
    pub strand: Duration,
    /// First and longest delay of the back-off.
    pub backoff: (Duration, Duration),
    /// Shortest and longest `retry_later` that is believed.
    pub retry_later: (Duration, Duration),
    /// A leave request that nobody commits is given up after this. Until then it is published again after each third.
    pub leave: Duration,
    /// A member that has heard nothing for this long asks the counter whether the group went on without it.
    /// Jitter adds up to half as much. Where the service signs, members ask in turn within that half.
    pub audit: Duration,
    /// The secret of an epoch that was passed can be pulled for this long after its
    /// [`Notice::Epoch`](crate::Notice::Epoch) was polled; then it is erased. With zero, only until the next event is
    /// handled.
    pub epoch_secrets: Duration,
    /// While media of the present epoch opens, the counter is asked after this at the latest. Why not later: a member
    /// that was removed still has the keys of that media.
    pub audit_with_media: Duration,
    /// Signs that the group went on, which anybody can make up, are looked into this often at most.
    pub hint: Duration,
    /// Signs that the group exists, which anybody can make up, delay its creation by this much at most.
    pub lost_group: Duration,
    /// How often credentials are checked for expiry.
    pub credential_check: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            batch: Duration::from_millis(50),
            crowd: Duration::from_secs(4),
            turn: Duration::from_millis(150),
            confirm: Duration::from_millis(200),
            lease: Duration::from_secs(2),
            returns: Duration::from_secs(10),
            key_package: Duration::from_secs(1),
            fetch: Duration::from_secs(2),
            read_back: Duration::from_secs(1),
            join_retry: Duration::from_secs(10),
            join_deadline: Duration::from_secs(30),
            rejoin: Duration::from_secs(30),
            keep: Duration::from_secs(600),
            strand: Duration::from_secs(60),
            backoff: (Duration::from_millis(100), Duration::from_secs(10)),
            retry_later: (Duration::from_millis(50), Duration::from_secs(60)),
            leave: Duration::from_secs(30),
            audit: Duration::from_secs(20),
            epoch_secrets: Duration::from_secs(10),
            audit_with_media: Duration::from_secs(120),
            hint: Duration::from_secs(20),
            lost_group: Duration::from_secs(60),
            credential_check: Duration::from_secs(60),
        }
    }
}
