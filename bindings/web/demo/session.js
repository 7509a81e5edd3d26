// One MoQT session (draft 18) over WebTransport: it subscribes, publishes, asks for what is past and gives it.
//
// Every request is a bidirectional stream of its own, and so is every PUBLISH and FETCH of the relay. Objects come and
// go on unidirectional streams, one for each subgroup.

import { FetchWriter, encodeMessage } from 'moq-mls/moqt';

import { fromWire, text, toWire } from './names.js';
import { Items, PRIORITY, Published } from './streams.js';
import { sleep, within } from './waiting.js';

const ignore = () => {};
const none = { parameters: [] };
/** Longest wait for an answer. */
const PATIENCE = 20_000;
/** How long objects wait for the name of their alias, and an alias is known after its track has ended. */
const UNNAMED = 10_000;
const UNINTERESTED = 0x20n;
const DOES_NOT_EXIST = 0x10n;

const refusal = (errorCode, reason) => ({
  kind: 'requestError',
  errorCode,
  retryInterval: 0n,
  reasonPhrase: new TextEncoder().encode(reason),
});

export class Session {
  #transport;
  #takes;
  #requests = 0n;
  #aliases = 0n;
  #tracks = new Map();
  #fetches = new Map();
  /** Resolves when the relay asks for another session. */
  goesAway;
  #goAway;
  isClosed = false;
  /** Resolves when it is gone. */
  closed;

  /**
   * Opens a session with the relay at `url`; `hash` is SHA-256 of its certificate, for one that the browser does not
   * know. `takes` has `object(object)`, `offered` (whether the relay's PUBLISHes are taken) and `archive(track, first,
   * last)`.
   */
  static async open({ url, hash }, takes) {
    const serverCertificateHashes = hash ? [{ algorithm: 'sha-256', value: hash }] : undefined;
    const transport = new WebTransport(url, { protocols: ['moqt-18'], serverCertificateHashes });
    transport.closed.catch(ignore);
    try {
      await within(PATIENCE, transport.ready, 'no session');
      return new Session(transport, takes);
    } catch (error) {
      transport.close();
      throw error;
    }
  }

  constructor(transport, takes) {
    [this.#transport, this.#takes] = [transport, takes];
    this.goesAway = new Promise((resolve) => (this.#goAway = resolve));
    this.closed = transport.closed.catch(ignore).then(() => {
      this.isClosed = true;
      this.#fetches.forEach(({ reject }) => reject(new Error('the session ended')));
    });
    this.#setUp().catch(() => this.close());
    const each = async (streams, on) => {
      const reader = streams.getReader();
      for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
        on(value).catch((error) => this.isClosed || console.debug('stream of the relay:', error));
      }
    };
    each(transport.incomingUnidirectionalStreams, (stream) => this.#onStream(stream)).catch(ignore);
    each(transport.incomingBidirectionalStreams, (stream) => this.#onRequest(stream)).catch(ignore);
  }

  close() {
    this.isClosed = true;
    try {
      this.#transport.close();
    } catch {
      // It was not open yet.
    }
  }

  async #setUp() {
    // It stays open, or the session ends.
    this.control = (await this.#transport.createUnidirectionalStream()).getWriter();
    this.control.closed.catch(ignore);
    await this.control.write(encodeMessage({ kind: 'setup', options: [] }));
  }

  /** Sends a request, and returns its answer, the items behind it, and its writer. */
  async #ask(message) {
    const stream = await within(PATIENCE, this.#transport.createBidirectionalStream());
    const writer = stream.writable.getWriter();
    writer.closed.catch(ignore);
    const items = new Items(stream.readable, { requests: true });
    const end = () => {
      items.cancel();
      writer.abort().catch(ignore);
    };
    try {
      await writer.write(encodeMessage(message));
      const answer = (await within(PATIENCE, items.next()))?.message;
      if (!answer) throw new Error(`${message.kind}: the session ended`);
      if (answer.kind === 'requestError') {
        const reason = `refused with code ${answer.errorCode}: ${text(answer.reasonPhrase)}`;
        throw Object.assign(new Error(`${message.kind} ${reason}`), { code: answer.errorCode });
      }
      return { answer, items, writer, end };
    } catch (error) {
      end();
      throw error;
    }
  }

  #requestId() {
    // A client's are even.
    const id = this.#requests;
    this.#requests += 2n;
    return id;
  }

  /** PUBLISH: offers a track, of which so many MOQT groups stay open. */
  async publish(track, mostGroups) {
    const trackAlias = this.#aliases;
    this.#aliases += 1n;
    const requestId = this.#requestId();
    const message = { kind: 'publish', requestId, track: toWire(track), trackAlias, ...none, trackProperties: [] };
    return new Published(this.#transport, trackAlias, await this.#ask(message), mostGroups);
  }

  /** PUBLISH_NAMESPACE: the relay passes FETCHes under it on to this session, for as long as it lasts. */
  async publishNamespace(namespace) {
    await this.#ask({ kind: 'publishNamespace', requestId: this.#requestId(), namespace, ...none });
  }

  /**
   * SUBSCRIBE_TRACKS: the relay offers every track under a prefix, present and future. `blocked` gets those that it
   * does not offer. Returns `ended`, a promise, and `end()`.
   */
  async subscribeTracks(namespacePrefix, blocked) {
    const message = { kind: 'subscribeTracks', requestId: this.#requestId(), namespacePrefix, ...none };
    const { items, end } = await this.#ask(message);
    const follow = async () => {
      for (let item = await items.next(); item; item = await items.next()) {
        const { kind, namespaceSuffix, name } = item.message;
        if (kind === 'publishBlocked') blocked(fromWire({ namespace: [...namespacePrefix, ...namespaceSuffix], name }));
        if (kind === 'requestError') return;
      }
    };
    return { ended: follow().catch(ignore), end };
  }

  /** SUBSCRIBE: one track, from the oldest object that the relay has. Returns `ended`, a promise, and `end()`. */
  async subscribe(track) {
    const message = { kind: 'subscribe', requestId: this.#requestId(), track: toWire(track), ...none };
    const { answer, items, end } = await this.#ask(message);
    return { ended: this.#take(answer.trackAlias, track, items), end };
  }

  /** Takes the objects of a track under an alias, until its request's stream says PUBLISH_DONE or ends. */
  async #take(alias, track, items) {
    const named = this.#name(alias);
    named.resolve(track);
    if (this.#tracks.get(alias) !== named) this.#tracks.set(alias, named);
    try {
      for (let item = await items.next(); item; item = await items.next()) {
        if (item.message.kind === 'publishDone') return;
      }
    } catch {
      // The session, or the track, is gone.
    } finally {
      // What is on its way may still come for a while.
      sleep(UNNAMED).then(() => this.#tracks.get(alias) === named && this.#tracks.delete(alias));
    }
  }

  /** Returns the name to be of an alias. Objects may overtake the message that names their track. */
  #name(alias) {
    const known = this.#tracks.get(alias);
    if (known && !known.isNamed) return known;
    const made = {};
    const track = new Promise((resolve) => {
      made.resolve = (name) => {
        made.isNamed = true;
        resolve(name);
      };
    });
    return Object.assign(made, { track });
  }

  #named(alias) {
    if (!this.#tracks.has(alias)) this.#tracks.set(alias, this.#name(alias));
    return within(UNNAMED, this.#tracks.get(alias).track, `nobody named the alias ${alias}`);
  }

  /** FETCH: the objects of a track in these MOQT groups. */
  async fetch(track, startGroup, endGroup) {
    const requestId = this.#requestId();
    const fetched = new Promise((resolve, reject) => this.#fetches.set(requestId, { resolve, reject }));
    fetched.catch(ignore);
    const range = { startGroup, startObject: 0n, endGroup, endObject: 0n };
    try {
      const { writer } = await this.#ask({ kind: 'fetch', requestId, track, ...range, ...none });
      writer.close().catch(ignore);
      return await within(PATIENCE, fetched);
    } finally {
      this.#fetches.delete(requestId);
    }
  }

  async #onStream(readable) {
    const items = new Items(readable);
    try {
      const first = await items.next();
      if (first?.kind === 'subgroup') {
        const track = await this.#named(first.trackAlias);
        for (let item = await items.next(); item; item = await items.next()) {
          const { groupId, objectId, payload, properties } = item;
          if (payload.length > 0) this.#takes.object({ track, groupId, objectId, payload, properties });
        }
      } else if (first?.kind === 'fetch') {
        const waits = this.#fetches.get(first.requestId);
        const objects = [];
        for (let item = await items.next(); item; item = await items.next()) {
          if (item.kind === 'object') objects.push(item);
        }
        waits?.resolve(objects);
      } else {
        for (let item = first; item; item = await items.next()) {
          if (item.message.kind === 'goAway') this.#goAway();
        }
      }
    } catch (error) {
      items.cancel();
      throw error;
    }
  }

  /** PUBLISH and FETCH of the relay. */
  async #onRequest(stream) {
    const items = new Items(stream.readable, { requests: true });
    const writer = stream.writable.getWriter();
    writer.closed.catch(ignore);
    const message = (await items.next())?.message;
    const answer = (reply) => writer.write(encodeMessage(reply));
    if (message?.kind === 'publish' && this.#takes.offered) {
      await answer({ kind: 'requestOk', ...none, trackProperties: [] });
      await this.#take(message.trackAlias, fromWire(message.track), items);
    } else if (message?.kind === 'fetch') {
      await this.#give(message, answer);
    } else {
      await answer(refusal(UNINTERESTED, 'not for me'));
    }
    writer.close().catch(ignore);
  }

  /** Answers a FETCH: of whole MOQT groups, for each object has its location. */
  async #give({ requestId, track, startGroup, endGroup }, answer) {
    const objects = this.#takes.archive?.(track, startGroup, endGroup) ?? [];
    const last = objects.at(-1);
    if (!last) return answer(refusal(DOES_NOT_EXIST, 'nothing of that here'));
    const end = { endGroup: last.groupId, endObject: last.objectId + 1n };
    await answer({ kind: 'fetchOk', endOfTrack: false, ...end, ...none, trackProperties: [] });
    const writer = (await this.#transport.createUnidirectionalStream()).getWriter();
    const format = new FetchWriter(requestId);
    await writer.write(format.start());
    for (const { groupId, objectId, payload } of objects) {
      await writer.write(format.object(groupId, objectId, PRIORITY, payload));
    }
    format.free();
    return writer.close();
  }
}
