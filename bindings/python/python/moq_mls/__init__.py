"""The core of "Secure Group Key Agreement with MLS over MoQ": a state machine that takes events and gives actions.

It opens no socket, reads no clock, starts no thread and calls nothing back. `Participant` is one participant of one
group; `Service` is the counter service. Times are milliseconds since the Unix epoch.
"""

from . import actions, codes, config, events, keys, notices, values
from ._native import (
    VERSION,
    Identity,
    Participant,
    Service,
    counter_reply,
    counter_request,
    request_of,
)
from .actions import Action
from .codes import Status
from .config import Config, ServiceConfig
from .errors import Error
from .events import Event
from .notices import Notice
from .values import ObjectPlace, SecretBytes, TrackName

__all__ = [
    "VERSION",
    "Action",
    "Config",
    "Error",
    "Event",
    "Identity",
    "Notice",
    "ObjectPlace",
    "Participant",
    "SecretBytes",
    "Service",
    "ServiceConfig",
    "Status",
    "TrackName",
    "actions",
    "codes",
    "config",
    "counter_reply",
    "counter_request",
    "events",
    "keys",
    "notices",
    "request_of",
    "values",
]
