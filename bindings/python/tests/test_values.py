"""Every class of events, actions and notices: made, read, matched, shown, and sent to Rust and back."""

from __future__ import annotations

import dataclasses
import typing
import unittest

import moq_mls
from moq_mls import actions, codes, config, events, notices, values
from samples import FAMILIES, objects_of

#: Only the build for tests can send every value there and back.
echo = getattr(moq_mls._native, "echo", None)


class Values(unittest.TestCase):
    def test_families_have_every_class_of_their_module(self) -> None:
        for name, kinds in FAMILIES.items():
            module = getattr(moq_mls, name)
            here = {
                found
                for found in vars(module).values()
                if dataclasses.is_dataclass(found) and found.__module__ == module.__name__
            }
            self.assertEqual(here, set(kinds), name)

    def test_every_kind_is_frozen_and_matches_by_place(self) -> None:
        count = 0
        for kinds in FAMILIES.values():
            for kind in kinds:
                names = tuple(field.name for field in dataclasses.fields(kind))
                self.assertEqual(kind.__match_args__, names)
                for made in objects_of(kind):
                    self.assertEqual(made, dataclasses.replace(made))
                    hash(made)
                    for name in names:
                        with self.assertRaises(dataclasses.FrozenInstanceError):
                            setattr(made, name, getattr(made, name))
                count += 1
        self.assertGreater(count, 70)
        print(f"figure python_kinds {count} classes")

    def test_answers_need_an_id(self) -> None:
        for kind in FAMILIES["events"]:
            names = [field.name for field in dataclasses.fields(kind)]
            if "id" in names:
                given = {name: None for name in names if name != "id"}
                with self.assertRaises(TypeError, msg=kind.__name__):
                    kind(**given)

    def test_secret_bytes_are_not_shown(self) -> None:
        secret = values.SecretBytes(b"hunter2")
        shown = [repr(secret), str(secret), f"{secret}", repr(actions.Persist(secret))]
        increment = actions.Increment(1, b"room", 2, None, None, None, secret, None)
        for text in [*shown, repr(increment)]:
            self.assertNotIn("hunter2", text)
            self.assertIn("7 bytes", text)
        self.assertEqual(secret, b"hunter2")

    @unittest.skipIf(echo is None, "only the build for tests sends values back")
    def test_every_value_comes_back_from_rust_as_it_was(self) -> None:
        assert echo is not None
        count = 0
        for kinds in FAMILIES.values():
            for kind in kinds:
                for made in objects_of(kind):
                    back = echo(made)
                    self.assertIs(type(back), kind)
                    self.assertEqual(back, made)
                    self.same_types(back, made)
                    count += 1
        print(f"figure python_values_echoed {count} values")

    def same_types(self, back: object, made: object) -> None:
        """Compares what `==` does not: a number and its name are equal, bytes and secret bytes too."""
        self.assertIs(type(back), type(made))
        if dataclasses.is_dataclass(made):
            for field in dataclasses.fields(made):
                self.same_types(getattr(back, field.name), getattr(made, field.name))
        elif isinstance(made, tuple):
            for one, other in zip(typing.cast("tuple[object, ...]", back), made):
                self.same_types(one, other)

    @unittest.skipIf(echo is None, "only the build for tests sends values back")
    def test_every_number_of_a_configuration_comes_back(self) -> None:
        assert echo is not None
        numbers = {}
        for name, kind in (("limits", config.Limits), ("timers", config.Timers), ("keys", config.KeysConfig)):
            fields = dataclasses.fields(kind)
            numbers[name] = kind(*range(2, 2 + len(fields)))
        made = config.Config.new(
            b"room",
            mode=codes.SafetyMode.FENCED,
            service_key=bytes(32),
            adders=(b"a" * 64,),
            removers=(),
            most_adds=1,
            **numbers,
        )
        self.assertEqual(echo(made), made)

    def test_actions_say_what_answer_they_want(self) -> None:
        wanting = {
            kind.__name__: moq_mls.request_of(made)
            for kind in FAMILIES["actions"]
            for made in list(objects_of(kind))[:1]
        }
        by_id = {name for name, wanted in wanting.items() if wanted is not None}
        has_id = {kind.__name__ for kind in FAMILIES["actions"] if "id" in kind.__match_args__}
        self.assertEqual(by_id, has_id - {"Unsubscribe"})

    def test_match_statement_takes_an_action_apart(self) -> None:
        match actions.Notify(notices.Epoch(3, codes.EpochCause.COMMIT, b"c")):
            case actions.Notify(notices.Epoch(epoch, codes.EpochCause.COMMIT, committer)):
                self.assertEqual((epoch, committer), (3, b"c"))
            case _:
                self.fail("no match")

    def test_events_are_equal_by_value(self) -> None:
        self.assertEqual(events.Published(1), events.Published(1))
        self.assertNotEqual(events.Published(1), events.Subscribed(1))


if __name__ == "__main__":
    unittest.main()
