// A call: one participant of a room with its store, its driver and its media. The page shows it.

import { Identity, Participant, defaultConfig, init } from 'moq-mls';

import { Counter } from './counter.js';
import { Driver } from './driver.js';
import { Media } from './media.js';
import { bytes, hex, text, unhex } from './names.js';
import { Relay } from './relay.js';
import { Store } from './store.js';

const SUITE = 1;
/** As the native participants: an epoch is sealed with after this at the latest. */
const SWITCH_AFTER_MS = 500n;
/** Changes are shown together. */
const SHOWN_EVERY = 50;
/** Objects that wait for their key are looked at this often. */
const RETRY_EVERY = 1000;

/** Returns how a participant takes part in a room. The members of a room need the same. */
function configOf(room) {
  const config = defaultConfig(bytes(room));
  // The relay takes one publisher for each track.
  config.commitTracks = 'perSender';
  config.keys.switchAfterMs = SWITCH_AFTER_MS;
  return config;
}

/** Its events are `changed`, `epoch` (its number), `news` (a notice, or an error as `{ kind, error }`), `opened`, `sent` and `over`. */
export class Call extends EventTarget {
  #store;
  #identity;
  #participant;
  #relay;
  #driver;
  #media;
  #shown;
  #retry;
  #epoch;
  #troubles = new Map();
  /** Whether it goes on from the state that an earlier page stored. */
  isRestored;
  isOver = false;

  /** Takes part. `options` has `room`, `name`, and as text `relay`, `hash`, `counter` and `token`. */
  static async start(options) {
    await init();
    const call = new Call();
    call.#store = await Store.open(options.room, options.name);
    try {
      await call.#begin(options);
    } catch (error) {
      call.#close();
      throw error;
    }
    return call;
  }

  async #begin({ room, name, relay, hash, counter, token }) {
    const saved = await this.#store.load();
    this.#identity = saved.secretKey
      ? Identity.fromSecretKey(SUITE, bytes(name), saved.secretKey)
      : Identity.generate(SUITE, bytes(name));
    if (!saved.secretKey) await this.#store.put({ secretKey: this.#identity.secretKey() });
    this.isRestored = saved.snapshot !== undefined;
    this.#participant = this.isRestored
      ? Participant.restore(this.#identity, configOf(room), saved.snapshot, saved.keys, Date.now())
      : new Participant(this.#identity, configOf(room), Date.now());
    const [participant, group] = [this.#participant, bytes(room)];
    const trouble = (what) => (error) => this.#trouble(what, error);
    this.relayOptions = { url: relay, hash: hash ? unhex(hash) : undefined, group, me: participant.senderId() };
    this.#relay = new Relay({ ...this.relayOptions, heard: trouble('the relay') });
    const service = new Counter(counter, token, trouble('the counter service'));
    this.#driver = new Driver({ participant, relay: this.#relay, counter: service, store: this.#store });
    this.#media = new Media({ participant, relay: this.#relay, group });
    this.#listen();
    this.#driver.start().then(() => this.isRestored || this.#driver.give({ kind: 'join' }), trouble('the start'));
  }

  #listen() {
    const [driver, media] = [this.#driver, this.#media];
    driver.addEventListener('notice', ({ detail }) => this.#tell('news', detail));
    driver.addEventListener('keys', ({ detail }) => {
      this.#tell('news', detail);
      if (detail.kind === 'epochReady') this.#media.ready(detail.epoch);
    });
    driver.addEventListener('changed', () => this.#changed());
    driver.addEventListener('failed', ({ detail }) => this.#end(`The participant failed: ${detail.message}`));
    driver.addEventListener('ended', async () => {
      // It is out: another start is a new participant.
      await this.#store.clear().catch((error) => this.#trouble('the store', error));
      this.#end('Out of the room');
    });
    media.addEventListener('opened', ({ detail }) => {
      this.#tell('opened', detail);
      // What was opened may say something of the group.
      driver.poll();
    });
    media.addEventListener('sent', ({ detail }) => this.#tell('sent', detail));
    this.#retry = setInterval(() => media.retry(), RETRY_EVERY);
  }

  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  #trouble(what, error) {
    if (this.isOver || this.#troubles.get(what) === error?.message) return;
    if (error) this.#troubles.set(what, error.message);
    else this.#troubles.delete(what);
    this.#tell('news', { kind: 'trouble', what, error });
  }

  #changed() {
    const epoch = this.#participant.epoch();
    if (epoch !== undefined && epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#media.takeMembers(this.members().map(({ sender }) => sender));
      this.#tell('epoch', epoch);
    }
    this.#shown ??= setTimeout(() => {
      this.#shown = undefined;
      this.#tell('changed');
    }, SHOWN_EVERY);
  }

  /** The own SenderId. */
  get me() {
    return this.#participant.senderId();
  }

  /** The members by leaf, each with `sender`, `name` and `received`. */
  members() {
    const shown = ({ sender, credential }) => ({
      sender,
      name: text(credential.data),
      received: this.#media.received(sender),
    });
    return this.#participant.members().map(shown);
  }

  /** Where the participant is: `phase`, `epoch`, `authenticator` in hexadecimal, and `status`, a sentence. */
  state() {
    const [phase, epoch] = [this.#participant.phase(), this.#participant.epoch()];
    const authenticator = epoch === undefined ? undefined : hex(this.#participant.epochAuthenticator());
    return { phase, epoch, authenticator, status: this.#participant.status() };
  }

  /** Returns the base key of a track, for those who seal or open elsewhere. */
  trackKey(epoch, track) {
    return this.#participant.trackKey(epoch, track);
  }

  /** Seals and sends a picture; returns whether it could be sent. */
  send(payload) {
    return !this.isOver && this.#participant.phase() === 'member' && this.#media.send(payload);
  }

  /** Gives the participant a command; one at a wrong moment is news. */
  command(event) {
    try {
      this.#driver.give(event);
    } catch (error) {
      this.#tell('news', { kind: 'trouble', what: event.kind, error });
    }
  }

  /** Shows that it is over, and lets everything go. */
  #end(reason) {
    if (this.isOver) return;
    this.isOver = true;
    this.#tell('changed');
    this.#tell('over', reason);
    this.#close();
  }

  #close() {
    clearInterval(this.#retry);
    clearTimeout(this.#shown);
    this.isOver = true;
    this.#media?.stop();
    this.#relay?.close();
    this.#store.close();
    // Their secrets are erased now.
    this.#participant?.free();
    this.#identity?.free();
  }
}
