// The relay as the driver takes it, over sessions that come back when they are lost.
//
// One session publishes and two subscribe, for the relay does not echo within a session. KeyPackages have a session of
// their own, so that they do not take the place of commits. Media is subscribed to by name: see `places.js`.

import { CommitLog, fromArchive } from './commits.js';
import { commitNamespace, hex, kind, namespaceKey, namespaceKind, prefix, seenTrack, trackKey } from './names.js';
import { Places } from './places.js';
import { Track } from './publishing.js';
import { Session } from './session.js';
import { Backoff, Bell, sleep, within } from './waiting.js';

const ignore = () => {};
/** Between two tries to connect. */
const AGAIN = [200, 5000];
/** Longest wait for all sessions. */
const PATIENCE = 20_000;
/** How long sessions go on that others have taken the place of. */
const LINGER = 2000;
/** A session that looks for what is past is content once nothing has come for this long. */
const QUIET = 250;
/** Longest wait for a ratchet tree whose track is there, and for a member that is asked for commits. */
const TREE = 10_000;
const ANSWERED = 3000;
/** Members that are asked, one after another. */
const ASKED = 4;

const starts = (namespace, wanted) => namespaceKey(namespace.slice(0, wanted.length)) === namespaceKey(wanted);
const contains = (scope, track) =>
  scope.name ? trackKey(scope) === trackKey(track) : starts(track.namespace, scope.namespace);

export class Relay {
  #options;
  #link;
  #bells = new Set();
  #tracks = new Map();
  #scopes = new Map();
  #media = new Map();
  #commits = new CommitLog();
  #places;
  isClosed = false;

  /**
   * Connects, and goes on until `close`. `options` has the relay's `url` and the `hash` of its certificate, the `group`
   * and the own SenderId as `me`, and `heard`, which hears of errors, and of `undefined` after them.
   */
  constructor(options) {
    this.#options = { heard: ignore, ...options };
    this.#places = new Places(options, { object: (object) => this.#take(object) });
    this.#keepLink();
  }

  /** Returns the sessions, once there are any; `undefined` after `close`. */
  async link() {
    const bell = new Bell();
    this.#bells.add(bell);
    while (!this.#link && !this.isClosed) await bell.wait();
    this.#bells.delete(bell);
    return this.isClosed ? undefined : this.#link;
  }

  isCurrent(link) {
    return this.#link === link;
  }

  async #keepLink() {
    const backoff = new Backoff(...AGAIN);
    while (!this.isClosed) {
      try {
        const link = await this.#connect();
        if (this.isClosed) return Relay.#end(link);
        const before = this.#link;
        this.#change(link);
        if (before) sleep(LINGER).then(() => Relay.#end(before));
        const began = Date.now();
        const sessions = Object.values(link);
        const lost = Promise.race(sessions.map(({ closed }) => closed)).then(() => true);
        const goesAway = Promise.race(sessions.map((session) => session.goesAway)).then(() => false);
        this.#holdNamespace(link).catch(ignore);
        // After GOAWAY the sessions are used until others have taken their place.
        if (await Promise.race([lost, goesAway])) {
          this.#change(undefined);
          Relay.#end(link);
          if (!this.isClosed) this.#options.heard(new Error('the session with the relay was lost'));
        }
        if (Date.now() - began > AGAIN[1]) backoff.reset();
      } catch (error) {
        this.#options.heard(error);
        if (this.#link && Object.values(this.#link).some(({ isClosed }) => isClosed)) this.#change(undefined);
      }
      await backoff.wait();
    }
  }

  #change(link) {
    this.#link = link;
    if (link) this.#options.heard(undefined);
    this.#bells.forEach((bell) => bell.ring());
    this.#tracks.forEach((track) => track.wake());
    this.#scopes.forEach(({ changed }) => changed());
  }

  async #connect() {
    const object = (one) => this.#take(one);
    const { group, me } = this.#options;
    const mine = trackKey(seenTrack(commitNamespace(group), me));
    const archive = (track, first, last) => (trackKey(track) === mine ? this.#commits.archive(first, last) : []);
    const kinds = { publisher: { object, archive }, subscriber: { object, offered: true } };
    kinds.keyPackages = kinds.subscriber;
    const opening = Object.entries(kinds).map(async ([name, takes]) => [
      name,
      await Session.open(this.#options, takes),
    ]);
    try {
      return Object.fromEntries(await within(PATIENCE, Promise.all(opening)));
    } catch (error) {
      opening.forEach((one) => one.then(([, session]) => session.close(), ignore));
      throw error;
    }
  }

  static #end(link) {
    Object.values(link).forEach((session) => session.close());
  }

  /** Holds the namespace of what was seen. Another session may have it still, for some seconds. */
  async #holdNamespace(link) {
    const { namespace } = seenTrack(commitNamespace(this.#options.group), this.#options.me);
    while (this.isCurrent(link)) {
      const held = await link.publisher.publishNamespace(namespace).then(
        () => true,
        () => false,
      );
      if (held) return;
      await sleep(1000);
    }
  }

  #take(object) {
    const key = trackKey(object.track);
    if (kind(object.track) === 'commit') this.#commits.note(object);
    if (this.#media.has(key)) this.#media.get(key)(object);
    for (const { scope, onObject } of this.#scopes.values()) {
      if (contains(scope, object.track)) {
        onObject(object);
        // Prefixes overlap by the own Commit track alone.
        return;
      }
    }
  }

  #track(track) {
    const key = trackKey(track);
    if (!this.#tracks.has(key)) this.#tracks.set(key, new Track(this, track));
    return this.#tracks.get(key);
  }

  /** Publishes an object; resolves when it was written to a session. An aborted `signal` gives it up. */
  send(object, signal) {
    return this.#track(object.track).send(object, signal);
  }

  /** Returns how many objects of a track wait to be written. */
  waiting(track) {
    return this.#track(track).waiting;
  }

  /** Subscribes to a track or, without a `name`, to a namespace. Returns `ended`, a promise, and `end()`. */
  async subscribe(scope, onObject) {
    const link = await this.link();
    if (!link) throw new Error('the relay is closed');
    const id = Symbol('subscription');
    let changed;
    const over = new Promise((resolve) => (changed = () => this.#link === link || resolve()));
    // Objects may come before the answer.
    this.#scopes.set(id, { scope, onObject, changed });
    const blocked = [];
    // The subscription of the Commit namespace brings the own Commit track, too.
    const isBrought = scope.name && kind(scope) === 'commit';
    const session = namespaceKind(scope.namespace) === 'keyPackage' ? link.keyPackages : link.subscriber;
    let subscription;
    try {
      const byName = (track) => blocked.push(this.#places.keep(track));
      if (!isBrought) subscription = await session.subscribeTracks(prefix(scope), byName);
    } catch (error) {
      this.#scopes.delete(id);
      throw error;
    }
    const end = () => {
      this.#scopes.delete(id);
      subscription?.end();
      blocked.splice(0).forEach((stop) => stop());
    };
    const ended = Promise.race([over, ...(subscription ? [subscription.ended] : [])]).then(end);
    return { ended, end };
  }

  /** Keeps a track subscribed to by name. Returns a function that ends it. */
  follow(track, onObject) {
    const key = trackKey(track);
    this.#media.set(key, onObject);
    const stop = this.#places.keep(track);
    return () => {
      stop();
      this.#media.delete(key);
    };
  }

  /** Reads what is past: of a track, or of all under a namespace. `members` are asked for commits. */
  async fetch({ namespace, name, firstGroup, lastGroup }, members) {
    const track = { namespace, name };
    const what = name && kind(track);
    if (what === 'tree') return this.#look(track, TREE, ({ groupId }) => groupId === firstGroup);
    if (what === 'keyPackage') return this.#look(track, QUIET, () => false);
    // The look before a commit: the subscription has brought what there is.
    if (firstGroup === lastGroup) return this.#commits.seen(firstGroup, lastGroup);
    const kept = this.#look({ namespace }, QUIET, () => false).catch(() => undefined);
    const seen = await this.#seen(namespace, firstGroup, lastGroup, members);
    const found = [await kept, seen];
    if (!found.some(Boolean)) throw new Error('neither the relay nor a member answered');
    return found.flatMap((some) => some ?? []).filter(({ groupId }) => groupId >= firstGroup && groupId <= lastGroup);
  }

  /** By FETCH: what the first member that answers has seen. */
  async #seen(commits, firstGroup, lastGroup, members) {
    for (const member of members.slice(0, ASKED)) {
      try {
        const asked = this.#link?.subscriber.fetch(seenTrack(commits, member), firstGroup, lastGroup);
        const objects = await within(ANSWERED, asked ?? Promise.reject(new Error('no session')));
        return objects.map((object) => fromArchive(commits, object));
      } catch (error) {
        console.debug('FETCH', hex(member).slice(0, 12), error.message);
      }
    }
    return undefined;
  }

  /** By a session of its own: what the relay has of a track or a namespace, until nothing comes for `quiet`. */
  async #look(scope, quiet, isEnough) {
    const objects = [];
    const bell = new Bell();
    const object = (one) => {
      objects.push(one);
      bell.ring();
    };
    const session = await Session.open(this.#options, { object, offered: true });
    try {
      const until = Date.now() + quiet;
      for (;;) {
        const asked = scope.name ? session.subscribe(scope) : session.subscribeTracks(scope.namespace, ignore);
        // A track that is not there yet may come, after what names it.
        if (await asked.then(ignore, () => 'refused')) await sleep(Math.min(quiet, AGAIN[0]));
        else while (!objects.some(isEnough) && (await bell.wait(quiet)));
        if (objects.some(isEnough) || Date.now() >= until) return objects;
      }
    } finally {
      session.close();
    }
  }

  close() {
    this.isClosed = true;
    if (this.#link) Relay.#end(this.#link);
    this.#change(undefined);
    this.#places.close();
  }
}
