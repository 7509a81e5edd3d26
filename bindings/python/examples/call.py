"""A call of three in one process: they join and agree, an object is sealed and opened, and one of them is removed.

`Hub` stands for MoQT and for the counter service. A participant is a task: it waits for events until its deadline, and
does its actions in order.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from moq_mls import Config, Error, Event, Identity, ObjectPlace, Participant, Service, Status, TrackName
from moq_mls import actions, events, notices
from moq_mls.values import Object, SealedObject

TRACK = TrackName((b"room-1", b"media"), b"alice")
SUITE = 4


def now_ms() -> int:
    """Returns milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


@dataclass
class Hub:
    """A relay that keeps every object, and a counter service. Each request is answered at once."""

    service: Service = field(default_factory=Service)
    objects: list[Object] = field(default_factory=list)
    subscribers: dict[tuple[str, int], tuple[Person, Callable[[TrackName], bool]]] = field(default_factory=dict)

    def act(self, person: Person, action: actions.Action) -> None:
        """Does what a person's action asks for, and gives the answer."""
        match action:
            case actions.Publish(id, published):
                self.objects.append(published)
                person.give(events.Published(id))
                for subscriber, wanted in self.subscribers.values():
                    if wanted(published.track):
                        subscriber.give(events.Object(published))
            case actions.Subscribe(id, track):
                self.subscribe(person, id, lambda other: other == track)
            case actions.SubscribeNamespace(id, namespace):
                self.subscribe(person, id, lambda other: other.namespace == namespace)
            case actions.Unsubscribe(id):
                self.subscribers.pop((person.name, id), None)
            case actions.Fetch(id, namespace, name, first, last):
                found = (
                    kept
                    for kept in self.objects
                    if kept.track.namespace == namespace and name in (None, kept.track.name)
                )
                person.give(events.Fetched(id, tuple(kept for kept in found if first <= kept.group_id <= last)))
            case actions.Lock() | actions.Increment() | actions.GetCommit():
                person.give(self.service.answer(now_ms(), action, secrets.token_bytes(16)))
            case actions.Persist() | actions.Announce() | actions.Notify() | actions.Keys():
                pass

    def subscribe(self, person: Person, id: int, wanted: Callable[[TrackName], bool]) -> None:
        """Sends what there is, and what comes."""
        self.subscribers[person.name, id] = (person, wanted)
        person.give(events.Subscribed(id))
        for kept in self.objects:
            if wanted(kept.track):
                person.give(events.Object(kept))


@dataclass
class Person:
    """One member of the call, with its participant."""

    name: str
    hub: Hub
    inbox: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    snapshot: bytes = b""
    keys: bytes = b""
    out: bool = False

    def __post_init__(self) -> None:
        identity = Identity.generate(1, self.name.encode())
        self.participant = Participant(identity, Config.new(b"room-1"), now_ms())
        self.track = self.participant.add_track(SUITE, TRACK)

    def give(self, event: Event) -> None:
        """Queues an event, for the participant to take when the actions before it are done."""
        self.inbox.put_nowait(event)

    async def run(self) -> None:
        """Waits for events and deadlines, and does what the participant asks for."""
        while True:
            due = self.participant.deadline()
            wait = None if due is None else max(0, due - now_ms()) / 1000
            try:
                event = await asyncio.wait_for(self.inbox.get(), wait)
            except asyncio.TimeoutError:
                event = events.Timer()
            self.participant.handle(now_ms(), event)
            while (action := self.participant.poll()) is not None:
                self.do(action)

    def do(self, action: actions.Action) -> None:
        """Does one action. A real driver writes the two kinds of secrets to disk, sealed."""
        match action:
            case actions.Persist(snapshot):
                self.snapshot = snapshot
            case actions.Keys():
                self.keys = self.participant.save_keys()
            case actions.Notify(notices.Epoch(epoch)):
                print(f"{self.name}: epoch {epoch}")
            case actions.Notify(notices.Removed(epoch)):
                print(f"{self.name}: removed, no longer in epoch {epoch}")
                self.out = True
            case _:
                self.hub.act(self, action)

    def open(self, place: ObjectPlace, sealed: SealedObject, publisher: bytes) -> bytes:
        """Opens an object of the media track."""
        at = (now_ms(), self.track, place)
        return self.participant.open(*at, sealed.properties, sealed.object, publisher).payload


async def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds, 20 seconds at most."""

    async def poll() -> None:
        while not holds():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(poll(), 20)


def agree(people: list[Person]) -> bool:
    """Says whether all of them, and nobody else, are in the group at one epoch."""
    epochs = {person.participant.epoch() for person in people}
    sizes = {len(person.participant.members()) for person in people}
    return len(epochs) == 1 and sizes == {len(people)}


async def call(people: list[Person]) -> None:
    """Lets three people call each other, and checks what each of them sees."""
    alice, bob, carol = people
    for person in people:
        person.give(events.Join())
    await until(lambda: agree(people))
    authenticators = {person.participant.epoch_authenticator() for person in people}
    assert len(authenticators) == 1, "members disagree"
    epoch = alice.participant.epoch()
    assert epoch is not None
    assert len({person.participant.track_key(epoch, TRACK) for person in people}) == 1, "track keys differ"
    print(f"all three agree at epoch {epoch}: {authenticators.pop().hex()[:16]}")

    # By itself, the switch to a new epoch waits for those who may lack it.
    alice.participant.switch_now(now_ms())
    publisher = alice.participant.sender_id()
    place = ObjectPlace(7, 0, 0)
    sealed = alice.participant.seal(alice.track, place, b"hello")
    for person in (bob, carol):
        print(f"{person.name}: opened {person.open(place, sealed, publisher)!r}")

    alice.give(events.Remove(carol.participant.sender_id()))
    await until(lambda: carol.out and agree([alice, bob]) and alice.participant.epoch() != epoch)
    alice.participant.switch_now(now_ms())
    place = ObjectPlace(8, 0, 0)
    sealed = alice.participant.seal(alice.track, place, b"without carol")
    print(f"bob: opened {bob.open(place, sealed, publisher)!r}")
    try:
        carol.open(place, sealed, publisher)
    except Error as error:
        assert error.status == Status.OPEN_UNKNOWN_KEY, error
        print(f"carol: {error}")
    else:
        raise AssertionError("a removed member opened an object")


async def main() -> None:
    """Runs the call beside its members' loops, and ends with the first that fails."""
    hub = Hub()
    people = [Person(name, hub) for name in ("alice", "bob", "carol")]
    work: list[Awaitable[None]] = [call(people), *(person.run() for person in people)]
    tasks = [asyncio.ensure_future(each) for each in work]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for task in done:
        task.result()


if __name__ == "__main__":
    asyncio.run(main())
