"""What one connection to Postgres says about one statement and its commit: messages in, moments out; no I/O.

Of the frontend/backend protocol 3.0 (PostgreSQL manual, "Message Formats") it knows what marks a statement's way:
Parse, Bind, Query and Sync of the client, CommandComplete, ErrorResponse and ReadyForQuery of the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Final, Self

_LENGTH_BYTES: Final = 4
_IDLE: Final = b"I"
"""ReadyForQuery's word for: in no transaction."""

COMMAND_COMPLETE: Final = b"C"
SYNC: Final = b"S"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of either side; a start-up packet has no kind."""

    kind: bytes
    body: bytes

    def written(self) -> bytes:
        """Write it as it goes over the wire."""
        return self.kind + (len(self.body) + _LENGTH_BYTES).to_bytes(_LENGTH_BYTES) + self.body


FLUSH: Final = Message(kind=b"H", body=b"")
"""Have the server say what it has done so far, without ending anything."""


class Moment(StrEnum):
    """What a message means for the statement; the first two come from the client, the last from the server."""

    STATEMENT = "statement"
    """The statement with its values."""

    COMMIT = "commit"
    """What makes the statement last: its COMMIT, or outside of a transaction the Sync behind it."""

    COMMITTED = "committed"
    """The server says that it has: ReadyForQuery, in no transaction, with no error before it."""


class _Stage(Enum):
    """How far the statement has come on this connection."""

    AWAITED = auto()
    STATED = auto()
    COMMITTING = auto()
    FAILED = auto()


@dataclass(kw_only=True)
class Conversation:
    """One connection: which prepared statements hold the text, and whether a transaction is open."""

    text: bytes
    """Part of the statement's SQL."""

    _prepared: set[bytes] = field(default_factory=set)
    _status: bytes = _IDLE
    _stage: _Stage = _Stage.AWAITED

    def from_client(self, message: Message) -> Moment | None:
        """Take the client's next message; give what it means, before it is passed on."""
        match message.kind:
            case b"P":
                name, query, *_ = message.body.split(b"\0")
                (self._prepared.add if self.text in query else self._prepared.discard)(name)
                return self._commit(query)
            case b"B":
                _portal, name, *_ = message.body.split(b"\0", 2)
                if name in self._prepared:
                    self._stage = _Stage.STATED
                    return Moment.STATEMENT
            case b"Q":
                return self._commit(message.body)
            case b"S" if self._stage is _Stage.STATED and self._status == _IDLE:
                self._stage = _Stage.COMMITTING
                return Moment.COMMIT
        return None

    def from_server(self, message: Message) -> Moment | None:
        """Take the server's next message; give what it means."""
        if message.kind == b"E" and self._stage is not _Stage.AWAITED:
            self._stage = _Stage.FAILED
        if message.kind != b"Z":
            return None
        self._status = message.body
        if self._status != _IDLE:
            return None
        ended, self._stage = self._stage, _Stage.AWAITED
        return Moment.COMMITTED if ended is _Stage.COMMITTING else None

    def _commit(self, query: bytes) -> Moment | None:
        if self._stage is not _Stage.STATED or not query.lstrip().upper().startswith((b"COMMIT", b"END")):
            return None
        self._stage = _Stage.COMMITTING
        return Moment.COMMIT


class StartUp(Enum):
    """What a client's untyped first packet asks for."""

    ENCRYPTION = auto()
    """SSLRequest or GSSENCRequest: answered with one byte, and then comes another first packet."""

    SESSION = auto()
    """StartupMessage or CancelRequest: the server's affair."""

    @classmethod
    def of(cls, packet: Message) -> Self:
        """Read the request code."""
        return cls.ENCRYPTION if int.from_bytes(packet.body[:4]) in _ENCRYPTION_CODES else cls.SESSION


_ENCRYPTION_CODES: Final = frozenset({80_877_103, 80_877_104})
