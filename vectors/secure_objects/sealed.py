"""Prints sealed.json: objects as src/secure_objects seals them, with Python's hmac and the package cryptography.

It first opens every row of published.json, so that what it makes beyond them rests on what is published.
"""

import hashlib
import hmac
import json
import pathlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HASH = {1: "sha256", 2: "sha256", 3: "sha256", 4: "sha256", 5: "sha512"}
KEY_LEN = {1: 48, 2: 48, 3: 48, 4: 16, 5: 32}
TAG_LEN = {1: 10, 2: 8, 3: 4}
NAMESPACE, NAME, KEY_ID = ["example.com", "meeting-123"], "video", 7
SHORT_KEY, LONG_KEY = "sixteen byte key", "a]256-bit-base-key-for-test!!!!!"


def expand(name, prk, info, length):
    out = block = b""
    for counter in range(1, 256):
        if len(out) >= length:
            break
        block = hmac.new(prk, block + info + bytes([counter]), name).digest()
        out += block
    return out[:length]


def varint(number):
    assert number < 1 << 14
    return bytes([number]) if number < 64 else (number | 1 << 14).to_bytes(2, "big")


def string(text):
    return varint(len(text)) + text.encode()


def prop(kind, value):
    return kind.to_bytes(2, "big") + varint(len(value)) + value


def padding(length):
    return (0x32).to_bytes(2, "big") + length.to_bytes(4, "big") + bytes(length)


def seal(row):
    suite = row["suite"]
    name = HASH[suite]
    track = bytes([len(NAMESPACE)]) + b"".join(map(string, NAMESPACE)) + string(NAME)
    secret = hmac.new(b"", row["track_base_key"].encode(), name).digest()
    info = track + suite.to_bytes(2, "big") + KEY_ID.to_bytes(8, "big")
    key = expand(name, secret, b"MOQ 1.0 Secure Objects Secret key " + info, KEY_LEN[suite])
    salt = expand(name, secret, b"MOQ 1.0 Secret salt " + info, 12)
    place = row["group"].to_bytes(8, "big") + row["object"].to_bytes(4, "big")
    nonce = bytes(a ^ b for a, b in zip(place, salt))
    aad = place + bytes([row["priority"]]) + bytes.fromhex(row["immutable"])
    encrypted = bytes.fromhex(row["encrypted"])
    plaintext = string(row["payload"]) + (prop(0x0A, encrypted) if encrypted else b"")
    if suite > 3:
        return AESGCM(key).encrypt(nonce, plaintext, aad)
    text = Cipher(algorithms.AES(key[:16]), modes.CTR(nonce + bytes(4))).encryptor().update(plaintext)
    if row["ctr_tag"] == "rfc9605":
        lengths = [len(aad), len(text), TAG_LEN[suite]]
        authenticated = b"".join(n.to_bytes(8, "big") for n in lengths) + nonce + aad + text
    else:
        authenticated = aad + nonce + text
    return text + hmac.new(key[16:], authenticated, hashlib.sha256).digest()[: TAG_LEN[suite]]


def rows():
    immutable = prop(2, bytes([KEY_ID])) + prop(4, b"relay-ok")
    eyes = prop(0x0100, b"for-eyes-only")
    for suite in (1, 2, 3):
        for tag in ("rfc9605", "published"):
            yield suite, tag, immutable, "hello from moq", eyes
    for suite in (1, 4, 5):
        tag = "rfc9605" if suite == 1 else None
        yield suite, tag, immutable, "hello from moq", eyes + padding(20)
        yield suite, tag, prop(2, bytes([KEY_ID])), "", padding(300)


def row(suite, tag, immutable, payload, encrypted):
    made = {"suite": suite, "ctr_tag": tag} if tag else {"suite": suite}
    made |= {
        "track_base_key": LONG_KEY if suite == 5 else SHORT_KEY,
        "group": 42,
        "object": 1,
        "priority": 128,
        "immutable": immutable.hex(),
        "payload": payload,
        "encrypted": encrypted.hex(),
    }
    return made | {"ciphertext": seal(made).hex()}


published = json.loads(pathlib.Path(__file__).with_name("published.json").read_text())
for known in published["sealed"]:
    assert seal(known).hex() == known["ciphertext"], known
lines = ",\n".join("  " + json.dumps(row(*of)) for of in rows())
source = "this project; computed by vectors/secure_objects/sealed.py, which shares no code with src"
head = f' "source": "{source}",\n "key_id": {KEY_ID},\n "namespace": {json.dumps(NAMESPACE)},\n "name": "{NAME}",'
print(f'{{\n{head}\n "sealed": [\n{lines}\n ]\n}}')
