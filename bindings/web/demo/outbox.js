// The order in which objects go out: of each track, one is on its way at a time, and nothing leaves before the
// subscriptions that were asked for earlier are accepted or refused.

import { trackKey } from './names.js';

export class Outbox {
  #publish;
  #waiting = new Map();
  #busy = new Set();
  #subscribing = new Set();
  #idle = [];

  /** `publish(id, object)` returns a promise that resolves when it is done with. */
  constructor(publish) {
    this.#publish = publish;
  }

  push(id, object) {
    const key = trackKey(object.track);
    if (!this.#waiting.has(key)) this.#waiting.set(key, []);
    this.#waiting.get(key).push({ id, object });
    this.#send();
  }

  subscribing(id) {
    this.#subscribing.add(id);
  }

  subscribed(id) {
    if (this.#subscribing.delete(id)) this.#send();
  }

  #send() {
    if (this.#subscribing.size > 0) return;
    for (const [key, queue] of this.#waiting) {
      if (this.#busy.has(key)) continue;
      const { id, object } = queue.shift();
      if (queue.length === 0) this.#waiting.delete(key);
      this.#busy.add(key);
      this.#publish(id, object).finally(() => {
        this.#busy.delete(key);
        this.#send();
        if (this.#isIdle()) this.#idle.splice(0).forEach((resolve) => resolve());
      });
    }
  }

  #isIdle() {
    return this.#waiting.size === 0 && this.#busy.size === 0;
  }

  /** Resolves when nothing waits and nothing is on its way. */
  idle() {
    return this.#isIdle() ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }
}
