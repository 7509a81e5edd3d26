"""The one exception of this package."""

from __future__ import annotations

from .codes import Status


class Error(Exception):
    """Says why a call failed: `status` for programs, the text for people.

    What other members, relays and the counter service do wrong is never an error: it is an action `Notify`.
    """

    status: Status  #: Why.

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(status, message)
        self.status = Status(status)

    def __str__(self) -> str:
        return f"{self.status.name}: {self.args[1]}"
