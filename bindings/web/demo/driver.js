// The driver: it gives a participant what happened, and does what the participant asks, strictly in order.

import { MoqMlsError } from 'moq-mls';

import { hex } from './names.js';
import { Outbox } from './outbox.js';
import { Backoff, sleep, within } from './waiting.js';

/** The longest wait for one call of the relay. */
const RELAY_PATIENCE = 30_000;
/** How long a driver that stops waits for what is being published. */
const GRACE = 1000;
/** The longest sleep: the clock may leap ahead meanwhile, as after a suspend. */
const NAP = 30_000;
/** Between two tries to subscribe again. */
const AGAIN = [100, 5000];

/**
 * Runs one participant. Its events are `notice`, `keys`, `changed`, `ended` and `failed`, with what it is in `detail`.
 */
export class Driver extends EventTarget {
  #participant;
  #relay;
  #counter;
  #store;
  #outbox = new Outbox((id, object) => this.#publish(id, object));
  #subscriptions = new Map();
  #isPolling = false;
  #timer;
  /** Why nothing is sealed, from the action `keys`. */
  #silence;
  #wantsUpdate = false;
  isStopped = false;

  /** `store` has `put({ snapshot, keys })`, which resolves when they are durable. */
  constructor({ participant, relay, counter, store }) {
    super();
    [this.#participant, this.#relay, this.#counter, this.#store] = [participant, relay, counter, store];
  }

  /** Begins to do what the participant asks, once there is a relay. */
  async start() {
    await this.#relay.link();
    await this.poll();
  }

  /** Gives the participant an event. One that does not fit, like a command at the wrong moment, throws. */
  give(event) {
    if (this.isStopped) return;
    try {
      this.#participant.handle(Date.now(), event);
    } catch (error) {
      if (['engine', 'poisoned', 'panicked'].includes(error.status)) this.#fail(error);
      else throw error;
    } finally {
      this.poll();
    }
  }

  /** As `give`, for what comes from others: what does not fit any more is dropped. */
  #hear(event) {
    try {
      this.give(event);
    } catch (error) {
      if (!(error instanceof MoqMlsError)) throw error;
      console.debug(event.kind, error.message);
    }
  }

  /** Does all that the participant asks. Call it after its media was opened, too. */
  async poll() {
    // Who polls already goes on until nothing is left.
    if (this.#isPolling || this.isStopped) return;
    this.#isPolling = true;
    try {
      for (let action = this.#participant.poll(); action; action = this.#participant.poll()) await this.#act(action);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isPolling = false;
    }
    if (this.isStopped) return;
    this.dispatchEvent(new Event('changed'));
    if (this.#participant.phase() === 'ended') {
      await this.stop();
      this.dispatchEvent(new Event('ended'));
      return;
    }
    // After a restart, an epoch that this run had a part in is one to seal with.
    if (this.#wantsUpdate && this.#silence === 'restored') {
      this.#wantsUpdate = false;
      this.#hear({ kind: 'update' });
      return;
    }
    this.#setTimer();
  }

  #setTimer() {
    clearTimeout(this.#timer);
    const due = this.#participant.deadline() ?? Infinity;
    const wait = Math.min(Math.max(due - Date.now(), 0), NAP);
    this.#timer = setTimeout(() => this.#hear({ kind: 'timer' }), wait);
  }

  /** Does an action. Only what must be done before the next one is waited for. */
  async #act(action) {
    const { kind, id } = action;
    switch (kind) {
      case 'persist':
        await this.#store.put({ snapshot: action.snapshot });
        action.snapshot.fill(0);
        break;
      case 'keys':
        this.#onKeys(action.notice);
        await this.#store.put({ keys: this.#participant.saveKeys() });
        break;
      case 'subscribeNamespace':
      case 'subscribe': {
        const scope = action.track ?? { namespace: action.namespace };
        const state = { isWanted: true };
        this.#subscriptions.set(id, state);
        this.#outbox.subscribing(id);
        this.#subscribe(id, scope, state);
        break;
      }
      case 'unsubscribe':
        this.#unsubscribe(id);
        break;
      case 'publish':
        this.#outbox.push(id, action.object);
        break;
      case 'fetch':
        this.#fetch(action);
        break;
      case 'lock':
      case 'increment':
      case 'getCommit':
        this.#counter.ask(action).then((events) => events.forEach((event) => this.#hear(event)));
        break;
      case 'notify':
        // A commit that the state held may have won in place of the own one.
        if (action.notice.kind === 'epoch') this.#wantsUpdate = true;
        this.dispatchEvent(new CustomEvent('notice', { detail: action.notice }));
        break;
      case 'announce':
        // PUBLISH makes a track known.
        break;
      default:
        throw new Error(`an action of the kind ${kind}`);
    }
  }

  #onKeys(notice) {
    if (notice.kind === 'silent') {
      this.#silence = notice.reason;
      this.#wantsUpdate ||= notice.reason === 'restored';
    } else if (notice.kind === 'sendWith') {
      this.#silence = undefined;
    }
    this.dispatchEvent(new CustomEvent('keys', { detail: notice }));
  }

  #failed(request, id, failure, error) {
    console.debug(request, error.message);
    // What the relay refused has its code. A browser's own errors have another kind of code.
    const isRefused = typeof error.code === 'bigint';
    this.#hear({
      kind: 'failed',
      request,
      id,
      failure: isRefused ? 'refused' : failure,
      code: isRefused ? error.code : 0n,
    });
  }

  async #publish(id, object) {
    const given = new AbortController();
    try {
      await within(RELAY_PATIENCE, this.#relay.send(object, given.signal));
      this.#hear({ kind: 'published', id });
    } catch (error) {
      given.abort();
      this.#failed('publish', id, 'unknown', error);
    }
  }

  /** Keeps a subscription. If the first try fails, the participant asks again; what ended later is begun again here. */
  async #subscribe(id, scope, state) {
    const backoff = new Backoff(...AGAIN);
    const onObject = (object) => {
      backoff.reset();
      const { track, groupId, objectId, payload } = object;
      this.#hear({ kind: 'object', object: { track, groupId, objectId, payload } });
    };
    const begin = async () => {
      const asked = this.#relay.subscribe(scope, onObject);
      // What comes of it after that is not wanted.
      return within(RELAY_PATIENCE, asked).catch((error) => {
        asked.then(
          (running) => running.end(),
          () => {},
        );
        throw error;
      });
    };
    try {
      state.running = await begin();
      this.#hear({ kind: 'subscribed', id });
    } catch (error) {
      this.#subscriptions.delete(id);
      this.#failed('subscribe', id, 'unknown', error);
      return;
    } finally {
      this.#outbox.subscribed(id);
    }
    while (state.isWanted) {
      await state.running.ended;
      await backoff.wait();
      if (!state.isWanted || this.isStopped) return;
      await begin().then(
        (running) => (state.running = running),
        (error) => console.debug('subscribe again', error.message),
      );
    }
    state.running.end();
  }

  #unsubscribe(id) {
    const state = this.#subscriptions.get(id);
    this.#subscriptions.delete(id);
    this.#outbox.subscribed(id);
    if (!state) return;
    state.isWanted = false;
    state.running?.end();
  }

  async #fetch(action) {
    const me = hex(this.#participant.senderId());
    const others = this.#participant.members().map(({ sender }) => sender);
    try {
      const asked = this.#relay.fetch(
        action,
        others.filter((sender) => hex(sender) !== me),
      );
      const found = await within(RELAY_PATIENCE, asked);
      const plain = found.map(({ track, groupId, objectId, payload }) => ({ track, groupId, objectId, payload }));
      this.#hear({ kind: 'fetched', id: action.id, objects: plain });
    } catch (error) {
      this.#failed('fetch', action.id, 'notSent', error);
    }
  }

  #fail(error) {
    this.isStopped = true;
    clearTimeout(this.#timer);
    this.dispatchEvent(new CustomEvent('failed', { detail: error }));
  }

  /** Lets go out what is being published, and does nothing more. */
  async stop() {
    this.isStopped = true;
    clearTimeout(this.#timer);
    this.#subscriptions.forEach((state, id) => this.#unsubscribe(id));
    await Promise.race([this.#outbox.idle(), sleep(GRACE)]);
  }
}
