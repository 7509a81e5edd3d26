// Made by types.mjs from the sources of the boundary. Do not edit.

/** How the winner of an epoch is decided. */
export type SafetyMode =
  /** By the pin that the counter service records once for each slot: the default. */
  | 'pinned'
  /** By the token of the lock under which the slot was filled. */
  | 'fenced'
  /** By the draft's lock alone, which can fork. */
  | 'advisory';

/** Who may join without being asked about. */
export type Admission =
  /** Every client with a valid credential: the default. */
  | 'open'
  /** Nobody: each waits for the event `admit`. */
  | 'ask';

/** Who publishes commits where. */
export type CommitTracks =
  /** The draft's one shared track: the default. */
  | 'shared'
  /** One track for each sender. */
  | 'perSender';

/** The phase that a participant is in. */
export type Phase =
  /** Nothing was asked yet. */
  | 'new'
  /** It finds out whether the group exists, or creates it. */
  | 'bootstrapping'
  /** It waits for a Welcome. */
  | 'joining'
  /** In the group. */
  | 'member'
  /** Left or removed. */
  | 'ended'
  /** Its own state failed: restore the last snapshot. */
  | 'poisoned';

/** What kind of request an answer is to. */
export type RequestKind =
  /** The actions `subscribe` and `subscribeNamespace`. */
  | 'subscribe'
  /** The action `publish`. */
  | 'publish'
  /** The action `fetch`. */
  | 'fetch'
  /** The action `lock`. */
  | 'lock'
  /** The action `increment`. */
  | 'increment'
  /** The action `getCommit`. */
  | 'getCommit';

/** How a request ended without an answer. */
export type Failure =
  /** It certainly had no effect. */
  | 'notSent'
  /** It may have had its effect. */
  | 'unknown'
  /** The peer refused it, with a code. */
  | 'refused';

/** Why the counter service refused a request. */
export type Reason =
  /** An increment without a live lock. */
  | 'notLocked'
  /** An increment without a pin on a counter whose slots are pinned. */
  | 'pinRequired'
  /** An increment with a pin on a counter whose first slot was not pinned. */
  | 'unpinnedId'
  /** The request does not parse. */
  | 'malformed'
  /** An id or a body over the service's limits. */
  | 'tooLarge'
  /** No token. */
  | 'unauthenticated'
  /** A token that does not allow this. */
  | 'forbidden'
  /** Too many requests. */
  | 'rateLimited'
  /** The counter cannot go higher. */
  | 'overflow'
  /** A pinned increment without the commit that its pin names. */
  | 'commitRequired'
  /** Another client has asked for the slot. */
  | 'notYourTurn';

/** What a commit is against in a policy. */
export type Breach =
  /** Its committer may not add. */
  | 'adds'
  /** Its committer may not remove. */
  | 'removes'
  /** It adds too many. */
  | 'tooManyAdds'
  /** It removes too many. */
  | 'tooManyRemoves'
  /** It has too many bytes. */
  | 'tooLarge'
  /** It makes a group larger than the limit. */
  | 'rosterFull';

/** How the own clock is wrong. */
export type ClockError =
  /** It is right, within a few minutes. */
  | 'none'
  /** It is slow, or stood still. */
  | 'behind'
  /** It is fast. */
  | 'ahead';

/** Who says that the own clock is wrong. */
export type ClockWitness =
  /** The counter service. */
  | 'service'
  /** KeyPackages of several senders. */
  | 'peers';

/** Why an intent came to nothing. */
export type Refusal =
  /** Nobody of that name is in the group. */
  | 'notAMember'
  /** The embedder refused it, or nobody admitted it. */
  | 'notAdmitted'
  /** The KeyPackage cannot be committed. */
  | 'badKeyPackage'
  /** The group or the waiting room is full. */
  | 'full'
  /** Something would be over a limit. */
  | 'tooLarge';

/** What was wrong with something that arrived. */
export type Fault =
  /** On a track that is none of this group's. */
  | 'foreignTrack'
  /** At a place where no such object may be. */
  | 'badLocation'
  /** Over a size limit. */
  | 'tooLarge'
  /** Not an MLS message, or not of the kind the track is for. */
  | 'notMls'
  /** A KeyPackage, Welcome or Commit that does not verify. */
  | 'invalid'
  /** A KeyPackage outside its lifetime. */
  | 'expired'
  /** The KeyPackage's key is not the one that its track is named after. */
  | 'wrongSender'
  /** A Welcome that no own key opens. */
  | 'notForMe'
  /** Of another group. */
  | 'wrongGroup'
  /** Of another epoch than its place says, or of one that is over. */
  | 'wrongEpoch'
  /** Over a count limit. */
  | 'tooMany'
  /** A Welcome whose epoch was decided otherwise. */
  | 'notPinned'
  /** A receipt that does not verify. */
  | 'badReceipt'
  /** The object at the place of a ratchet tree is not that tree. */
  | 'wrongTree'
  /** A reply to a request that was never made, or was answered before. */
  | 'unknownReply';

/** Why a participant joins again. */
export type RejoinReason =
  /** A decided commit could not be found. */
  | 'unreachable'
  /** A decided commit could not be processed. */
  | 'faultyCommit'
  /** The service forgot the pins of the present epoch. */
  | 'pinForgotten'
  /** The slot went to a lock that its commit's keys do not make. */
  | 'wrongLock'
  /** The service signed, twice, that it went back. */
  | 'serviceRegressed'
  /** A fork was detected. */
  | 'fork'
  /** A member took an own KeyPackage for a request to come back. */
  | 'replaced'
  /** Another run of this participant acted in its place. */
  | 'doubled';

/** Why there is nothing to seal with. */
export type Silence =
  /** No epoch came yet, or the participant has ended. */
  | 'noEpoch'
  /** The group went on without this member. */
  | 'behind'
  /** An earlier run may have sealed with this epoch. */
  | 'restored';

/** Why an epoch is sealed with now. */
export type SwitchReason =
  /** There was no other. */
  | 'first'
  /** Enough members were seen on it. */
  | 'quorum'
  /** The time to wait is over. */
  | 'deadline'
  /** The time to wait after a removal is over. */
  | 'removal'
  /** It was asked for. */
  | 'asked'
  /** It was sealed with before the restart. */
  | 'restored'
  /** It ends a silence. */
  | 'resumed';

/** Why an epoch's secret is erased. */
export type ForgetReason =
  /** It is old. */
  | 'age'
  /** There are too many. */
  | 'number'
  /** It came again with another secret. */
  | 'fork'
  /** The participant has ended. */
  | 'closed';

/** Why a KeyPackage waits for the embedder. */
export type Hold =
  /** The configuration asks about everybody. */
  | 'policy'
  /** The sender was removed before. */
  | 'barred'
  /** The sender may be one that was removed and is forgotten. */
  | 'maybeBarred'
  /** The key is known with another credential, which is in the notice if it is a member's. */
  | 'otherCredential'
  /** Another member, named in the notice, has the same identity under another key. */
  | 'sameIdentity';

/** What began an epoch, for this participant. */
export type EpochCause =
  /** It created the group. */
  | 'created'
  /** A Welcome let it in. */
  | 'welcome'
  /** A commit was applied, of the committer that the notice names. */
  | 'commit';

/** What is wrong with the counter service. */
export type ServiceFault =
  /** Its counter is below the group's epoch. */
  | 'regressed'
  /** Its counter is absurdly far ahead. */
  | 'absurd'
  /** It holds another lineage. */
  | 'lineageMismatch'
  /** It does not record pins. */
  | 'noPins'
  /** It hands out locks without tokens. */
  | 'noTokens'
  /** It says that no group exists, but there are commits on the relay. */
  | 'lostGroup'
  /** It states a pin whose receipt is missing or does not verify. */
  | 'badReceipt'
  /** It says that the own slot key does not open the lock of the own pin. */
  | 'wrongKey'
  /** It refuses requests, for the reason in the notice. */
  | 'refused'
  /** Three requests in a row got no answer. */
  | 'noAnswer';

/** A step on the way to a successor. */
export type RecoveryStep =
  /** It looks for a successor. */
  | 'looking'
  /** It founds one. */
  | 'founding'
  /** It asks to be let in to one. */
  | 'following'
  /** Nobody let it in there in time. */
  | 'givenUp';

/** What a participant waits for. */
export type WaitsFor =
  /** The event `join`. */
  | 'join'
  /** The counter service's answer whether the group exists. */
  | 'probe'
  /** What the relay has of a group that the service does not know. */
  | 'signs'
  /** The counter service's answer who created the group. */
  | 'creation'
  /** A member of the group before. */
  | 'newcomer'
  /** A Welcome. */
  | 'welcome'
  /** What confirms a Welcome to an MLS epoch. */
  | 'confirmation'
  /** The ratchet tree of a Welcome. */
  | 'tree'
  /** A successor of the group. */
  | 'successor'
  /** The own turn to commit. */
  | 'turn'
  /** The lock of the next epoch. */
  | 'lock'
  /** The relay: the own commit is to be read back. */
  | 'relay'
  /** The counter service's answer to the own increment. */
  | 'increment'
  /** The answer which commit was pinned. */
  | 'pin'
  /** The commit that was pinned, and is not here. */
  | 'commit'
  /** Being removed, as it asked. */
  | 'removal'
  /** A service that can be worked with. */
  | 'service'
  /** Nothing: a member, without work. */
  | 'news'
  /** Nothing any more. */
  | 'end';

/** A full track name: the fields of its namespace, and its name. */
export interface TrackName {
  /** The fields of the namespace, 1 to 32. */
  namespace: Uint8Array[];
  /** The track's name. */
  name: Uint8Array;
}

/** An MoQT object. */
export interface MoqtObject {
  /** Its track. */
  track: TrackName;
  /** Its MOQT group id. */
  groupId: bigint;
  /** Its object id in that group. */
  objectId: bigint;
  /** Its payload. */
  payload: Uint8Array;
}

/** An MLS credential (RFC 9420 section 5.3). */
export interface Credential {
  /** The credential type: 1 basic, 2 X.509. */
  kind: number;
  /** The identity for basic; the certificate chain, TLS-encoded, for X.509. */
  data: Uint8Array;
}

/** Where a counter stands. */
export interface CounterState {
  /** The next value: slots below it are used. */
  current: bigint;
  /** The pin of the asked slot, 96 bytes, if there is one. */
  pin?: Uint8Array | undefined;
  /** The service's signature, if there is one. */
  receipt?: Uint8Array | undefined;
  /** Whether the slot was pinned so long ago that the pin is gone. */
  pinForgotten: boolean;
}

/** One thing that happened. `id` is always that of the action it answers. */
export type Event =
  /** The embedder asks to take part: create the group or join it. */
  | {
      kind: 'join';
    }
  /** The embedder admits who asked to be let in. */
  | {
      kind: 'admit';
      /** The fingerprint of its signature key. */
      sender: Uint8Array;
      /** The credential that it showed. */
      credential: Credential;
      /**
       * The KeyPackageRef (RFC 9420 section 5.2) that the notice named; `undefined` for a client that has not asked
       * yet.
       */
      keyPackageRef?: Uint8Array | undefined;
      /** A member that goes in the same commit: another device of the same person. */
      replacing?: Uint8Array | undefined;
    }
  /** The embedder drops a sender's KeyPackage and takes no other from it. */
  | {
      kind: 'refuse';
      /** The sender. */
      sender: Uint8Array;
    }
  /** The embedder adds a client by a KeyPackage that did not come over the KeyPackage track. */
  | {
      kind: 'add';
      /** The KeyPackage, an MLSMessage. */
      keyPackage: Uint8Array;
    }
  /** The embedder removes a member, and bars it until admitted again. */
  | {
      kind: 'remove';
      /** The member. */
      sender: Uint8Array;
    }
  /** A member's connection ended: remove it, but let it come back. */
  | {
      kind: 'gone';
      /** The member. */
      sender: Uint8Array;
    }
  /** The embedder asks for a commit with fresh entropy. */
  | {
      kind: 'update';
    }
  /** The embedder goes over to a successor that was offered. */
  | {
      kind: 'follow';
      /** Its group name. */
      group: Uint8Array;
    }
  /** The embedder asks to be removed. */
  | {
      kind: 'leave';
    }
  /** An object arrived on a subscribed track; own objects come back too. */
  | {
      kind: 'object';
      object: MoqtObject;
    }
  /** A subscription, of a track or of a namespace, was accepted. */
  | {
      kind: 'subscribed';
      /** The id of the action. */
      id: bigint;
    }
  /** An object was handed to the relay. */
  | {
      kind: 'published';
      /** The id of the action. */
      id: bigint;
    }
  /** The relay answered a fetch. */
  | {
      kind: 'fetched';
      /** The id of the action. */
      id: bigint;
      /** The objects that it has, in any order; possibly none. */
      objects: MoqtObject[];
    }
  /** The counter service gave the lock. */
  | {
      kind: 'lockGranted';
      /** The id of the action. */
      id: bigint;
      /** The lock's token, if the service hands out any. */
      lockId?: Uint8Array | undefined;
      /** The lease, milliseconds; 0 if the service does not say. */
      expiresInMs: bigint;
    }
  /** Another client holds the lock. */
  | {
      kind: 'lockConflict';
      /** The id of the action. */
      id: bigint;
      /** When to ask again, milliseconds; 0 if the service does not say. */
      retryLaterMs: bigint;
    }
  /** The value asked for in a lock request is not the next one. */
  | {
      kind: 'lockCounterError';
      /** The id of the action. */
      id: bigint;
      /** Where the counter stands. */
      state: CounterState;
    }
  /** The counter service refused a lock request. */
  | {
      kind: 'lockRefused';
      /** The id of the action. */
      id: bigint;
      /** Why. */
      reason: Reason;
    }
  /** The slot is filled by this increment. */
  | {
      kind: 'incremented';
      /** The id of the action. */
      id: bigint;
      /** Where the counter stands. */
      state: CounterState;
    }
  /** The slot of an increment is not the next one, or its `prev` is not the pin before. */
  | {
      kind: 'incrementCounterError';
      /** The id of the action. */
      id: bigint;
      /** Where the counter stands. */
      state: CounterState;
    }
  /** The key of an increment does not open the slot lock. */
  | {
      kind: 'incrementWrongKey';
      /** The id of the action. */
      id: bigint;
      /** Where the counter stands. */
      state: CounterState;
    }
  /** The counter service refused an increment. */
  | {
      kind: 'incrementRefused';
      /** The id of the action. */
      id: bigint;
      /** Why. */
      reason: Reason;
    }
  /** The counter service has the commit of a slot. */
  | {
      kind: 'commitFound';
      /** The id of the action. */
      id: bigint;
      /** Where the counter stands. */
      state: CounterState;
      /** The payload of the Commit object; empty for slot 0. */
      commit: Uint8Array;
    }
  /** The counter service has no commit of a slot. */
  | {
      kind: 'commitCounterError';
      /** The id of the action. */
      id: bigint;
      /** Where the counter stands. */
      state: CounterState;
    }
  /** The counter service refused to say. */
  | {
      kind: 'commitRefused';
      /** The id of the action. */
      id: bigint;
      /** Why. */
      reason: Reason;
    }
  /** A request of any kind ended without an answer. */
  | {
      kind: 'failed';
      /** What kind of action it answers. */
      request: RequestKind;
      /** The id of the action. */
      id: bigint;
      /** How it ended. */
      failure: Failure;
      /** The peer's code if it refused, else 0. */
      code: bigint;
    }
  /** A peer's epoch authenticator came over the application's own channel. */
  | {
      kind: 'peerAuthenticator';
      /** The peer. */
      peer: Uint8Array;
      /** The epoch. */
      epoch: bigint;
      /** RFC 9420 section 8.7. */
      authenticator: Uint8Array;
    }
  /** An object of a peer was opened with the media keys of an epoch. */
  | {
      kind: 'mediaOpened';
      /** The peer. */
      peer: Uint8Array;
      /** The epoch. */
      epoch: bigint;
    }
  /** An object came whose Key ID is above all epochs here. */
  | {
      kind: 'mediaAhead';
      /** The epoch that it names. */
      epoch: bigint;
    }
  /** The time at the counter service. */
  | {
      kind: 'serviceTime';
      /** Milliseconds since the Unix epoch. */
      timeMs: bigint;
    }
  /** The counter service asks to be left alone. */
  | {
      kind: 'retryAfter';
      /** For how long, milliseconds. */
      waitMs: bigint;
    }
  /** Time passed. */
  | {
      kind: 'timer';
    };

/**
 * One thing to do. Do them strictly in order, and answer each that has an `id`, but `unsubscribe`, by exactly one event
 * with that id.
 */
export type Action =
  /** Make these bytes durable before the next action is done. They hold private keys. */
  | {
      kind: 'persist';
      /** What `restore` takes. */
      snapshot: Uint8Array;
    }
  /** Say that tracks under this namespace will be published from here. */
  | {
      kind: 'announce';
      /** The fields of the namespace. */
      namespace: Uint8Array[];
    }
  /** Subscribe to every track under a namespace, present and future. */
  | {
      kind: 'subscribeNamespace';
      /** What kind of answer it wants. */
      readonly request?: 'subscribe';
      /** For the answer. */
      id: bigint;
      /** The fields of the namespace. */
      namespace: Uint8Array[];
    }
  /** Subscribe to one track, from the oldest object that the relay has. Own objects must come back. */
  | {
      kind: 'subscribe';
      /** What kind of answer it wants. */
      readonly request?: 'subscribe';
      /** For the answer. */
      id: bigint;
      /** The track. */
      track: TrackName;
    }
  /** End a subscription. It wants no answer. */
  | {
      kind: 'unsubscribe';
      /** The id of the subscription. */
      id: bigint;
    }
  /** Read what the relay still has. */
  | {
      kind: 'fetch';
      /** What kind of answer it wants. */
      readonly request?: 'fetch';
      /** For the answer. */
      id: bigint;
      /** The fields of the namespace. */
      namespace: Uint8Array[];
      /** The track's name; `undefined` for every track under the namespace. */
      name?: Uint8Array | undefined;
      /** The first MOQT group wanted. */
      firstGroup: bigint;
      /** The last MOQT group wanted. */
      lastGroup: bigint;
    }
  /** Publish an object. */
  | {
      kind: 'publish';
      /** What kind of answer it wants. */
      readonly request?: 'publish';
      /** For the answer. */
      id: bigint;
      /** The object. */
      object: MoqtObject;
    }
  /** Ask the counter service for a lock. */
  | {
      kind: 'lock';
      /** What kind of answer it wants. */
      readonly request?: 'lock';
      /** For the answer. */
      id: bigint;
      /** The counter's id: the group name. */
      counter: Uint8Array;
      /** The value expected to be set next. */
      val: bigint;
    }
  /** Ask the counter service to fill a slot. */
  | {
      kind: 'increment';
      /** What kind of answer it wants. */
      readonly request?: 'increment';
      /** For the answer. */
      id: bigint;
      /** The counter's id: the group name. */
      counter: Uint8Array;
      /** The slot; `undefined` from a client that knows only the draft. */
      val?: bigint | undefined;
      /** The token of the lock. */
      lockId?: Uint8Array | undefined;
      /** The pin of the slot before. */
      prev?: Uint8Array | undefined;
      /** The pin to record. */
      pin?: Uint8Array | undefined;
      /** What opens the slot lock in `prev`. */
      key?: Uint8Array | undefined;
      /** The payload of the Commit object. */
      commit?: Uint8Array | undefined;
    }
  /** Ask the counter service which commit filled a slot. */
  | {
      kind: 'getCommit';
      /** What kind of answer it wants. */
      readonly request?: 'getCommit';
      /** For the answer. */
      id: bigint;
      /** The counter's id: the group name. */
      counter: Uint8Array;
      /** The slot. */
      val: bigint;
    }
  /** News for the embedder. */
  | {
      kind: 'notify';
      notice: Notice;
    }
  /** News of the media keys. Store `Participant.saveKeys` now, if keys are stored at all. */
  | {
      kind: 'keys';
      notice: KeysNotice;
    };

/** News of the media keys, which the boundary manages for all tracks. */
export type KeysNotice =
  /** Objects under this Key ID can be opened from now on. */
  | {
      kind: 'epochReady';
      /** The epoch. */
      epoch: bigint;
    }
  /** Objects are sealed with this epoch from now on. */
  | {
      kind: 'sendWith';
      /** The epoch. */
      epoch: bigint;
      /** Why now. */
      reason: SwitchReason;
    }
  /** Nothing is sealed from now on, until the next `sendWith`. */
  | {
      kind: 'silent';
      /** Why. */
      reason: Silence;
    }
  /** This epoch's secret is erased. */
  | {
      kind: 'forgotten';
      /** The epoch. */
      epoch: bigint;
      /** Why. */
      reason: ForgetReason;
    };

/** What a group's GroupContext says of how it runs. */
export interface GroupParams {
  /** How the winner of an epoch is decided. */
  mode: SafetyMode;
  /** Where commits are published. */
  commitTracks: CommitTracks;
  /** Whether ratchet trees may be objects of their own. */
  treeObjects: boolean;
  /** SHA-256 of the counter service's receipt key, if receipts are used. */
  serviceKeyHash?: Uint8Array | undefined;
  /** What is added to an MLS epoch: 0 but in a successor. */
  epochBase: bigint;
}

/**
 * News for the embedder. A peer's fault is news too, never an error. A sender is a SenderId: the fingerprint of a
 * signature key.
 */
export type Notice =
  /** A new epoch is in force. */
  | {
      kind: 'epoch';
      /** The epoch. */
      epoch: bigint;
      /** What began it. */
      cause: EpochCause;
      /** Who committed it, if the cause is a commit. */
      committer?: Uint8Array | undefined;
    }
  /** The epoch in force was made by a commit against the policy. */
  | {
      kind: 'againstPolicy';
      /** The epoch. */
      epoch: bigint;
      /** Who committed it. */
      committer: Uint8Array;
      /** What it is against. */
      breach: Breach;
    }
  /** A member came in. */
  | {
      kind: 'memberJoined';
      /** The member. */
      sender: Uint8Array;
      /** Its leaf. */
      leafIndex: number;
      /** Its credential. */
      credential: Credential;
    }
  /** A member is out. */
  | {
      kind: 'memberLeft';
      /** The member. */
      sender: Uint8Array;
    }
  /** A member came back at another leaf, or another of its identity came in its place. */
  | {
      kind: 'memberReplaced';
      /** Who is out. */
      old: Uint8Array;
      /** Who is in. */
      new: Uint8Array;
      /** Its leaf. */
      leafIndex: number;
      /** Its credential. */
      credential: Credential;
    }
  /** A member took another signature key or credential. */
  | {
      kind: 'memberChanged';
      /** Its leaf. */
      leafIndex: number;
      /** Its name up to now. */
      old: Uint8Array;
      /** Its name from now on. */
      new: Uint8Array;
      /** Its credential from now on. */
      credential: Credential;
    }
  /** A KeyPackage waits for `admit` or `refuse`. Give back all that names who asks. */
  | {
      kind: 'joinRequested';
      /** Who asks. */
      sender: Uint8Array;
      /** The credential that it showed. */
      credential: Credential;
      /** The KeyPackageRef of its KeyPackage. */
      keyPackageRef?: Uint8Array | undefined;
      /** Why it was held back. */
      hold: Hold;
      /** The other credential that the hold is about. */
      otherCredential?: Credential | undefined;
      /** The other member that the hold is about. */
      otherMember?: Uint8Array | undefined;
    }
  /** Nothing can be sealed to a member's leaf key. */
  | {
      kind: 'invalidLeafKey';
      /** The member. */
      sender: Uint8Array;
    }
  /** A member's credential is no longer valid. */
  | {
      kind: 'credentialExpired';
      /** The member. */
      sender: Uint8Array;
    }
  /** This participant was removed. */
  | {
      kind: 'removed';
      /** The epoch that it is no longer in. */
      epoch: bigint;
    }
  /** This participant asked to leave and is out. */
  | {
      kind: 'left';
    }
  /** Nobody took up the leave request in time. */
  | {
      kind: 'leaveUnheard';
    }
  /** The join takes longer than its deadline; it goes on. */
  | {
      kind: 'joinStalled';
      /** The counter's value, if known. */
      counter?: bigint | undefined;
      /** What it waits for. */
      waitsFor: WaitsFor;
      /** The MLS epoch of a Welcome that waits for confirmation. */
      epoch?: bigint | undefined;
    }
  /** An own commit never comes back from the relay. */
  | {
      kind: 'notReadBack';
      /** The epoch that it was sent in. */
      epoch: bigint;
    }
  /** A Welcome came without its ratchet tree, and the relay does not have the tree. */
  | {
      kind: 'treeMissing';
      /** The epoch of both. */
      epoch: bigint;
    }
  /** This participant could not follow the group and asks to be let in again. */
  | {
      kind: 'rejoining';
      /** Why. */
      reason: RejoinReason;
    }
  /** The missing commit appeared: it goes on from the state that it kept. */
  | {
      kind: 'resumed';
      /** The epoch that it is in now. */
      epoch: bigint;
    }
  /** The state that it kept is erased. */
  | {
      kind: 'stateErased';
      /** The epoch whose state it was. */
      epoch: bigint;
    }
  /** A step on the way to a successor of a group that cannot go on. */
  | {
      kind: 'recovery';
      /** The step. */
      step: RecoveryStep;
      /** The successor's name, when founding or following. */
      group?: Uint8Array | undefined;
      /** Who founded it, when following or giving up. */
      founder?: Uint8Array | undefined;
    }
  /** This participant is in the successor of its group. */
  | {
      kind: 'succeeded';
      /** The successor's name. */
      group: Uint8Array;
    }
  /** A successor lets this participant in; `follow` goes there. */
  | {
      kind: 'successorOffered';
      /** Its name. */
      group: Uint8Array;
      /** The members' credentials, by leaf; empty if the ratchet tree is apart. */
      credentials: Credential[];
    }
  /** Two members hold different states of one epoch. */
  | {
      kind: 'forkDetected';
      /** The epoch. */
      epoch: bigint;
      /** The peer that differs. */
      peer: Uint8Array;
    }
  /** A slot went to a pin that nobody can follow. */
  | {
      kind: 'deadSlot';
      /** The epoch that nobody enters. */
      epoch: bigint;
    }
  /** A decided commit cannot be processed. */
  | {
      kind: 'faultyCommit';
      /** The epoch it was sent in. */
      epoch: bigint;
      /** SHA-256 of the commit. */
      commitHash: Uint8Array;
    }
  /** The counter service cannot be worked with. */
  | {
      kind: 'serviceFault';
      /** What is wrong. */
      fault: ServiceFault;
      /** Its counter, if that is what is wrong. */
      current?: bigint | undefined;
      /** Why it refused, if it did. */
      reason?: Reason | undefined;
    }
  /** The group runs with other parameters than configured. */
  | {
      kind: 'paramsMismatch';
      /** What the group has; `undefined` if it was created without. */
      group?: GroupParams | undefined;
    }
  /** An intent came to nothing. */
  | {
      kind: 'refused';
      /** Whom it was about. */
      sender: Uint8Array;
      /** Why. */
      reason: Refusal;
    }
  /** Faults of one kind come faster than a mistake explains. */
  | {
      kind: 'underAttack';
      /** What. */
      fault: Fault;
      /** How many came in all. */
      total: bigint;
    }
  /** This participant's clock is off, or right again. */
  | {
      kind: 'clockSkew';
      /** Which way. */
      error: ClockError;
      /** How far, milliseconds. */
      byMs: bigint;
      /** Who says so. */
      witness: ClockWitness;
    }
  /** Another run of this participant acts in the group. */
  | {
      kind: 'doubled';
      /** How often this run has noticed. */
      times: number;
      /** For how long it leaves the place to the other, milliseconds. */
      waitMs: bigint;
    }
  /** A peer or a relay sent something wrong, which was dropped. */
  | {
      kind: 'peerFault';
      /** Who, as far as the track says. */
      from?: Uint8Array | undefined;
      /** What. */
      fault: Fault;
    };

/** How a participant takes part in a group, with the key ring of its media. */
export interface Config {
  /** The group name: 1 to 255 bytes. */
  group: Uint8Array;
  /** How the winner of an epoch is decided. The same for all members. */
  mode: SafetyMode;
  /** Where commits are published. The same for all members. */
  commitTracks: CommitTracks;
  /** Whether the ratchet tree of a large group is an object of its own. The same for all members. */
  treeObjects: boolean;
  /** The counter service's Ed25519 public key, if it signs receipts. The same for all members. */
  serviceKey?: Uint8Array | undefined;
  /** Who may join. */
  admission: Admission;
  /** The members whose commits may add; `undefined` for all. */
  adders?: Uint8Array[] | undefined;
  /** The members whose commits may remove; `undefined` for all. */
  removers?: Uint8Array[] | undefined;
  /** Most members added by one commit that is helped. */
  mostAdds: bigint;
  /** Most members removed by one commit that is helped. */
  mostRemoves: bigint;
  /** Largest commit that is helped, bytes. */
  mostBytes: bigint;
  /** From how many members on the ratchet tree goes apart. */
  treeThreshold: bigint;
  /** Whether a group that cannot go on is followed by a successor. */
  successor: boolean;
  /** Whether a newcomer follows a successor without being asked. */
  followOffers: boolean;
  /** Bounds. */
  limits: Limits;
  /** Waiting times. */
  timers: Timers;
  /** The media's key ring. */
  keys: KeysConfig;
}

/** Bounds on what peers, relays and the service can make a participant hold or do. All members must have the same. */
export interface Limits {
  /** Largest KeyPackage object, bytes. */
  keyPackageBytes: bigint;
  /** Largest Commit or Welcome object, bytes. */
  handshakeBytes: bigint;
  /** Largest commit that the counter service keeps, bytes. */
  serviceCommitBytes: bigint;
  /** Largest ratchet-tree object, bytes. */
  treeBytes: bigint;
  /** Most bytes of one commit with its Welcomes and its tree. */
  outboxBytes: bigint;
  /** Most members. */
  roster: bigint;
  /** Most members added by one commit whose Welcomes have the tree inside. */
  addsPerCommit: bigint;
  /** Most members added by one commit whose tree goes apart. */
  addsPerCommitApart: bigint;
  /** Most KeyPackages that wait to be committed. */
  pendingJoiners: bigint;
  /** Most bytes of those KeyPackages. */
  pendingJoinerBytes: bigint;
  /** Most removed or refused senders that are remembered. */
  rememberedSenders: bigint;
  /** Most commits of others held for one slot. */
  candidates: bigint;
  /** Most commits of members tried for one slot. */
  commitsPerEpoch: bigint;
  /** Most bytes of commits that are tried for one slot and come to nothing. */
  vainBytes: bigint;
  /** How often in a row one sender is let in. */
  returns: bigint;
  /** How many KeyPackages of one sender are verified in a row. */
  keyPackages: bigint;
  /** How far ahead of the own epoch a commit is kept. */
  futureEpochs: bigint;
  /** Most bytes of commits kept for later epochs. */
  futureBytes: bigint;
  /** Most bytes of leave requests kept for later epochs. */
  leaveBytes: bigint;
  /** Most own KeyPackages that can still be welcomed. */
  ownKeyPackages: bigint;
  /** Most Welcomes held while their pin is not known. */
  welcomes: bigint;
  /** Most bytes of those Welcomes. */
  welcomeBytes: bigint;
  /** How far ahead a counter may be, in slots. */
  counterLead: bigint;
  /** How often a publish is repeated. */
  publishTries: bigint;
  /** Most actions that wait to be polled. */
  actions: bigint;
}

/** How long a participant waits for what, milliseconds. */
export interface Timers {
  /** Work is gathered for so long before a commit. */
  batchMs: bigint;
  /** A commit waits for more joiners for so long at most. */
  crowdMs: bigint;
  /** The next member in turn takes over after so much more. */
  turnMs: bigint;
  /** A held commit is asked about after this. */
  confirmMs: bigint;
  /** The committer alone pins its commit for so long. */
  leaseMs: bigint;
  /** A sender that was let in too often is let in again after this. */
  returnsMs: bigint;
  /** Of a sender with too many KeyPackages another is verified after this. */
  keyPackageMs: bigint;
  /** A missing commit is fetched again after this. */
  fetchMs: bigint;
  /** A commit that is not read back is published again after this. */
  readBackMs: bigint;
  /** A joiner publishes a fresh KeyPackage after this. */
  joinRetryMs: bigint;
  /** A joiner reports that its join stalls after this. */
  joinDeadlineMs: bigint;
  /** A member that cannot find a decided commit joins again after this. */
  rejoinMs: bigint;
  /** A member that joins again keeps its state for so long. */
  keepMs: bigint;
  /** A member waits for so long on the way to a successor. */
  strandMs: bigint;
  /** The first delay of the back-off. */
  backoffFirstMs: bigint;
  /** The longest delay of the back-off. */
  backoffLongestMs: bigint;
  /** The shortest `retryLater` that is believed. */
  retryLaterShortestMs: bigint;
  /** The longest `retryLater` that is believed. */
  retryLaterLongestMs: bigint;
  /** A leave request that nobody commits is given up after this. */
  leaveMs: bigint;
  /** A member that heard nothing asks the counter after this. */
  auditMs: bigint;
  /** The secret of a passed epoch can be pulled for so long. */
  epochSecretsMs: bigint;
  /** While media opens, the counter is asked after this at the latest. */
  auditWithMediaMs: bigint;
  /** Signs that the group went on are looked into this often at most. */
  hintMs: bigint;
  /** Signs that the group exists delay its creation by so much at most. */
  lostGroupMs: bigint;
  /** How often credentials are checked for expiry. */
  credentialCheckMs: bigint;
}

/** The bounds of a counter service. */
export interface ServiceConfig {
  /** How long a lock lasts, milliseconds. */
  leaseMs: bigint;
  /** Most counters. */
  maxCounters: bigint;
  /** Most counters started by one source. */
  maxCountersPerSource: bigint;
  /** How long a counter must rest before a new one may take its place, milliseconds. */
  idleMs: bigint;
  /** Pins kept for each counter. */
  keptPins: bigint;
  /** Commits kept for each counter. */
  keptCommits: bigint;
  /** Bytes of commits kept for each counter. */
  keptCommitBytes: bigint;
  /** Bytes of commits kept for all counters together. */
  maxCommitBytes: bigint;
}

/** When media switches to a newer epoch, and forgets an older one. */
export interface KeysConfig {
  /** How many of the other members must be seen on an epoch before it is sealed with, percent. */
  quorum: bigint;
  /** An epoch is sealed with after this at the latest. */
  switchAfterMs: bigint;
  /** The same for an epoch in which a member was removed. */
  switchAfterRemovalMs: bigint;
  /** A switch waits up to so much longer for a newer epoch. */
  coalesceMs: bigint;
  /** An epoch is kept for so long after a newer one came. */
  keepMs: bigint;
  /** Most epochs kept, at least 2. */
  keepEpochs: bigint;
  /** A member that the group went on without seals for so much longer. */
  staleAfterMs: bigint;
}

/** What a response of the counter service says. */
export interface CounterReply {
  /** What to give to the participant, in this order: times first, then the answer. */
  events: Event[];
  /** How many bytes of the input the response was. */
  consumed: number;
}

/** What a service answers to the HTTP bytes that it got. */
export interface HttpAnswer {
  /** The response, to be sent. */
  response: Uint8Array;
  /** How many bytes of the input the request was; the next one is behind it. */
  consumed: number;
  /** Whether the connection must be closed: where the next request starts is unknown. */
  close: boolean;
}

/** A member of the group. */
export interface Member {
  /** Its leaf. */
  leafIndex: number;
  /** The fingerprint of its signature key. */
  sender: Uint8Array;
  /** Its credential. */
  credential: Credential;
}

/** Where an object of a media track is, and how it is sent. */
export interface ObjectPlace {
  /** The MOQT group id. */
  groupId: bigint;
  /** The object id in that group, below 2^32. */
  objectId: bigint;
  /** The publisher priority. */
  priority: number;
}

/** How a call ended, as a number. The first group is for bindings with handles and pointers. */
export type Status =
  /** It did what it says. */
  | 'ok'
  /** A pointer is null where there must be something. */
  | 'nullPointer'
  /** The handle names nothing: it was freed, never given, or is of another type. */
  | 'invalidHandle'
  /** Another thread is in a call with this handle. */
  | 'busy'
  /** The library panicked, which is a fault of it. The handle can only be freed. */
  | 'panicked'
  /** A `size` field that is too small for what the kind needs. */
  | 'invalidSize'
  /** A number that names nothing: a kind, a code or a suite. */
  | 'unknownCode'
  /** Bytes of a wrong length, or a number that is too large. */
  | 'invalidLength'
  /** A name that MoQT or the draft forbids. */
  | 'invalidName'
  /** The output does not fit into the buffer; its length was written. */
  | 'bufferTooSmall'
  /** Text that is not UTF-8. */
  | 'notUtf8'
  /** The participant has no such track. */
  | 'noSuchTrack'
  /** This build lacks it. */
  | 'unsupported'
  /** The action is no request to the counter service. */
  | 'noCounterRequest'
  /** Bytes that are no HTTP/1.1. */
  | 'invalidHttp'
  /** There are as many handles as there can be. */
  | 'tooManyHandles'
  /** Too many actions wait: poll them, and give the event again. */
  | 'undrained'
  /** The call needs a member, and this participant is none. */
  | 'notAMember'
  /** The epoch is over, or has not begun. */
  | 'epochGone'
  /** `join` came a second time. */
  | 'alreadyJoined'
  /** The KeyPackage is not valid. */
  | 'badKeyPackage'
  /** The service key is no Ed25519 public key. */
  | 'badServiceKey'
  /** The command is about this participant and needs another name. */
  | 'ownName'
  /** The participant has left or was removed. */
  | 'ended'
  /** The MLS engine failed: restore the last snapshot. */
  | 'engine'
  /** The MLS engine failed before: restore the last snapshot. */
  | 'poisoned'
  /** The bytes are no snapshot, or are damaged. */
  | 'snapshotMalformed'
  /** A snapshot of another version. */
  | 'snapshotVersion'
  /** A snapshot of another group or configuration. */
  | 'snapshotOtherGroup'
  /** A snapshot of another participant. */
  | 'snapshotOtherParticipant'
  /** There is no key to seal with now. */
  | 'sealNoKey'
  /** The object id does not fit the nonce. */
  | 'sealObjectId'
  /** The location is not above those sealed before. */
  | 'sealNotAbove'
  /** The key may have been sealed with before a restart. */
  | 'sealRestored'
  /** The immutable properties lack the Key ID. */
  | 'sealKeyId'
  /** The object is too long. */
  | 'sealTooLong'
  /** The key has reached its limit. */
  | 'sealLimit'
  /** The cipher failed. */
  | 'sealCipher'
  /** There is no key for this Key ID, now. It may come. */
  | 'openUnknownKey'
  /** The key has reached its limit. */
  | 'openLimit'
  /** The object does not open. */
  | 'openRejected';
