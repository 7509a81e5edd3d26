"""The Python member of the mixed group. README.md has the protocol."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

import moq_mls
from moq_mls import Config, Identity, ObjectPlace, Participant, TrackName, actions, events
from moq_mls.codes import RequestKind
from moq_mls.values import Object

Line = dict[str, Any]
REQUESTS = {"lock": RequestKind.LOCK, "increment": RequestKind.INCREMENT, "get_commit": RequestKind.GET_COMMIT}
NAMES = {kind: name for name, kind in REQUESTS.items()}


def now_ms() -> int:
    """Returns milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def write(kind: str, **fields: Any) -> None:
    """Writes a line."""
    print(json.dumps({"type": kind, **fields}), flush=True)


def shown(track: TrackName) -> Line:
    """Returns a track as fields of a line."""
    return {"namespace": [field.hex() for field in track.namespace], "name": track.name.hex()}


def track_of(line: Line) -> TrackName:
    """Reads a track."""
    return TrackName(tuple(map(bytes.fromhex, line["namespace"])), bytes.fromhex(line["name"]))


def object_of(line: Line) -> Object:
    """Reads an object."""
    return Object(track_of(line), int(line["group_id"]), int(line["object_id"]), bytes.fromhex(line["payload"]))


def ask(action: actions.Action) -> None:
    """Writes what an action asks the hub for."""
    match action:
        case actions.Publish(id, published):
            place = {"group_id": str(published.group_id), "object_id": str(published.object_id)}
            write("publish", id=str(id), **shown(published.track), **place, payload=published.payload.hex())
        case actions.Subscribe(id, track):
            write("subscribe", id=str(id), **shown(track))
        case actions.SubscribeNamespace(id, namespace):
            write("subscribe", id=str(id), namespace=[field.hex() for field in namespace], name=None)
        case actions.Unsubscribe(id):
            write("unsubscribe", id=str(id))
        case actions.Fetch(id, namespace, name, first, last):
            asked = {"namespace": [field.hex() for field in namespace], "name": None if name is None else name.hex()}
            write("fetch", id=str(id), **asked, first_group=str(first), last_group=str(last))
        case actions.Lock(id) | actions.Increment(id) | actions.GetCommit(id):
            wanted = moq_mls.request_of(action)
            assert wanted is not None
            request = moq_mls.counter_request(action, "counter")
            write("http", request=NAMES[wanted[0]], id=str(id), bytes=request.hex())
        case actions.Persist() | actions.Announce() | actions.Notify() | actions.Keys():
            pass


class Member:
    """The participant, and the numbers of its media tracks."""

    def __init__(self, name: str, group: str) -> None:
        self.participant = Participant(Identity.generate(1, name.encode()), Config.new(group.encode()), now_ms())
        self.tracks: dict[TrackName, int] = {}

    def track(self, line: Line) -> int:
        """Returns the number of a line's track, which is added if it is new."""
        name = track_of(line)
        if name not in self.tracks:
            self.tracks[name] = self.participant.add_track(4, name)
        return self.tracks[name]

    def take(self, line: Line) -> bool:
        """Does what a line says. Returns whether to go on."""
        give = self.participant.handle
        match line["type"]:
            case "object":
                give(now_ms(), events.Object(object_of(line)))
            case "subscribed":
                give(now_ms(), events.Subscribed(int(line["id"])))
            case "published":
                give(now_ms(), events.Published(int(line["id"])))
            case "fetched":
                give(now_ms(), events.Fetched(int(line["id"]), tuple(map(object_of, line["objects"]))))
            case "http":
                response = bytes.fromhex(line["bytes"])
                reply = moq_mls.counter_reply(REQUESTS[line["request"]], int(line["id"]), response, True)
                assert reply is not None
                for event in reply.events:
                    give(now_ms(), event)
            case "join":
                give(now_ms(), events.Join())
            case "update":
                give(now_ms(), events.Update())
            case "report":
                self.report(line)
            case "seal":
                self.participant.switch_now(now_ms())
                place = ObjectPlace(int(line["group_id"]), int(line["object_id"]), 0)
                sealed = self.participant.seal(self.track(line), place, bytes.fromhex(line["payload"]))
                write("sealed", properties=sealed.properties.hex(), object=sealed.object.hex())
            case "open":
                place = ObjectPlace(int(line["group_id"]), int(line["object_id"]), 0)
                parts = [bytes.fromhex(line[part]) for part in ("properties", "object", "publisher")]
                opened = self.participant.open(now_ms(), self.track(line), place, *parts)
                write("opened", payload=opened.payload.hex())
            case "quit":
                return False
            case other:
                raise ValueError(f"a line of an unknown type: {other}")
        return True

    def report(self, line: Line) -> None:
        """Writes where the participant stands."""
        epoch = self.participant.epoch()
        if epoch is None:
            write("report", epoch=None, members=None, authenticator=None, track_key=None)
            return
        write(
            "report",
            epoch=str(epoch),
            members=str(len(self.participant.members())),
            authenticator=self.participant.epoch_authenticator().hex(),
            track_key=self.participant.track_key(epoch, track_of(line)).hex(),
        )

    async def run(self) -> None:
        """Takes lines and deadlines until the hub says quit."""
        lines = asyncio.StreamReader(limit=1 << 24)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        write("hello", sender=self.participant.sender_id().hex())
        reading = asyncio.ensure_future(lines.readline())
        while True:
            due = self.participant.deadline()
            wait = None if due is None else max(0, due - now_ms()) / 1000
            done, _ = await asyncio.wait([reading], timeout=wait)
            if done:
                raw = reading.result()
                if not raw or not self.take(json.loads(raw)):
                    return
                reading = asyncio.ensure_future(lines.readline())
            else:
                self.participant.handle(now_ms(), events.Timer())
            while (action := self.participant.poll()) is not None:
                ask(action)


if __name__ == "__main__":
    try:
        asyncio.run(Member(*sys.argv[1:3]).run())
    except Exception as failed:
        write("error", message=str(failed))
        sys.stdout.flush()
        os._exit(1)
