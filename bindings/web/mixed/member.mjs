// A member of the mixed group: lines of JSON from a hub on standard input, and lines to it on standard output.
// bindings/mixed/README.md has the protocol.
//
//     node mixed/member.mjs NAME GROUP

import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { Identity, Participant, counterReply, counterRequest, defaultConfig, init } from 'moq-mls';

const SUITE = 1;
const MEDIA_SUITE = 4;
const HOST = 'counter';

const hex = (bytes) => (bytes === undefined ? null : Buffer.from(bytes).toString('hex'));
const REQUESTS = { lock: 'lock', increment: 'increment', get_commit: 'getCommit' };
const LINES = Object.fromEntries(Object.entries(REQUESTS).map(([line, kind]) => [kind, line]));

function bytes(text) {
  if (typeof text !== 'string' || !/^([0-9a-f]{2})*$/.test(text)) throw new Error(`no bytes in hex: ${text}`);
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

/** Writes a line, all of it, before anything else is done. */
function write(line) {
  const text = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < text.length;) {
    try {
      at += writeSync(1, text, at);
    } catch (error) {
      // The pipe is full: the hub reads on.
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

const trackOf = ({ namespace, name }) => ({ namespace: namespace.map(bytes), name: bytes(name) });
const placeOf = (line) => ({ groupId: BigInt(line.group_id), objectId: BigInt(line.object_id), priority: 0 });
const namesOf = ({ namespace, name }) => ({ namespace: namespace.map(hex), name: hex(name) });

function objectOf(line) {
  const { groupId, objectId } = placeOf(line);
  return { track: trackOf(line), groupId, objectId, payload: bytes(line.payload) };
}

function lineOf({ track, groupId, objectId, payload }) {
  return { ...namesOf(track), group_id: `${groupId}`, object_id: `${objectId}`, payload: hex(payload) };
}

class Member {
  #participant;
  #tracks = new Map();
  #timer;

  constructor(name, group) {
    const text = new TextEncoder();
    const identity = Identity.generate(SUITE, text.encode(name));
    this.#participant = new Participant(identity, defaultConfig(text.encode(group)), Date.now());
    write({ type: 'hello', sender: hex(this.#participant.senderId()) });
  }

  /** Does what a line says; returns whether it was the last. */
  take(line) {
    switch (line.type) {
      case 'join':
      case 'update':
        this.#give({ kind: line.type });
        break;
      case 'object':
        this.#give({ kind: 'object', object: objectOf(line) });
        break;
      case 'subscribed':
      case 'published':
        this.#give({ kind: line.type, id: BigInt(line.id) });
        break;
      case 'fetched':
        this.#give({ kind: 'fetched', id: BigInt(line.id), objects: line.objects.map(objectOf) });
        break;
      case 'http': {
        const reply = counterReply(REQUESTS[line.request], BigInt(line.id), bytes(line.bytes), true);
        if (reply === undefined) throw new Error('a response that is not whole');
        reply.events.forEach((event) => this.#give(event));
        break;
      }
      case 'report':
        write({ type: 'report', ...this.#report(line) });
        break;
      case 'seal':
        write({ type: 'sealed', ...this.#seal(line) });
        break;
      case 'open':
        write({ type: 'opened', payload: this.#open(line) });
        break;
      case 'quit':
        return true;
      default:
        throw new Error(`a line of the type ${line.type}`);
    }
    this.drain();
    return false;
  }

  /** Polls until no action is left, and sleeps until the deadline. */
  drain() {
    for (let action = this.#participant.poll(); action; action = this.#participant.poll()) this.#act(action);
    clearTimeout(this.#timer);
    const due = this.#participant.deadline();
    if (due === undefined) return;
    // A timer of Node holds 31 bits; what is later is asked again.
    const wait = Math.min(Math.max(due - Date.now(), 0), 2 ** 31 - 1);
    this.#timer = setTimeout(
      () =>
        guarded(() => {
          if (Date.now() >= due) this.#give({ kind: 'timer' });
          this.drain();
        }),
      wait,
    );
  }

  end() {
    clearTimeout(this.#timer);
    this.#participant.free();
  }

  #give(event) {
    this.#participant.handle(Date.now(), event);
  }

  #act(action) {
    const id = `${action.id}`;
    switch (action.kind) {
      case 'subscribe':
        write({ type: 'subscribe', id, ...namesOf(action.track) });
        break;
      case 'subscribeNamespace':
        write({ type: 'subscribe', id, ...namesOf(action) });
        break;
      case 'unsubscribe':
        write({ type: 'unsubscribe', id });
        break;
      case 'fetch':
        write({
          type: 'fetch',
          id,
          ...namesOf(action),
          first_group: `${action.firstGroup}`,
          last_group: `${action.lastGroup}`,
        });
        break;
      case 'publish':
        write({ type: 'publish', id, ...lineOf(action.object) });
        break;
      case 'lock':
      case 'increment':
      case 'getCommit':
        write({ type: 'http', request: LINES[action.kind], id, bytes: hex(counterRequest(action, HOST)) });
        break;
      case 'notify':
        console.error(action.notice);
        break;
      case 'persist':
      case 'keys':
      case 'announce':
        break;
      default:
        throw new Error(`an action of the kind ${action.kind}`);
    }
  }

  #report(line) {
    const participant = this.#participant;
    const epoch = participant.epoch();
    if (epoch === undefined) return { epoch: null, members: null, authenticator: null, track_key: null };
    return {
      epoch: `${epoch}`,
      members: `${participant.members().length}`,
      authenticator: hex(participant.epochAuthenticator()),
      track_key: hex(participant.trackKey(epoch, trackOf(line))),
    };
  }

  #track(line) {
    const key = JSON.stringify([line.namespace, line.name]);
    const known = this.#tracks.get(key) ?? this.#participant.addTrack(MEDIA_SUITE, trackOf(line));
    this.#tracks.set(key, known);
    return known;
  }

  #seal(line) {
    const track = this.#track(line);
    this.#participant.switchNow(Date.now());
    const { properties, object } = this.#participant.seal(track, placeOf(line), bytes(line.payload));
    return { properties: hex(properties), object: hex(object) };
  }

  #open(line) {
    const [properties, object, publisher] = [line.properties, line.object, line.publisher].map(bytes);
    const track = this.#track(line);
    return hex(this.#participant.open(Date.now(), track, placeOf(line), properties, object, publisher).payload);
  }
}

/** Ends; the last line says why. */
function fail(error) {
  write({ type: 'error', message: `${error.message}` });
  process.exit(1);
}

/** Runs a step, and ends if it fails. */
function guarded(step) {
  try {
    return step();
  } catch (error) {
    return fail(error);
  }
}

const [name, group] = process.argv.slice(2);
if (group === undefined) {
  console.error('usage: node mixed/member.mjs NAME GROUP');
  process.exit(2);
}
try {
  await init();
} catch (error) {
  fail(error);
}
const member = guarded(() => new Member(name, group));
const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
lines.on('line', (line) => {
  if (guarded(() => member.take(JSON.parse(line)))) {
    member.end();
    process.exit(0);
  }
});
lines.on('close', () => process.exit(0));
