"""Faults that a test or a demonstration orders: each strikes the next matching request, once."""

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

_BESIDES = ("/v1/heartbeat", "/v1/journal", "/v1/publications/", "/v1/open-orders")
"""What a kiosk sends by itself, besides its visits."""

Change = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with this code instead of acting."""

    code: str


@dataclass(frozen=True, slots=True)
class Alter:
    """Act, and then answer something else."""

    change: Change


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait before acting."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Cut the connection before or after acting."""

    when: Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Twice:
    """Act twice on the same request: the second time before the answer leaves, or behind it."""

    when: Literal["before", "after"]


Fault = Refuse | Alter | Delay | Drop | Twice


@dataclass(slots=True)
class Faults:
    """Faults waiting for their request. path: a shell pattern; what comes besides visits matches by name."""

    _waiting: list[tuple[str, Fault]] = field(default_factory=list)

    def add(self, path: str, fault: Fault) -> None:
        """Strike the next request to this path."""
        self._waiting.append((path, fault))

    def take(self, path: str) -> Fault | None:
        """The first fault waiting for this path, used up."""
        for waiting in self._waiting:
            pattern, fault = waiting
            if _strikes(pattern, path):
                self._waiting.remove(waiting)
                return fault
        return None

    def clear(self) -> None:
        """Forget all that wait."""
        self._waiting.clear()

    def left(self) -> int:
        """Faults that met no request yet."""
        return len(self._waiting)


def _strikes(pattern: str, path: str) -> bool:
    if pattern == "*" and path.startswith(_BESIDES):
        return False
    return fnmatch.fnmatchcase(path, pattern)
