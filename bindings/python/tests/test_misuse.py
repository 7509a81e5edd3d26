"""What a caller can do wrong ends with one exception and a status, or with `TypeError`, and changes nothing."""

from __future__ import annotations

import dataclasses
import pathlib
import secrets
import subprocess
import sys
import threading
import time
import unittest
from typing import Any

import moq_mls
from moq_mls import Config, Error, Identity, Participant, Service, ServiceConfig, Status, TrackName
from moq_mls import actions, codes, events, values

NOW = 1_700_000_000_000
TRACK = TrackName((b"room", b"media"), b"alice")
native: Any = moq_mls._native


def participant() -> Participant:
    """Makes one that has not begun."""
    return Participant(Identity.generate(1, b"alice"), Config.new(b"room"), NOW)


def drain(of: Participant) -> list[actions.Action]:
    """Polls until there is nothing left."""
    return list(iter(of.poll, None))


def member() -> Participant:
    """Makes one that created its group, with nobody else in it."""
    alice, service = participant(), Service()
    alice.handle(NOW, events.Join())
    waiting = drain(alice)
    while waiting:
        action = waiting.pop(0)
        match action:
            case actions.Publish(id, published):
                alice.handle(NOW, events.Published(id))
                alice.handle(NOW, events.Object(published))
            case actions.Subscribe(id, _) | actions.SubscribeNamespace(id, _):
                alice.handle(NOW, events.Subscribed(id))
            case actions.Fetch(id):
                alice.handle(NOW, events.Fetched(id, ()))
            case actions.Lock() | actions.Increment() | actions.GetCommit():
                alice.handle(NOW, service.answer(NOW, action, secrets.token_bytes(16)))
        waiting += drain(alice)
        due = alice.deadline()
        if not waiting and alice.epoch() is None and due is not None:
            alice.handle(due, events.Timer())
            waiting += drain(alice)
    return alice


class Misuse(unittest.TestCase):
    def fails(self, status: Status, call: Any, *arguments: Any) -> None:
        """Checks that a call raises `Error` with this status."""
        with self.assertRaises(Error) as raised:
            call(*arguments)
        self.assertIs(raised.exception.status, status, raised.exception)
        self.assertIn(status.name, str(raised.exception))

    def test_wrong_lengths_and_numbers(self) -> None:
        alice = participant()
        state = values.CounterState(1, b"no pin", None, False)
        self.fails(Status.INVALID_LENGTH, alice.handle, NOW, events.Incremented(1, state))
        for number in (-1, 2**64):
            self.fails(Status.INVALID_LENGTH, alice.handle, NOW, events.Published(number))
            self.fails(Status.INVALID_LENGTH, alice.handle, number, events.Timer())
        self.fails(Status.INVALID_LENGTH, Service, None, b"short")
        for length in (8161, 2**16):
            self.fails(Status.INVALID_LENGTH, alice.export_secret, b"", b"", length)
        limits = dataclasses.replace(Config.new(b"room").limits, returns=2**63)
        self.fails(
            Status.INVALID_LENGTH, Participant, Identity.generate(1, b"a"), Config.new(b"room", limits=limits), NOW
        )
        self.assertEqual(alice.phase(), codes.Phase.NEW)

    def test_wrong_names(self) -> None:
        self.fails(Status.INVALID_NAME, Config.new, b"")
        self.fails(Status.INVALID_NAME, Config.new, b"a" * 256)
        alice = participant()
        self.fails(Status.INVALID_NAME, alice.add_track, 4, TrackName((), b"alice"))
        self.fails(Status.INVALID_NAME, alice.handle, NOW, events.Remove(b""))

    def test_unknown_codes(self) -> None:
        alice = participant()
        unknown: Any = 99
        for wrong in (events.Failed(unknown, 1, codes.Failure.UNKNOWN), events.LockRefused(1, unknown)):
            self.fails(Status.UNKNOWN_CODE, alice.handle, NOW, wrong)
        self.fails(Status.UNKNOWN_CODE, moq_mls.counter_reply, 0, 1, b"", True)
        self.fails(Status.UNSUPPORTED, Identity.generate, 99, b"alice")
        self.fails(Status.UNKNOWN_CODE, alice.add_track, 99, TRACK)

    def test_wrong_types(self) -> None:
        alice: Any = participant()
        wrong: Any
        wrong_events = (None, 1, b"", "Join", events.Join, object(), actions.Announce((b"a",)))
        for wrong in (*wrong_events, codes.Phase.NEW, values.Credential(1, b"")):
            with self.assertRaises(TypeError, msg=repr(wrong)):
                alice.handle(NOW, wrong)
        for wrong in ("text", None, 1, bytearray(b"a"), memoryview(b"a"), [1]):
            with self.assertRaisesRegex(TypeError, "Remove.sender"):
                alice.handle(NOW, events.Remove(wrong))
        for wrong in ("1", 1.0, None, b"1"):
            with self.assertRaisesRegex(TypeError, "Published.id"):
                alice.handle(NOW, events.Published(wrong))
        for wrong in (b"room", None, iter([b"a"]), "room"):
            with self.assertRaisesRegex(TypeError, "TrackName.namespace"):
                alice.add_track(4, TrackName(wrong, b"a"))
        with self.assertRaises(TypeError):
            Participant(alice, Config.new(b"room"), NOW)
        with self.assertRaises(TypeError):
            Config.new(b"room", colour=1)
        self.assertEqual(alice.phase(), codes.Phase.NEW)

    def test_events_out_of_order(self) -> None:
        alice = participant()
        self.fails(Status.NOT_A_MEMBER, alice.epoch_authenticator)
        self.fails(Status.NOT_A_MEMBER, alice.handle, NOW, events.Update())
        alice.handle(NOW, events.Join())
        self.fails(Status.ALREADY_JOINED, alice.handle, NOW, events.Join())
        # A reply to what was never asked is a peer's fault: a notice, and no error.
        drain(alice)
        alice.handle(NOW, events.Published(12345))
        faults = [action.notice for action in drain(alice) if isinstance(action, actions.Notify)]
        self.assertIn("UNKNOWN_REPLY", repr(faults))

    def test_text_that_is_not_utf8(self) -> None:
        lock = actions.Lock(1, b"room", 0)
        self.fails(Status.NOT_UTF8, moq_mls.counter_request, lock, "\ud800")
        self.fails(Status.NOT_UTF8, moq_mls.counter_request, lock, "counter", "\udfff")
        self.fails(Status.INVALID_HTTP, moq_mls.counter_request, lock, "a\r\nb")
        with self.assertRaises(TypeError):
            moq_mls.counter_request(lock, b"counter")  # type: ignore[arg-type]
        self.assertIn(b"Host: counter\r\n", moq_mls.counter_request(lock, "counter", "secret"))

    def test_closed_objects(self) -> None:
        alice, service, identity = participant(), Service(), Identity.generate(1, b"a")
        for item in (alice, service, identity):
            with item:
                pass
            item.close()
        calls: list[Any] = [alice.poll, alice.deadline, alice.snapshot, alice.save_keys, alice.members, alice.phase]
        for call in calls:
            self.fails(Status.INVALID_HANDLE, call)
        self.fails(Status.INVALID_HANDLE, alice.handle, NOW, events.Timer())
        self.fails(Status.INVALID_HANDLE, identity.secret_key)
        self.fails(Status.INVALID_HANDLE, service.respond, NOW, b"", b"")
        self.fails(Status.INVALID_HANDLE, Participant, identity, Config.new(b"room"), NOW)

    def test_tracks_and_media(self) -> None:
        # Of this build, also before there is an epoch.
        self.fails(Status.UNSUPPORTED, participant().add_track, 1, TRACK)
        self.fails(Status.UNSUPPORTED, participant().add_track, 5, TRACK)
        alice = member()
        place = values.ObjectPlace(1, 0, 0)
        self.fails(Status.NO_SUCH_TRACK, alice.seal, 9, place, b"")
        self.fails(Status.NO_SUCH_TRACK, alice.remove_track, 9)
        # Of this build: a key can be made for suite 4 alone.
        self.fails(Status.UNSUPPORTED, alice.add_track, 1, TRACK)
        track = alice.add_track(4, TRACK)
        sealed = alice.seal(track, place, b"hello")
        self.fails(Status.SEAL_NOT_ABOVE, alice.seal, track, place, b"again")
        self.fails(Status.SEAL_OBJECT_ID, alice.seal, track, values.ObjectPlace(1, 2**32, 0), b"")
        self.fails(Status.INVALID_LENGTH, alice.seal, track, values.ObjectPlace(1, 1, 256), b"")
        opened = alice.open(NOW, track, place, sealed.properties, sealed.object)
        self.assertEqual((opened.payload, opened.encrypted), (b"hello", b""))
        spoilt = sealed.object[:-1] + bytes([sealed.object[-1] ^ 1])
        self.fails(Status.OPEN_REJECTED, alice.open, NOW, track, place, sealed.properties, spoilt)
        self.fails(Status.OPEN_REJECTED, alice.open, NOW, track, place, sealed.properties, b"")
        self.fails(Status.EPOCH_GONE, alice.track_key, 99, TRACK)
        self.assertEqual(len(alice.export_secret(b"label", b"", 48)), 48)
        alice.remove_track(track)
        self.fails(Status.NO_SUCH_TRACK, alice.key_id_property, track)

    def test_snapshots(self) -> None:
        identity = Identity.generate(1, b"alice")
        config = Config.new(b"room")
        self.fails(Status.SNAPSHOT_MALFORMED, Participant.restore, identity, config, b"junk", None, NOW)
        snapshot = Participant(identity, config, NOW).snapshot()
        again = Identity.from_secret_key(1, b"alice", identity.secret_key())
        restored = Participant.restore(again, config, snapshot, None, NOW)
        self.assertEqual(restored.phase(), codes.Phase.NEW)
        other = Config.new(b"another")
        self.fails(Status.SNAPSHOT_OTHER_GROUP, Participant.restore, identity, other, snapshot, None, NOW)
        stranger = Identity.generate(1, b"alice")
        self.fails(Status.SNAPSHOT_OTHER_PARTICIPANT, Participant.restore, stranger, config, snapshot, None, NOW)

    def test_counter_over_http(self) -> None:
        service = Service(ServiceConfig.new(lease_ms=5000))
        lock = actions.Lock(7, b"room", 0)
        request = moq_mls.counter_request(lock, "counter")
        self.assertIsNone(service.respond(NOW, request[:-1], b"t" * 16))
        answer = service.respond(NOW, request, b"t" * 16)
        assert answer is not None
        self.assertEqual((answer.consumed, answer.close), (len(request), False))
        self.assertIsNone(moq_mls.counter_reply(codes.RequestKind.LOCK, 7, answer.response[:9], False))
        reply = moq_mls.counter_reply(codes.RequestKind.LOCK, 7, answer.response, False)
        assert reply is not None
        self.assertEqual(reply.consumed, len(answer.response))
        granted = reply.events[-1]
        assert isinstance(granted, events.LockGranted), reply
        self.assertEqual((granted.id, granted.expires_in_ms), (7, 5000))
        self.fails(Status.NO_COUNTER_REQUEST, service.answer, NOW, actions.Announce((b"a",)), b"")
        self.fails(Status.NO_COUNTER_REQUEST, moq_mls.counter_reply, codes.RequestKind.FETCH, 7, b"", True)

    @unittest.skipUnless(hasattr(native, "occupy"), "only the build for tests can stay in a call")
    def test_two_threads_in_one_participant(self) -> None:
        alice = participant()
        inside = threading.Thread(target=native.occupy, args=(alice, 1000))
        inside.start()
        end = time.monotonic() + 10
        while inside.is_alive() and time.monotonic() < end:
            try:
                alice.phase()
            except Error as error:
                self.assertIs(error.status, Status.BUSY)
                break
        else:
            self.fail("the threads did not meet")
        # The other thread has no lock of the interpreter: this one runs, and others objects can be used.
        self.assertEqual(participant().phase(), codes.Phase.NEW)
        self.fails(Status.BUSY, alice.handle, NOW, events.Join())
        self.fails(Status.BUSY, alice.close)
        inside.join()
        self.assertEqual(alice.phase(), codes.Phase.NEW)

    def test_many_threads_meet_in_one_participant(self) -> None:
        alice = member()
        done: list[bytes] = []
        refused: list[Status] = []

        def use() -> None:
            for _ in range(200):
                try:
                    done.append(alice.export_secret(b"label", b"", 32))
                except Error as error:
                    refused.append(error.status)

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # An exception in a thread would end it early.
        self.assertEqual(len(done) + len(refused), 800)
        self.assertEqual(set(refused) - {Status.BUSY}, set())
        self.assertEqual(len(set(done)), 1)
        self.assertEqual(alice.phase(), codes.Phase.MEMBER)

    @unittest.skipUnless(hasattr(native, "provoke_panic"), "only the build for tests can panic")
    def test_panic_is_an_error_and_ends_the_object(self) -> None:
        alice = participant()
        self.fails(Status.PANICKED, native.provoke_panic, alice)
        self.fails(Status.PANICKED, alice.poll)
        self.fails(Status.PANICKED, alice.handle, NOW, events.Join())
        alice.close()

    def test_classes_that_differ_are_not_imported(self) -> None:
        package = pathlib.Path(moq_mls.__file__).parent
        spoil = (
            ("codes", "codes.Phase = codes.Failure", "moq_mls.codes.Phase differs"),
            ("codes", "del codes.Phase", "moq_mls.codes.Phase is missing"),
            ("events", "del events.Timer", "moq_mls.events.Timer is missing"),
            ("keys", "keys.Silent.__match_args__ = ('why',)", "moq_mls.keys.Silent has the fields"),
            ("values", "values.HttpAnswer.__match_args__ = ('close', 'consumed')", "moq_mls.values.HttpAnswer has"),
            # As they are, they are imported.
            ("codes", "pass", None),
        )
        for name, statement, why in spoil:
            # The package's own modules, spoilt before its extension is imported.
            program = f"""
import sys, types
package = types.ModuleType("moq_mls")
package.__path__ = [{str(package)!r}]
sys.modules["moq_mls"] = package
from moq_mls import {name}
{statement}
from moq_mls import _native
"""
            run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
            if why is None:
                self.assertEqual(run.returncode, 0, run.stderr)
            else:
                self.assertRegex(run.stderr, f"ImportError: {why}")


if __name__ == "__main__":
    unittest.main()
