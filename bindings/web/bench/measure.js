// In Node and in pages: sealing and opening in WebAssembly, and by WebCrypto with the same keys and the same bytes.

export const SIZE = 1200;
const OBJECTS = 4000;
const ROUNDS = 7;
// As many as an application has in flight when it does not wait for each.
const WINDOW = 32;

const track = { namespace: [new TextEncoder().encode('media')], name: new TextEncoder().encode('alice') };
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const isEqual = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

function check(holds, what) {
  if (!holds) throw new Error(what);
}

/** Runs `work` for every object, so many at once. */
async function windowed(work) {
  for (let at = 0; at < OBJECTS; at += WINDOW) {
    await Promise.all(Array.from({ length: Math.min(WINDOW, OBJECTS - at) }, (_, more) => work(at + more)));
  }
}

/** Measures with a member of a group; returns the median of each by name, in microseconds for an object. */
export async function measure(participant, ObjectKey, nowMs) {
  const payload = crypto.getRandomValues(new Uint8Array(SIZE));
  const number = participant.addTrack(4, track);
  const epoch = participant.epoch();
  // A place is sealed once only, so each way of sealing has a key of its own.
  const derive = () => ObjectKey.derive(participant.trackKey(epoch, track), epoch, track);
  const properties = participant.keyIdProperty(number);
  const results = {
    wasm_seal: [],
    wasm_open: [],
    web_seal: [],
    web_open: [],
    web_seal_window: [],
    web_open_window: [],
  };
  const timed = async (name, work) => {
    const start = performance.now();
    await work();
    results[name].push(((performance.now() - start) * 1000) / OBJECTS);
  };
  const [web, inFlight] = [await derive(), await derive()];
  check(isEqual(web.keyIdProperty, properties), 'the Key IDs differ');
  for (let round = 1n; round <= BigInt(ROUNDS); round += 1n) {
    const place = (at) => ({ groupId: round, objectId: BigInt(at), priority: 0 });
    const [sealed, others] = [[], []];
    await timed('wasm_seal', () => {
      for (let at = 0; at < OBJECTS; at += 1) sealed.push(participant.seal(number, place(at), payload).object);
    });
    await timed('wasm_open', () => {
      for (let at = 0; at < OBJECTS; at += 1) participant.open(nowMs, number, place(at), properties, sealed[at]);
    });
    await timed('web_seal', async () => {
      for (let at = 0; at < OBJECTS; at += 1) others.push((await web.seal(place(at), payload)).object);
    });
    await timed('web_open', async () => {
      for (let at = 0; at < OBJECTS; at += 1) await web.open(place(at), properties, sealed[at]);
    });
    await timed('web_seal_window', () => windowed((at) => inFlight.seal(place(at), payload)));
    await timed('web_open_window', () => windowed((at) => web.open(place(at), properties, sealed[at])));

    // The same work: the same bytes, and each opens what the other sealed.
    for (let at = 0; at < OBJECTS; at += 97) {
      check(isEqual(others[at], sealed[at]), 'the objects differ');
      check(isEqual((await web.open(place(at), properties, sealed[at])).payload, payload), 'WebCrypto opens another');
      const opened = participant.open(nowMs, number, place(at), properties, others[at]);
      check(isEqual(opened.payload, payload), 'the module opens another');
    }
  }
  return Object.fromEntries(Object.entries(results).map(([name, times]) => [name, median(times)]));
}
