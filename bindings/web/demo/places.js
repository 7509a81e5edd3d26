// Subscriptions by name, on sessions of their own. Chromium lets a session have about 100 streams come in at once, and
// a publisher may keep 16 open for each track: so few tracks share a session, and commits never wait behind media.

import { Session } from './session.js';
import { Backoff, sleep } from './waiting.js';

const TRACKS = 6;
/** Between two tries, while the publisher is away. */
const AGAIN = [200, 1000];
/** How long a session is kept that has no track: the next try comes sooner. */
const IDLE = 5000;

export class Places {
  #relay;
  #takes;
  #places = [];
  #opening = Promise.resolve();
  #isClosed = false;

  /** `relay` has `url` and `hash`, `takes` what a Session takes. */
  constructor(relay, takes) {
    [this.#relay, this.#takes] = [relay, takes];
  }

  /** Keeps a track subscribed to, also while its publisher is away. Returns a function that ends it. */
  keep(track) {
    const state = { isWanted: true, subscription: undefined };
    this.#keep(track, state);
    return () => {
      state.isWanted = false;
      state.subscription?.end();
    };
  }

  async #keep(track, state) {
    const backoff = new Backoff(...AGAIN);
    while (state.isWanted) {
      let place;
      try {
        place = await this.#place();
        state.subscription = await place.session.subscribe(track);
        backoff.reset();
        if (!state.isWanted) state.subscription.end();
        await Promise.race([state.subscription.ended, place.session.closed]);
      } catch (error) {
        console.debug('SUBSCRIBE', error.message);
      }
      if (place) this.#leave(place);
      if (state.isWanted) await backoff.wait();
    }
  }

  /** Returns a session with room. Those who need one at once share one. */
  async #place() {
    const find = async () => {
      this.#places = this.#places.filter(({ session }) => !session.isClosed);
      let place = this.#places.find(({ taken }) => taken < TRACKS);
      if (!place) {
        place = { session: await Session.open(this.#relay, this.#takes), taken: 0 };
        if (this.#isClosed) place.session.close();
        place.session.goesAway.then(() => place.session.close());
        this.#places.push(place);
      }
      place.taken += 1;
      return place;
    };
    const found = this.#opening.then(find, find);
    this.#opening = found.catch(() => {});
    return found;
  }

  async #leave(place) {
    place.taken -= 1;
    if (place.taken > 0) return;
    await sleep(IDLE);
    if (place.taken === 0) place.session.close();
  }

  close() {
    this.#isClosed = true;
    this.#places.forEach(({ session }) => session.close());
  }
}
