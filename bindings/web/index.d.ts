// The types of moq-mls. Events, actions, notices and configurations are in types.d.ts.

import type {
  Action,
  Config,
  CounterReply,
  Event,
  Member,
  ObjectPlace,
  Phase,
  RequestKind,
  Status,
  TrackName,
} from './types.js';

export type * from './types.js';

/** Loads the WebAssembly module, once. Everything else needs it. By default it is beside this file. */
export function init(source?: URL | string | Request | Response | BufferSource | WebAssembly.Module): Promise<void>;

/**
 * Why a call failed. A value of a wrong type is a `TypeError` instead.
 *
 * After `panicked` the object is not usable any more. After `engine` free it, and restore the last snapshot.
 */
export class MoqMlsError extends Error {
  constructor(status: Status | 'invalidMoqt', code: number, message: string);
  /** Why, as a name; `invalidMoqt` is of the functions in `moq-mls/moqt`. */
  readonly status: Status | 'invalidMoqt';
  /** Why, as a number that never changes. */
  readonly code: number;
}

/** Returns the version of the events, actions and codes. */
export function version(): number;

/** Returns the default configuration for a group name of 1 to 255 bytes. */
export function defaultConfig(group: Uint8Array): Config;

/**
 * Returns the HTTP/1.1 request of a `lock`, `increment` or `getCommit` action. `host` is the value of the Host header,
 * `token` a bearer token.
 */
export function counterRequest(action: Action, host: string, token?: string): Uint8Array;

/**
 * Reads the HTTP/1.1 response to the action of that kind and id; returns `undefined` if more bytes are needed. `ended`
 * says that none will come. Give all its events to the participant, in order.
 */
export function counterReply(
  request: RequestKind,
  id: bigint,
  input: Uint8Array,
  ended?: boolean,
): CounterReply | undefined;

/**
 * A cipher suite, a signature key and a basic credential. A participant that is restored needs the same identity: store
 * the secret key, sealed, beside the snapshots.
 */
export class Identity {
  private constructor();
  /**
   * Generates a signature key for an MLS cipher suite: 1, 2, 3 or 7. `name` is the identity of the basic credential.
   */
  static generate(suite: number, name: Uint8Array): Identity;
  /** Takes back a key that `secretKey` returned. */
  static fromSecretKey(suite: number, name: Uint8Array, secretKey: Uint8Array): Identity;
  /** Returns the signature private key. Overwrite the array when it is stored. */
  secretKey(): Uint8Array;
  /** Returns the signature public key. */
  publicKey(): Uint8Array;
  /** Frees it. Participants that were made with it stay. */
  free(): void;
  [Symbol.dispose](): void;
}

/** Bytes of a sealed object that are sent: the immutable properties, and the object's payload. */
export interface SealedObject {
  properties: Uint8Array;
  object: Uint8Array;
}

/** What was in a sealed object: the payload, and the encrypted properties, serialized. */
export interface OpenedObject {
  payload: Uint8Array;
  encrypted: Uint8Array;
}

/**
 * A participant of one group: events in, actions out, and the keys of its media.
 *
 * Times are milliseconds since the Unix epoch, as `Date.now` returns them. Every call is synchronous, and none calls
 * back.
 */
export class Participant {
  /** Makes a participant that has not begun: give it the event `join`. */
  constructor(identity: Identity, config: Config, nowMs: number);

  /**
   * Goes on after a restart, with the last snapshot that became durable. `keys` is what `saveKeys` returned last;
   * without it, epochs that were passed do not open any more. Nothing is sealed until an epoch came by
   * a commit of this run, or until `sealingFrom`.
   */
  static restore(
    identity: Identity,
    config: Config,
    snapshot: Uint8Array,
    keys: Uint8Array | undefined,
    nowMs: number,
  ): Participant;

  /** Takes in what happened. After an error that is not `engine`, `poisoned` or `panicked`, nothing has changed. */
  handle(nowMs: number, event: Event): void;
  /** Returns the next thing to do, or `undefined`. Do each action before you poll the next. */
  poll(): Action | undefined;
  /** Returns when the event `timer` is due if nothing happens before; `undefined` for never. */
  deadline(): number | undefined;

  /** Returns the durable state as it is now. The action `persist` brings it whenever it must be stored. */
  snapshot(): Uint8Array;
  /** Returns the media keys, to be stored as a snapshot is whenever the action `keys` came. */
  saveKeys(): Uint8Array;
  /** Returns the own SenderId: the fingerprint of the signature key. */
  senderId(): Uint8Array;
  /** Returns the phase that this participant is in. */
  phase(): Phase;
  /** Returns the epoch, while a member. */
  epoch(): bigint | undefined;
  /** Says in a sentence where this participant is, and what it waits for. */
  status(): string;
  /** Returns the members by leaf; none unless this participant is one. */
  members(): Member[];
  /** Returns SHA-256 of the GroupContext, while a member: equal for all members of an epoch. */
  contextHash(): Uint8Array | undefined;
  /** Returns the epoch authenticator (RFC 9420 section 8.7), while a member. */
  epochAuthenticator(): Uint8Array;
  /** Returns an exporter secret of the present epoch (RFC 9420 section 8.5): at most 8,160 bytes. */
  exportSecret(label: Uint8Array, context: Uint8Array, length: number): Uint8Array;
  /** Returns the base key of a track in an epoch, for media that is not sealed here. */
  trackKey(epoch: bigint, track: TrackName): Uint8Array;

  /**
   * Adds a media track and returns its number. `suite` is a Secure Objects cipher suite: 4. With `byNamespace`, its
   * keys come from the base key of its namespace. A track that is there already, or was, keeps its number and seals on
   * above what it sealed.
   */
  addTrack(suite: number, track: TrackName, byNamespace?: boolean): number;
  /** Removes a media track, and erases its keys. */
  removeTrack(track: number): void;
  /** Returns the Key ID property that the next sealed object must have; `undefined` while nothing is sealed. */
  keyIdProperty(track: number): Uint8Array | undefined;
  /**
   * Seals an object. A place is sealed once only. `immutable` are immutable properties with the Key ID among them, by
   * default the Key ID alone; `encrypted` is the serialized list of encrypted properties, by default empty.
   */
  seal(
    track: number,
    place: ObjectPlace,
    payload: Uint8Array,
    options?: { immutable?: Uint8Array; encrypted?: Uint8Array },
  ): SealedObject;
  /**
   * Opens an object, and learns from it that its publisher is at the epoch of its Key ID. `publisher` is the SenderId
   * of the only member that publishes the track, if that is known. Poll after it.
   */
  open(
    nowMs: number,
    track: number,
    place: ObjectPlace,
    properties: Uint8Array,
    object: Uint8Array,
    publisher?: Uint8Array,
  ): OpenedObject;
  /** Seals with the newest epoch from now on. */
  switchNow(nowMs: number): void;
  /** Says after a restart that nothing was sealed at this location or above it. */
  sealingFrom(groupId: bigint, objectId: bigint): void;

  /** Frees it. Every later call fails with `invalidHandle`. */
  free(): void;
  [Symbol.dispose](): void;
}
