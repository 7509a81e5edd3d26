// What a notice says to people.

import { hex, text } from './names.js';

const short = (sender) => text(sender).slice(0, 6);
const shortHex = (some) => hex(some).slice(0, 12);

const CAUSES = {
  created: () => 'created here',
  welcome: () => 'by a Welcome',
  commit: (name) => `by a commit of ${name}`,
};

const TEXTS = {
  epoch: ({ epoch, cause, committer }, name) => `Epoch ${epoch}, ${CAUSES[cause](committer && name(committer))}`,
  memberJoined: ({ sender, credential }) => `${text(credential.data)} (${short(sender)}) is in`,
  memberLeft: ({ sender }, name) => `${name(sender)} is out`,
  memberReplaced: ({ old, credential }, name) => `${text(credential.data)} is in for ${name(old)}`,
  memberChanged: ({ old, credential }, name) => `${name(old)} is now ${text(credential.data)}`,
  removed: () => 'This participant was removed',
  left: () => 'This participant has left',
  rejoining: ({ reason }) => `It asks to be let in again: ${reason}`,
  resumed: ({ epoch }) => `It goes on from its state, at epoch ${epoch}`,
  joinStalled: ({ waitsFor }) => `The join takes long: it waits for ${waitsFor}`,
  serviceFault: ({ fault, reason }) => `The counter service: ${fault}${reason ? `, ${reason}` : ''}`,
  refused: ({ sender, reason }, name) => `Not done about ${name(sender)}: ${reason}`,
  forkDetected: ({ epoch, peer }, name) => `A fork at epoch ${epoch}: ${name(peer)} differs`,
  faultyCommit: ({ epoch, commitHash }) => `A faulty commit at epoch ${epoch}: ${shortHex(commitHash)}`,
  sendWith: ({ epoch, reason }) => `Pictures are sealed with epoch ${epoch}: ${reason}`,
  silent: ({ reason }) => `No picture is sealed: ${reason}`,
  trouble: ({ what, error }) => (error ? `${what}: ${error.message}` : `${what} works again`),
};
/** Too small for people: relays replay what they have, old epochs included. */
const SMALL = new Set(['peerFault', 'epochReady', 'forgotten']);

/** Returns the text of a notice; `undefined` of one that is too small. `name` names a sender. */
export function describe(notice, name) {
  if (SMALL.has(notice.kind)) return undefined;
  const known = TEXTS[notice.kind];
  if (known) return known(notice, name);
  const plain = Object.entries(notice).filter(([field, value]) => field !== 'kind' && typeof value !== 'object');
  return [notice.kind, ...plain.map(([field, value]) => `${field} ${value}`)].join(', ');
}
