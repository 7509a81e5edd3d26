// The two ways of a stream: items that come in, and objects that go out.

import { StreamReader, SubgroupWriter, encodeMessage } from 'moq-mls/moqt';

const ignore = () => {};

/** The publisher priority of everything here. */
export const PRIORITY = 128;

/** What comes in on one stream. */
export class Items {
  #reader;
  #chunks;

  constructor(readable, options) {
    this.#reader = new StreamReader(options);
    this.#chunks = readable.getReader();
  }

  /** Returns the next item; `undefined` at the end of the stream. */
  async next() {
    while (this.#reader) {
      const item = this.#reader.poll();
      if (item) return item;
      const { value, done } = await this.#chunks.read().catch((error) => {
        this.cancel();
        throw error;
      });
      if (done) this.#free();
      else this.#reader?.push(value);
    }
    return undefined;
  }

  /** Stops the stream. Who waits for an item gets `undefined`. */
  cancel() {
    this.#free();
    this.#chunks.cancel().catch(ignore);
  }

  #free() {
    this.#reader?.free();
    this.#reader = undefined;
  }
}

/** A track that is published on a session. */
export class Published {
  #transport;
  #alias;
  #request;
  #mostGroups;
  /** The open streams, the oldest first. */
  #groups = [];
  #streams = 0n;
  /** Resolves when the relay takes no more of it, or the session has ended. */
  ended;

  constructor(transport, alias, request, mostGroups) {
    [this.#transport, this.#alias, this.#request, this.#mostGroups] = [transport, alias, request, mostGroups];
    this.ended = this.#watch();
  }

  async #watch() {
    const { items, writer } = this.#request;
    const said = (async () => {
      for (let item = await items.next(); item; item = await items.next()) {
        if (item.message.kind === 'requestError') return;
      }
      // A relay that ends its half has nothing more to say, and takes the track on.
      await new Promise(ignore);
    })();
    await Promise.race([said, writer.closed]).catch(ignore);
  }

  /**
   * Writes an object. Within a MOQT group ids only rise: one at or below the last was written before, and is not sent.
   * With `properties`, all objects of the group have some.
   */
  async write({ groupId, objectId, payload, properties }) {
    let group = this.#groups.find(({ id }) => id === groupId);
    if (group && objectId <= group.last) return;
    if (!group) {
      const start = { trackAlias: this.#alias, groupId, priority: PRIORITY, properties: properties !== undefined };
      const stream = await this.#transport.createUnidirectionalStream();
      group = { id: groupId, last: objectId, writer: stream.getWriter(), format: new SubgroupWriter(start) };
      this.#streams += 1n;
      this.#groups.push(group);
      // What the stream comes to shows in its writes.
      group.writer.closed.catch(ignore);
      await group.writer.write(group.format.start());
    }
    group.last = objectId;
    await group.writer.write(group.format.object(objectId, payload, properties));
    while (this.#groups.length > this.#mostGroups) this.#finish(this.#groups.shift());
  }

  #finish({ writer, format }) {
    writer.close().catch(ignore);
    format.free();
  }

  /** PUBLISH_DONE: lets another session publish this track. */
  async done() {
    const { writer } = this.#request;
    this.#groups.splice(0).forEach((group) => this.#finish(group));
    const message = { kind: 'publishDone', statusCode: 0n, streamCount: this.#streams, reasonPhrase: new Uint8Array() };
    await writer.write(encodeMessage(message));
    await writer.close();
  }
}
