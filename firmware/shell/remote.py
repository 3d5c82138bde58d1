"""What the municipality asks of the kiosk from afar: a fixed list, each once, none during a visit."""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from firmware.errors import MadoguchiError
from firmware.logbook import EventId, Logbook

MUNICIPALITY = "municipality"
_LOOK_SECONDS = 0.5


class RemoteAct(enum.Enum):
    """Everything that can be asked from afar."""

    MAINTENANCE_ON = "maintenance-on"
    MAINTENANCE_OFF = "maintenance-off"
    CONFIG_REFRESH = "config-refresh"
    CERTIFICATE_RENEW = "certificate-renew"
    REBOOT = "reboot"


AT_IDLE = frozenset({RemoteAct.CONFIG_REFRESH, RemoteAct.CERTIFICATE_RENEW, RemoteAct.REBOOT})
"""What ends the program or changes its certificate waits for the end of the visit."""


@dataclass(frozen=True, slots=True)
class RemoteHands:
    """What carries it out. given: is this command in the journal; give: enter it. undone, refuse: the same of
    its refusal. resting: no visit runs.
    """

    acts: Mapping[RemoteAct, Callable[[], Awaitable[object]]]
    given: Callable[[str], bool]
    give: Callable[[str, str, str], Awaitable[None]]
    undone: Callable[[str], bool]
    refuse: Callable[[str], Awaitable[None]]
    resting: Callable[[], bool]


class RemoteDesk:
    """Takes commands from the heartbeat and says in the next ones what became of them.

    A command is in the journal before it is carried out: after a restart it is not carried out again. So is
    that it was refused, which else would be told as done then. One that the list does not have is refused.
    """

    def __init__(self, log: Logbook) -> None:
        self._log = log
        self._hands: RemoteHands | None = None
        self._outcomes: dict[str, str] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._one = asyncio.Lock()

    def start(self, hands: RemoteHands) -> None:
        """From now on commands are carried out."""
        self._hands = hands

    async def close(self) -> None:
        """Wait for nothing more; may be called twice."""
        running, self._running = list(self._running.values()), {}
        self._hands = None
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def asked(self, commands: Sequence[tuple[str, str]]) -> None:
        """(id, act) of every command that the municipality has no outcome of yet."""
        hands = self._hands
        if hands is None:
            return
        self._outcomes = {one: said for one, said in self._outcomes.items() if one in dict(commands)}
        for command, act in commands:
            if command in self._outcomes or command in self._running:
                continue
            if hands.given(command):
                self._outcomes[command] = "refused" if hands.undone(command) else "done"
            elif act not in {known.value for known in RemoteAct}:
                self._outcomes[command] = "refused"
                self._log(EventId.CONSOLE_REFUSED, reason="remote")
            else:
                task = asyncio.create_task(self._carry_out(hands, command, RemoteAct(act)), name="remote")
                self._running[command] = task

    def outcomes(self) -> tuple[tuple[str, str], ...]:
        """(id, done or refused) of what has been asked."""
        return tuple(self._outcomes.items())

    async def _carry_out(self, hands: RemoteHands, command: str, act: RemoteAct) -> None:
        try:
            async with self._one:
                if act in AT_IDLE:
                    while not hands.resting():  # noqa: ASYNC110 - a state has no event of its own
                        await asyncio.sleep(_LOOK_SECONDS)
                await hands.give(command, MUNICIPALITY, act.value)
                self._log(EventId.COMMAND_GIVEN, kind=act, reason="remote")
                try:
                    await hands.acts[act]()
                except (MadoguchiError, OSError):
                    await hands.refuse(command)
                    raise
                self._outcomes[command] = "done"
        except (MadoguchiError, OSError) as refused:
            self._log(EventId.CONSOLE_REFUSED, error=type(refused).__name__)
            self._outcomes[command] = "refused"
        finally:
            self._running.pop(command, None)
