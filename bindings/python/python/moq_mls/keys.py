"""News of the media keys, one class each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from . import codes


@dataclass(frozen=True, slots=True)
class EpochReady:
    """Objects under this Key ID can be opened from now on."""

    epoch: int  #: The epoch.


@dataclass(frozen=True, slots=True)
class SendWith:
    """Objects are sealed with this epoch from now on."""

    epoch: int  #: The epoch.
    reason: codes.SwitchReason  #: Why now.


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing is sealed from now on, until the next `SendWith`."""

    reason: codes.Silence  #: Why.


@dataclass(frozen=True, slots=True)
class Forgotten:
    """This epoch's secret is erased."""

    epoch: int  #: The epoch.
    reason: codes.ForgetReason  #: Why.


KeysNotice = Union[
    EpochReady,
    SendWith,
    Silent,
    Forgotten,
]
"""News of the media keys, which the boundary manages for all tracks."""
