// A relay that keeps every object, and a counter service: what a real driver reaches over MoQT and HTTP, in one
// process. Each request is answered at once.

import { Service, defaultServiceConfig, init } from 'moq-mls/service';

await init();

const key = (fields) => fields.map((field) => Buffer.from(field).toString('hex')).join('/');

/** Says whether a subscription or fetch is about a track: without a name it is about every track of its namespace. */
function covers(wanted, track) {
  return key(wanted.namespace) === key(track.namespace) && (!wanted.name || key([wanted.name]) === key([track.name]));
}

/** What members reach, and the time that all of them have. */
export class Hub {
  nowMs = 1_700_000_000_000;
  #service = new Service(defaultServiceConfig());
  #objects = [];
  #subscriptions = [];

  /** Does the actions of one member, in order, and answers each that wants an answer. Returns how many there were. */
  drain(member) {
    const { participant } = member;
    const give = (event, to = member) => to.participant.handle(this.nowMs, event);
    let done = 0;
    for (let action = participant.poll(); action; action = participant.poll(), done += 1) {
      const { kind, id } = action;
      member.saw?.(action);
      switch (kind) {
        case 'persist':
          // A barrier: a real driver waits here until the bytes are durable.
          member.snapshot = action.snapshot;
          break;
        case 'keys':
          member.keys = participant.saveKeys();
          break;
        case 'subscribe':
        case 'subscribeNamespace': {
          const wanted = action.track ?? { namespace: action.namespace };
          this.#subscriptions.push({ wanted, member, id });
          give({ kind: 'subscribed', id });
          for (const object of this.#objects) if (covers(wanted, object.track)) give({ kind: 'object', object });
          break;
        }
        case 'unsubscribe':
          this.#subscriptions = this.#subscriptions.filter((one) => one.member !== member || one.id !== id);
          break;
        case 'publish':
          this.#objects.push(action.object);
          give({ kind: 'published', id });
          for (const { wanted, member: to } of this.#subscriptions) {
            if (!to.ended && covers(wanted, action.object.track)) give({ kind: 'object', object: action.object }, to);
          }
          break;
        case 'fetch': {
          const asked = ({ track, groupId }) =>
            covers(action, track) && groupId >= action.firstGroup && groupId <= action.lastGroup;
          give({ kind: 'fetched', id, objects: this.#objects.filter(asked) });
          break;
        }
        case 'lock':
        case 'increment':
        case 'getCommit':
          give(this.#service.answer(this.nowMs, action, crypto.getRandomValues(new Uint8Array(16))));
          break;
        case 'notify':
          if (action.notice.kind === 'removed') member.ended = true;
          break;
        case 'announce':
          break;
        default:
          throw new Error(`an action of the kind ${kind}`);
      }
    }
    return done;
  }

  /** Lets time pass until `holds`, or throws after an hour of it. */
  run(members, holds) {
    const end = this.nowMs + 3_600_000;
    for (;;) {
      while (members.reduce((done, member) => done + this.drain(member), 0) > 0);
      if (holds()) return;
      const present = members.filter((member) => !member.ended);
      const due = Math.min(...present.map((member) => member.participant.deadline() ?? Infinity));
      if (due > end)
        throw new Error(`still not so: ${members.map((member) => member.participant.status()).join('; ')}`);
      this.nowMs = Math.max(this.nowMs, due);
      for (const member of present) {
        if ((member.participant.deadline() ?? Infinity) <= this.nowMs)
          member.participant.handle(this.nowMs, { kind: 'timer' });
      }
    }
  }
}
