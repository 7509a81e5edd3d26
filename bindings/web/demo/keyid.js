// The Key ID of a sealed object, which is its epoch: as a Secure Object has it, and as MoQT carries it.
//
// A Secure Object has it as `u16 2 | length | varint of QUIC`. On the wire it is the property Key ID (2) within
// Immutable Properties (0x0B), with the varints of MoQT draft 18, as `examples/live/src/mapping.rs` has it.

const KEY_ID = 0x02;
const IMMUTABLE_PROPERTIES = 0x0b;

function bigEndian(value, length) {
  const out = new Uint8Array(length);
  for (let at = length - 1, rest = value; at >= 0; at -= 1, rest >>= 8n) out[at] = Number(rest & 0xffn);
  return out;
}

/** Writes a varint of QUIC (RFC 9000 section 16): the first two bits say how long it is. */
function quicVarint(value) {
  const power = [6n, 14n, 30n, 62n].findIndex((bits) => value < 1n << bits);
  const out = bigEndian(value, 1 << power);
  out[0] |= power << 6;
  return out;
}

function readQuicVarint(some) {
  const length = 1 << (some[0] >> 6);
  const value = some.subarray(1, length).reduce((sum, byte) => (sum << 8n) | BigInt(byte), BigInt(some[0] & 0x3f));
  return [value, some.subarray(length)];
}

/** Writes a varint of MoQT: as many leading ones as bytes follow the first. */
function moqtVarint(value) {
  let more = 0;
  while (more < 8 && value >= 1n << BigInt(7 * (more + 1))) more += 1;
  const out = bigEndian(value, more + 1);
  out[0] |= more === 0 ? 0 : (0xff << (8 - more)) & 0xff;
  return out;
}

function readMoqtVarint(some) {
  const more = Math.clz32(~(some[0] << 24));
  const first = more < 7 ? BigInt(some[0] & (0x7f >> more)) : 0n;
  const value = some.subarray(1, 1 + more).reduce((sum, byte) => (sum << 8n) | BigInt(byte), first);
  return [value, some.subarray(1 + more)];
}

/**
 * Returns the properties of an object on the wire, from the immutable ones that it was sealed with: the Key ID alone.
 */
export function toProperties(immutable) {
  const [value] = readQuicVarint(immutable.subarray(3));
  const inner = [KEY_ID, ...moqtVarint(value)];
  return Uint8Array.of(IMMUTABLE_PROPERTIES, inner.length, ...inner);
}

/** Returns the `epoch` and the `immutable` properties of an object on the wire; `undefined` if it has no Key ID. */
export function fromProperties(properties) {
  if (properties[0] !== IMMUTABLE_PROPERTIES || properties[2] !== KEY_ID) return undefined;
  const [epoch] = readMoqtVarint(properties.subarray(3));
  const value = quicVarint(epoch);
  return { epoch, immutable: Uint8Array.of(0, KEY_ID, value.length, ...value) };
}
