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


def full_track_name(fields, name):
    def string(text):
        assert len(text) < 64  # a varint of one byte
        return bytes([len(text)]) + text.encode()

    return bytes([len(fields)]) + b"".join(map(string, fields)) + string(name)


def cases():
    tracks = [(["example.com"], "audio"), (["example.com", "meeting-123"], "video")]
    for hash_name, hash_len in (("sha256", 32), ("sha384", 48), ("sha512", 64)):
        for epoch in (0, 7, 2**32, 2**61 + 5):
            for fields, name in tracks:
                master = hashlib.shake_128(f"{hash_name} {epoch}".encode()).digest(hash_len)
                salt = b"SecureObject Epoch Master Key " + epoch.to_bytes(8, "big")
                epoch_secret = extract(hash_name, salt, master)
                info = b"SecureObject Track Base Key " + full_track_name(fields, name)
                yield {
                    "hash": hash_name,
                    "epoch": epoch,
                    "master": master.hex(),
                    "namespace": fields,
                    "name": name,
                    "epoch_secret": epoch_secret.hex(),
                    "track_base_key": expand(hash_name, epoch_secret, info, hash_len).hex(),
                }


lines = ",\n".join("  " + json.dumps(case) for case in cases())
source = "this project; computed by vectors/keys/derivation.py, which shares no code with src/keys.rs"
print(f'{{\n "source": "{source}",\n "cases": [\n{lines}\n ]\n}}')
