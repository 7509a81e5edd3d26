// One published track, across sessions: what it still owes a relay that starts over.

import { kind } from './names.js';
import { Bell, sleep, within } from './waiting.js';

const ignore = () => {};
/** Between two tries to publish a track that another session still holds. */
const AGAIN = 150;
/** How long a Welcome's track is kept after its last object: the next committer may have one for the same recipient. */
const WELCOME_HELD = 3000;
/** MOQT groups that stay open, and that a new session gets again: the relay keeps an object only while its stream is
 * open. A page that subscribes has few streams, so a page that publishes opens few. */
const OPEN_GROUPS = { media: 2, other: 4 };

/** Publishes the objects of one track in order, and again what is in the window after each reconnect. */
export class Track {
  #track;
  #relay;
  #bell = new Bell();
  #jobs = [];
  #window = [];
  #mostGroups;
  #hold;

  constructor(relay, track) {
    [this.#relay, this.#track] = [relay, track];
    this.#mostGroups = kind(track) ? OPEN_GROUPS.other : OPEN_GROUPS.media;
    this.#hold = kind(track) === 'welcome' ? WELCOME_HELD : undefined;
    this.#run().catch((error) => console.error('publishing', error));
  }

  /** How many objects wait to be written. */
  get waiting() {
    return this.#jobs.length;
  }

  /** Resolves when the object was written to a session. An aborted `signal` gives it up. */
  send(object, signal) {
    return new Promise((resolve) => {
      this.#jobs.push({ object, resolve, signal });
      this.#bell.ring();
    });
  }

  /** The sessions have changed. */
  wake() {
    this.#bell.ring();
  }

  async #run() {
    while (!this.#relay.isClosed) {
      if (this.#jobs.length === 0 && this.#window.length === 0) {
        await this.#bell.wait();
        continue;
      }
      const link = await this.#relay.link();
      if (!link) return;
      let published;
      try {
        published = await link.publisher.publish(this.#track, this.#mostGroups);
      } catch (error) {
        // Most often because another session has the track still.
        console.debug('PUBLISH', error.message);
        await sleep(AGAIN);
        continue;
      }
      const end = await this.#serve(published, link).catch(() => 'lost');
      if (end === 'idle') this.#window = [];
      // A session that was replaced may hold the track until PUBLISH_DONE.
      await within(AGAIN, published.done()).catch(ignore);
      if (end === 'lost') await sleep(AGAIN);
    }
  }

  /** Writes what comes, until the track is `idle`, or the session or the relay's interest is `lost`. */
  async #serve(published, link) {
    let isOver = false;
    published.ended.then(() => {
      isOver = true;
      this.#bell.ring();
    });
    for (const object of this.#window) await published.write(object);
    for (;;) {
      while (this.#jobs.length > 0) {
        const { object, resolve, signal } = this.#jobs[0];
        if (!signal?.aborted) {
          await published.write(object);
          this.#keep(object);
          resolve();
        }
        this.#jobs.shift();
      }
      if (isOver || this.#relay.isClosed || !this.#relay.isCurrent(link)) return 'lost';
      if (!(await this.#bell.wait(this.#hold))) return 'idle';
    }
  }

  #keep(object) {
    const { groupId, objectId } = object;
    if (this.#window.some((kept) => kept.groupId === groupId && kept.objectId === objectId)) return;
    this.#window.push(object);
    const groups = [...new Set(this.#window.map((kept) => kept.groupId))];
    const gone = new Set(groups.slice(0, -this.#mostGroups));
    if (gone.size > 0) this.#window = this.#window.filter((kept) => !gone.has(kept.groupId));
  }
}
