"""Runs one group whose members are other programs: `hub.py NAME=COMMAND ...`. README.md has the protocol.

Prints what the members agree on, and `figure mixed_group_members N members`. Exits 1 if they do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moq_mls import Service

GROUP = b"mixed"
PATIENCE_S = 60.0
Line = dict[str, Any]


def now_ms() -> int:
    """Returns milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def covers(asked: Line, kept: Line) -> bool:
    """Says whether a subscription or fetch is about an object."""
    return bool(asked["namespace"] == kept["namespace"] and asked["name"] in (None, kept["name"]))


@dataclass
class Hub:
    """The relay, which keeps every object, and the counter service."""

    service: Service = field(default_factory=Service)
    objects: list[Line] = field(default_factory=list)
    subscribers: dict[tuple[str, str], tuple[Member, Line]] = field(default_factory=dict)
    requests: int = 0

    def act(self, member: Member, line: Line) -> None:
        """Does what a member asks for, and answers."""
        kind, id = line["type"], line["id"]
        self.requests += 1
        if kind == "publish":
            kept = {"type": "object"} | {name: line[name] for name in OBJECT}
            self.objects.append(kept)
            member.write({"type": "published", "id": id})
            for subscriber, asked in self.subscribers.values():
                if covers(asked, kept):
                    subscriber.write(kept)
        elif kind == "subscribe":
            self.subscribers[member.name, id] = (member, line)
            member.write({"type": "subscribed", "id": id})
            for kept in self.objects:
                if covers(line, kept):
                    member.write(kept)
        elif kind == "unsubscribe":
            self.subscribers.pop((member.name, id), None)
        elif kind == "fetch":
            groups = range(int(line["first_group"]), int(line["last_group"]) + 1)
            found = [kept for kept in self.objects if covers(line, kept) and int(kept["group_id"]) in groups]
            objects = [{name: kept[name] for name in OBJECT} for kept in found]
            member.write({"type": "fetched", "id": id, "objects": objects})
        elif kind == "http":
            request = bytes.fromhex(line["bytes"])
            answer = self.service.respond(now_ms(), request, secrets.token_bytes(16))
            if answer is None or answer.consumed != len(request):
                raise RuntimeError(f"{member.name}: half a request, of {len(request)} bytes")
            member.write({"type": "http", "request": line["request"], "id": id, "bytes": answer.response.hex()})
        else:
            raise RuntimeError(f"{member.name}: a line of an unknown type: {line}")


OBJECT = ("namespace", "name", "group_id", "object_id", "payload")


@dataclass
class Member:
    """A member's process."""

    name: str
    command: list[str]
    hub: Hub
    sender: str = ""
    answers: asyncio.Queue[Line] = field(default_factory=asyncio.Queue)

    async def start(self) -> None:
        """Starts the process, and waits for its first line."""
        arguments = [*self.command, self.name, GROUP.decode()]
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, limit=1 << 24)
        hello = await self.line()
        if hello is None or hello["type"] != "hello":
            raise RuntimeError(f"{self.name}: {hello} where hello is expected")
        self.sender = hello["sender"]

    async def line(self) -> Line | None:
        """Reads a line; `None` at the end."""
        assert self.process.stdout is not None
        raw = await self.process.stdout.readline()
        if not raw:
            return None
        line: Line = json.loads(raw)
        if line["type"] == "error":
            raise RuntimeError(f"{self.name}: {line['message']}")
        return line

    def write(self, line: Line) -> None:
        """Sends a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line).encode() + b"\n")

    async def serve(self) -> None:
        """Answers the member until it ends."""
        while (line := await self.line()) is not None:
            if line["type"] in ("report", "sealed", "opened"):
                self.answers.put_nowait(line)
            else:
                self.hub.act(self, line)
        if await self.process.wait() != 0:
            raise RuntimeError(f"{self.name} ended with code {self.process.returncode}")

    async def ask(self, line: Line) -> Line:
        """Gives a command and returns its answer."""
        self.write(line)
        return await self.answers.get()

    def track(self) -> Line:
        """Returns the member's media track, as fields of a line."""
        return {"namespace": [GROUP.hex(), b"media".hex()], "name": self.name.encode().hex()}


async def agreed(members: list[Member], good: Callable[[int], bool]) -> tuple[int, str]:
    """Waits until all members report one epoch that is good. Returns it and its authenticator, once compared."""
    while True:
        reports = [await member.ask({"type": "report"} | members[0].track()) for member in members]
        epochs = {report["epoch"] for report in reports}
        sizes = {report["members"] for report in reports}
        if len(epochs) == 1 and None not in epochs and sizes == {str(len(members))} and good(int(reports[0]["epoch"])):
            break
        await asyncio.sleep(0.05)
    for what in ("authenticator", "track_key"):
        if len({report[what] for report in reports}) != 1 or not reports[0][what]:
            raise RuntimeError(f"the members differ in {what}")
    return int(reports[0]["epoch"]), reports[0]["authenticator"]


async def exchange(members: list[Member], group_id: int) -> int:
    """Lets each member seal an object, and every other open it. Returns how many were opened."""
    opened = 0
    for publisher in members:
        place = publisher.track() | {"group_id": str(group_id), "object_id": "0"}
        payload = f"from {publisher.name} in {group_id}".encode().hex()
        sealed = await publisher.ask({"type": "seal", "payload": payload} | place)
        parts = {name: sealed[name] for name in ("properties", "object")}
        for member in members:
            if member is not publisher:
                found = await member.ask({"type": "open", "publisher": publisher.sender} | place | parts)
                if found["payload"] != payload:
                    raise RuntimeError(f"{member.name} opened {found}, and not {payload}")
                opened += 1
    return opened


async def conduct(members: list[Member], hub: Hub) -> None:
    """Leads the group through joins, media, and an update by each member."""
    began = time.monotonic()
    for member in members:
        member.write({"type": "join"})
    epoch, authenticator = await agreed(members, lambda _: True)
    print(f"{', '.join(member.name for member in members)} agree at epoch {epoch}: {authenticator[:16]}")
    opened = await exchange(members, 1)
    for number, member in enumerate(members):
        before = epoch
        member.write({"type": "update"})
        epoch, authenticator = await agreed(members, lambda at, before=before: at > before)  # type: ignore[misc]
        print(f"after the update by {member.name}: epoch {epoch}: {authenticator[:16]}")
        opened += await exchange(members, 2 + number)
    for member in members:
        member.write({"type": "quit"})
    print(f"figure mixed_group_members {len(members)} members")
    print(f"figure mixed_group_opened {opened} objects")
    print(f"figure mixed_group_requests {hub.requests} requests")
    print(f"figure mixed_group_s {time.monotonic() - began:.1f} s")


async def main() -> None:
    """Starts the members, and ends when all have ended or the first fails."""
    hub = Hub()
    members = [
        Member(name, shlex.split(command), hub) for name, command in (each.split("=", 1) for each in sys.argv[1:])
    ]
    if len(members) < 2:
        sys.exit("hub.py NAME=COMMAND NAME=COMMAND ...")
    try:
        for member in members:
            await asyncio.wait_for(member.start(), PATIENCE_S)
        work = [conduct(members, hub), *(member.serve() for member in members)]
        await asyncio.wait_for(asyncio.gather(*work), PATIENCE_S)
    finally:
        for member in members:
            with contextlib.suppress(ProcessLookupError, AttributeError):
                member.process.kill()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (RuntimeError, asyncio.TimeoutError, OSError) as failed:
        sys.exit(f"the mixed group failed: {failed or 'it took too long'}")
