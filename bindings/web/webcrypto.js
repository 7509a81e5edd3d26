// Secure Objects by WebCrypto, suite 4: the key of one track and epoch, asynchronous.

import { MoqMlsError } from './errors.js';

const KEY = 'MOQ 1.0 Secure Objects Secret key ';
const SALT = 'MOQ 1.0 Secret salt ';
const SUITE = 4;
const KEY_ID = 0x0002;
const ENCRYPTED_LIST = 0x000a;
const PADDING = 0x0032;
const TAG = 16;
// 2^34.5 blocks of AES, rounded down (draft-irtf-cfrg-aead-limits section 5.1).
const MOST_BLOCKS = 24_296_003_999;

const refuse = (status, code, why) => new MoqMlsError(status, code, why);
const rejected = () => refuse('openRejected', 82, 'the object does not open');

/** Returns a varint (RFC 9000 section 16). */
function varint(number) {
  const value = BigInt(number);
  const bits = [6n, 14n, 30n, 62n].findIndex((most) => value < 1n << most);
  if (bits < 0) throw refuse('invalidLength', 7, `${value} is too large for a varint`);
  const out = new Uint8Array(1 << bits);
  for (let at = out.length - 1, rest = value; at >= 0; at -= 1, rest >>= 8n) out[at] = Number(rest & 0xffn);
  out[0] |= bits << 6;
  return out;
}

/** Reads a varint at the front: the number and the bytes behind, or undefined if it is not whole. */
function readVarint(bytes) {
  if (bytes.length === 0 || bytes.length < 1 << (bytes[0] >> 6)) return undefined;
  const length = 1 << (bytes[0] >> 6);
  let value = BigInt(bytes[0] & 0x3f);
  for (const byte of bytes.subarray(1, length)) value = (value << 8n) | BigInt(byte);
  return [value, bytes.subarray(length)];
}

/** Reads a property at the front: type, value and the bytes behind, or undefined if it is malformed. */
function readProperty(bytes) {
  const read = bytes.length < 2 ? undefined : readVarint(bytes.subarray(2));
  if (!read || read[0] > BigInt(read[1].length)) return undefined;
  const length = Number(read[0]);
  return [(bytes[0] << 8) | bytes[1], read[1].subarray(0, length), read[1].subarray(length)];
}

/** Returns the only Key ID in serialized properties, or undefined. */
function keyIdOf(properties) {
  let found;
  for (let rest = properties; rest.length > 0 && !(rest[0] === PADDING >> 8 && rest[1] === (PADDING & 0xff));) {
    const property = readProperty(rest);
    if (!property) return undefined;
    if (property[0] === KEY_ID) {
      const id = readVarint(property[1]);
      if (!id || id[1].length > 0 || found !== undefined) return undefined;
      [found] = id;
    }
    [, , rest] = property;
  }
  return found;
}

function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function bigEndian(value, length) {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(value));
  return new Uint8Array(view.buffer, 8 - length);
}

const property = (type, value) => concat(bigEndian(type, 2), varint(value.length), value);

export class ObjectKey {
  #key;
  #salt;
  #keyId;
  #property;
  #blocks = 0;
  // The next place that may be sealed: all below are used up.
  #floor = [0n, 0n];

  static async derive(baseKey, epoch, { namespace, name }) {
    const made = new ObjectKey();
    const base = await crypto.subtle.importKey('raw', baseKey, 'HKDF', false, ['deriveBits']);
    const fields = [...namespace, name].flatMap((field) => [varint(field.length), field]);
    const track = concat(varint(namespace.length), ...fields);
    const expand = async (label, length) => {
      const info = concat(new TextEncoder().encode(label), track, bigEndian(SUITE, 2), bigEndian(epoch, 8));
      const how = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info };
      return new Uint8Array(await crypto.subtle.deriveBits(how, base, length * 8));
    };
    const key = await expand(KEY, 16);
    made.#key = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
    key.fill(0);
    made.#salt = await expand(SALT, 12);
    made.#keyId = epoch;
    made.#property = property(KEY_ID, varint(epoch));
    return made;
  }

  get keyId() {
    return this.#keyId;
  }

  get keyIdProperty() {
    return this.#property.slice();
  }

  #parameters({ groupId, objectId, priority }, immutable) {
    const additionalData = concat(bigEndian(groupId, 8), bigEndian(objectId, 4), Uint8Array.of(priority), immutable);
    const iv = additionalData.slice(0, 12);
    for (let at = 0; at < iv.length; at += 1) iv[at] ^= this.#salt[at];
    return { name: 'AES-GCM', iv, additionalData, tagLength: TAG * 8 };
  }

  async seal(place, payload, { immutable = this.#property, encrypted = new Uint8Array(0) } = {}) {
    const { groupId, objectId } = place;
    if (typeof groupId !== 'bigint' || typeof objectId !== 'bigint') throw new TypeError('place: bigints are needed');
    if (objectId < 0n || objectId >= 1n << 32n)
      throw refuse('sealObjectId', 61, 'the object id does not fit the nonce');
    // It would come round in the nonce, to one that was used.
    if (groupId < 0n || groupId >= 1n << 64n) throw refuse('invalidLength', 7, 'the group id has more than 64 bits');
    if (keyIdOf(immutable) !== this.#keyId) {
      throw refuse('sealKeyId', 64, 'the immutable properties lack the Key ID');
    }
    const [group, object] = this.#floor;
    if (groupId < group || (groupId === group && objectId < object)) {
      throw refuse('sealNotAbove', 62, 'the location is not above those sealed before');
    }
    const list = encrypted.length > 0 ? [property(ENCRYPTED_LIST, encrypted)] : [];
    const blocks = this.#blocks + Math.ceil((payload.length + encrypted.length) / 16) + 1;
    if (blocks > MOST_BLOCKS) throw refuse('sealLimit', 66, 'the key has reached its limit');
    const [parameters, text] = [this.#parameters(place, immutable), concat(varint(payload.length), payload, ...list)];
    // Before anything is awaited, and whatever comes of it: the nonce is used up.
    this.#blocks = blocks;
    this.#floor = [groupId, objectId + 1n];
    const sealed = new Uint8Array(await crypto.subtle.encrypt(parameters, this.#key, text));
    return { properties: immutable.slice(), object: sealed };
  }

  async open(place, properties, object) {
    if (place.objectId < 0n || place.objectId >= 1n << 32n || keyIdOf(properties) !== this.#keyId) throw rejected();
    let text;
    try {
      text = new Uint8Array(await crypto.subtle.decrypt(this.#parameters(place, properties), this.#key, object));
    } catch {
      throw rejected();
    }
    const head = readVarint(text);
    if (!head || head[0] > BigInt(head[1].length)) throw rejected();
    const payload = head[1].subarray(0, Number(head[0]));
    const rest = head[1].subarray(payload.length);
    const list = rest.length > 0 ? readProperty(rest) : [ENCRYPTED_LIST, rest, rest];
    if (!list || list[0] !== ENCRYPTED_LIST || list[2].length > 0) throw rejected();
    return { payload, encrypted: list[1] };
  }
}
