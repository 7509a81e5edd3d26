// Names on the wire, as moq-relay-ietf takes them. They are those of `examples/live/src/mapping.rs`.
//
// Commit tracks are one for each sender, for the relay takes one publisher for each track. A Welcome track,
// `(group, welcome)` and the recipient, is `(group, welcome, recipient)` and `welcome` on the wire: the relay offers
// every track under a prefix, and so nobody is offered the Welcomes of others.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const bytes = (text) => encoder.encode(text);
export const text = (some) => decoder.decode(some);
export const hex = (some) => Array.from(some, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Returns the bytes of hexadecimal text, with or without colons. */
export function unhex(digits) {
  const plain = digits.replaceAll(':', '').trim();
  if (!/^([0-9a-fA-F]{2})*$/.test(plain)) throw new Error(`no hexadecimal bytes: ${digits}`);
  return Uint8Array.from(plain.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Returns text that is equal for equal namespaces. */
export const namespaceKey = (namespace) => namespace.map(hex).join('/');
/** Returns text that is equal for equal full track names. */
export const trackKey = ({ namespace, name }) => `${namespaceKey(namespace)}:${hex(name)}`;

const KINDS = { keypackages: 'keyPackage', welcome: 'welcome', commits: 'commit', trees: 'tree' };
const WELCOME = bytes('welcome');
const SEEN = bytes('seen');

/** Returns what a namespace of two fields is for; `undefined` if it is none of the key agreement's. */
export function namespaceKind(namespace) {
  return namespace.length === 2 ? KINDS[text(namespace[1])] : undefined;
}

/** Returns what a track is for. */
export const kind = ({ namespace }) => namespaceKind(namespace);

/** Returns the track as it is on the wire. */
export function toWire(track) {
  if (kind(track) !== 'welcome') return track;
  return { namespace: [...track.namespace, track.name], name: WELCOME };
}

/** Returns the track of a name on the wire. */
export function fromWire({ namespace, name }) {
  const isWelcome = namespace.length === 3 && hex(name) === hex(WELCOME);
  if (isWelcome && namespaceKind(namespace.slice(0, 2)) === 'welcome') {
    return { namespace: namespace.slice(0, 2), name: namespace[2] };
  }
  return { namespace, name };
}

/** Returns the prefix of a subscription to a track or, without a name, to a namespace. */
export function prefix({ namespace, name }) {
  return name && namespaceKind(namespace) === 'welcome' ? [...namespace, name] : namespace;
}

/** Returns the media track of a member. */
export const mediaTrack = (group, sender) => ({ namespace: [group, bytes('media')], name: sender });
/** Returns the namespace of a group's commit tracks. */
export const commitNamespace = (group) => [group, bytes('commits')];
/** Returns the track of what a sender has seen on the commit tracks: see `commits.js`. */
export const seenTrack = (commits, sender) => ({ namespace: [...commits, sender], name: SEEN });
