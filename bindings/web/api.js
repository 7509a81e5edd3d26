// The public classes over the functions that wasm-bindgen makes. A test binds them to a build of its own.

import { MoqMlsError, busy, invalidHandle, notLoaded, panicked } from './errors.js';

const dispose = Symbol.dispose ?? Symbol.for('Symbol.dispose');

/** Returns the public functions and classes over `glue`, the module that wasm-bindgen made. */
export function bind(glue) {
  let loaded = false;
  // The state of each object: `inner` is what wasm-bindgen made, or undefined if it was freed or has panicked.
  const states = new WeakMap();

  /** Runs a function of the module, and throws what it throws as a MoqMlsError. */
  function run(work, state) {
    if (!loaded) throw notLoaded();
    try {
      return work();
    } catch (thrown) {
      // A panic ends in a trap. What it leaves behind is not to be used, and not to be freed either.
      if (thrown instanceof WebAssembly.RuntimeError) {
        const what = glue.lastPanic() || thrown.message;
        if (state?.inner) {
          state.inner.__destroy_into_raw();
          Object.assign(state, { inner: undefined, panic: what });
        }
        throw panicked(what);
      }
      if (typeof thrown?.status === 'string' && !(thrown instanceof MoqMlsError)) {
        throw new MoqMlsError(thrown.status, thrown.code, thrown.message);
      }
      throw thrown;
    }
  }

  function stateOf(object, kind) {
    const state = object instanceof kind ? states.get(object) : undefined;
    if (!state) throw new TypeError(`an object of the class ${kind.name} is needed`);
    if (state.busy) throw busy();
    if (state.panic !== undefined) throw panicked(state.panic);
    if (!state.inner) throw invalidHandle();
    return state;
  }

  /** Runs a method of the object that wasm-bindgen made. */
  function call(object, kind, work) {
    const state = stateOf(object, kind);
    state.busy = true;
    try {
      return run(() => work(state.inner), state);
    } finally {
      state.busy = false;
    }
  }

  function own(object, inner) {
    states.set(object, { inner, busy: false, panic: undefined });
    return object;
  }

  const over = (kind, inner) => own(Object.create(kind.prototype), inner);

  function free(object, kind) {
    const state = object instanceof kind ? states.get(object) : undefined;
    if (!state) throw new TypeError(`an object of the class ${kind.name} is needed`);
    if (state.busy) throw busy();
    state.inner?.free();
    state.inner = undefined;
  }

  class Identity {
    constructor() {
      throw new TypeError('an Identity comes from Identity.generate or Identity.fromSecretKey');
    }

    static generate(suite, name) {
      return over(
        Identity,
        run(() => glue.Identity.generate(suite, name)),
      );
    }

    static fromSecretKey(suite, name, secretKey) {
      return over(
        Identity,
        run(() => glue.Identity.fromSecretKey(suite, name, secretKey)),
      );
    }

    secretKey() {
      return call(this, Identity, (inner) => inner.secretKey());
    }

    publicKey() {
      return call(this, Identity, (inner) => inner.publicKey());
    }
  }

  class Participant {
    constructor(identity, config, nowMs) {
      own(
        this,
        call(identity, Identity, (inner) => glue.Participant.create(inner, config, nowMs)),
      );
    }

    static restore(identity, config, snapshot, keys, nowMs) {
      return over(
        Participant,
        call(identity, Identity, (inner) => glue.Participant.restore(inner, config, snapshot, keys, nowMs)),
      );
    }

    addTrack(suite, track, byNamespace = false) {
      return call(this, Participant, (inner) => inner.addTrack(suite, track, byNamespace));
    }

    seal(track, place, payload, { immutable, encrypted } = {}) {
      return call(this, Participant, (inner) => inner.seal(track, place, payload, immutable, encrypted));
    }
  }

  class Service {
    constructor(config, signingKey) {
      own(
        this,
        run(() => glue.Service.create(config, signingKey)),
      );
    }
  }

  class StreamReader {
    constructor({ requests = false } = {}) {
      own(
        this,
        run(() => glue.StreamReader.create(requests)),
      );
    }
  }

  class SubgroupWriter {
    constructor({ trackAlias, groupId, priority, properties = false }) {
      own(
        this,
        run(() => glue.SubgroupWriter.create(trackAlias, groupId, priority, properties)),
      );
    }
  }

  class FetchWriter {
    constructor(requestId) {
      own(
        this,
        run(() => glue.FetchWriter.create(requestId)),
      );
    }
  }

  const kinds = [Identity, Participant, Service, StreamReader, SubgroupWriter, FetchWriter];
  // Methods that pass on what they get.
  const passed = [
    [
      Participant,
      'handle',
      'poll',
      'deadline',
      'snapshot',
      'saveKeys',
      'senderId',
      'phase',
      'epoch',
      'status',
      'members',
    ],
    [Participant, 'contextHash', 'epochAuthenticator', 'exportSecret', 'trackKey', 'removeTrack', 'keyIdProperty'],
    [Participant, 'open', 'switchNow', 'sealingFrom'],
    [Service, 'answer', 'respond'],
    [StreamReader, 'push', 'poll', 'pending'],
    [SubgroupWriter, 'start', 'object'],
    [FetchWriter, 'start', 'object'],
  ];
  function define(kind, key, name, method) {
    Object.defineProperty(method, 'name', { value: name });
    Object.defineProperty(kind.prototype, key, { value: method, writable: true, configurable: true });
  }
  for (const [kind, ...names] of passed) {
    for (const name of names) {
      define(kind, name, name, function (...values) {
        return call(this, kind, (inner) => inner[name](...values));
      });
    }
  }
  for (const kind of kinds) {
    for (const key of ['free', dispose]) {
      define(kind, key, 'free', function () {
        free(this, kind);
      });
    }
  }

  return {
    Identity,
    Participant,
    Service,
    StreamReader,
    SubgroupWriter,
    FetchWriter,
    encodeMessage: (message) => run(() => glue.encodeMessage(message)),
    decodeMessage: (input) => run(() => glue.decodeMessage(input)),
    version: () => run(() => glue.version()),
    defaultConfig: (group) => run(() => glue.defaultConfig(group)),
    defaultServiceConfig: () => run(() => glue.defaultServiceConfig()),
    counterRequest: (action, host, token) => run(() => glue.counterRequest(action, host, token)),
    counterReply: (request, id, input, ended = false) => run(() => glue.counterReply(request, id, input, ended)),
    /** For tests: a participant over one that wasm-bindgen made. */
    over: (inner) => over(Participant, inner),
    /** For tests: runs a method that is not public. */
    internal: (participant, work) => call(participant, Participant, work),
    async load(source) {
      await glue.default({ module_or_path: source });
      loaded = true;
    },
  };
}
