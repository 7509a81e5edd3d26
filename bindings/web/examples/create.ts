// Begins to create a group, and says what each action is: how the types lead a driver through every kind.

import { Identity, MoqMlsError, Participant, defaultConfig, init } from 'moq-mls';
import type { Action, Config, Event, Notice } from 'moq-mls';

/** Says what a driver does; a kind that is left out does not compile. */
function describe(action: Action): string {
  switch (action.kind) {
    case 'persist':
      return `store ${action.snapshot.length} bytes`;
    case 'announce':
      return `announce a namespace of ${action.namespace.length} fields`;
    case 'subscribeNamespace':
      return `subscribe to a namespace, request ${action.id}`;
    case 'subscribe':
      return `subscribe to a track, request ${action.id}`;
    case 'unsubscribe':
      return `end subscription ${action.id}`;
    case 'fetch':
      return `fetch groups ${action.firstGroup} to ${action.lastGroup}, request ${action.id}`;
    case 'publish':
      return `publish ${action.object.payload.length} bytes, request ${action.id}`;
    case 'lock':
      return `lock ${action.val}, request ${action.id}`;
    case 'increment':
      return `increment ${action.val ?? 'the counter'}, request ${action.id}`;
    case 'getCommit':
      return `ask for commit ${action.val}, request ${action.id}`;
    case 'notify':
      return describeNotice(action.notice);
    case 'keys':
      return `media keys: ${action.notice.kind}`;
    default:
      return unreachable(action);
  }
}

function describeNotice(notice: Notice): string {
  return notice.kind === 'epoch' ? `epoch ${notice.epoch} began: ${notice.cause}` : `news: ${notice.kind}`;
}

function unreachable(value: never): never {
  throw new Error(`unknown: ${JSON.stringify(value)}`);
}

/** Returns the answer that nothing was sent, for every action that wants an answer. */
function failed(action: Action): Event | undefined {
  if (!('request' in action) || action.request === undefined) return undefined;
  return { kind: 'failed', request: action.request, id: action.id, failure: 'notSent', code: 0n };
}

await init();
const text = new TextEncoder();
const config: Config = { ...defaultConfig(text.encode('room-1')), admission: 'ask' };
const identity = Identity.generate(1, text.encode('alice'));
const participant = new Participant(identity, config, Date.now());
participant.handle(Date.now(), { kind: 'join' });
let answered = 0;
for (let action = participant.poll(); action; action = participant.poll()) {
  console.log(describe(action));
  const answer = failed(action);
  if (answer) {
    participant.handle(Date.now(), answer);
    answered += 1;
  }
}
const deadline: number | undefined = participant.deadline();
if (answered === 0 || deadline === undefined) throw new Error('it waits for nothing');
try {
  participant.epochAuthenticator();
  throw new Error('it is no member');
} catch (error) {
  if (!(error instanceof MoqMlsError) || error.status !== 'notAMember') throw error;
}
participant.free();
identity.free();
