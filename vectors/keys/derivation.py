"""Prints derivation.json: the key derivation of src/keys.rs, written out with Python's hmac alone."""

import hashlib
import hmac
import json


def extract(hash_name, salt, ikm):
    return hmac.new(salt, ikm, hash_name).digest()


def expand(hash_name, prk, info, length):
    out = block = b""
    for counter in range(1, 256):
        if len(out) >= length:
            break
        block = hmac.new(prk, block + info + bytes([counter]), hash_name).digest()
        out += block
    return out[:length]


def string(text):
    assert len(text) < 64  # a varint of one byte
    return bytes([len(text)]) + text.encode()


def namespace(fields):
    return bytes([len(fields)]) + b"".join(map(string, fields))


def cases():
    tracks = [(["example.com"], "audio"), (["example.com", "meeting-123"], "video")]
    for hash_name, hash_len in (("sha256", 32), ("sha384", 48), ("sha512", 64)):
        for epoch in (0, 7, 2**32, 2**61 + 5):
            for fields, name in tracks:
                master = hashlib.shake_128(f"{hash_name} {epoch}".encode()).digest(hash_len)
                salt = b"SecureObject Epoch Master Key " + epoch.to_bytes(8, "big")
                epoch_secret = extract(hash_name, salt, master)
                of_track = b"SecureObject Track Base Key " + namespace(fields) + string(name)
                of_namespace = b"SecureObject Namespace Base Key " + namespace(fields)
                yield {
                    "hash": hash_name,
                    "epoch": epoch,
                    "master": master.hex(),
                    "namespace": fields,
                    "name": name,
                    "epoch_secret": epoch_secret.hex(),
                    "track_base_key": expand(hash_name, epoch_secret, of_track, hash_len).hex(),
                    "namespace_base_key": expand(hash_name, epoch_secret, of_namespace, hash_len).hex(),
                }


lines = ",\n".join("  " + json.dumps(case) for case in cases())
source = "this project; computed by vectors/keys/derivation.py, which shares no code with src/keys.rs"
print(f'{{\n "source": "{source}",\n "cases": [\n{lines}\n ]\n}}')
