"""When the journal takes no record: the slot is shut, nothing moves, and the screen says so.

No order may leave without its record, so that no coin can be paid back now. The process stays until the
journal's disk takes writes again; then it ends, and the next start settles everything from the journal.
"""

import asyncio
from collections.abc import Callable

from firmware.core.paying import held_in
from firmware.core.screens import Screen
from firmware.core.states import State
from firmware.core.storyboard import stranded_screen
from firmware.errors import JournalError
from firmware.logbook import EventId, FieldValue, Logbook
from firmware.shell.medium import Medium
from firmware.shell.notify import ServiceManager


def by_journal(error: BaseException | None) -> bool:
    """A JournalError, or a group with one in it."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(JournalError) is not None
    return isinstance(error, JournalError)


async def wait_stranded(
    state: State | None,
    *,
    show: Callable[[Screen], None],
    medium: Medium,
    manager: ServiceManager,
    log: Logbook,
) -> None:
    """Show what the machine holds, until the journal's disk takes writes.

    state: where the visit stood, None if there is none.
    """
    visit, held_yen = ("", 0) if state is None else held_in(state)
    known: dict[str, FieldValue] = {} if held_yen is None else {"yen": held_yen}
    log(EventId.STRANDED, **known, **({"visit": visit[:8]} if visit else {}))
    show(stranded_screen(state))
    manager.ready()
    alive = asyncio.create_task(manager.keep_alive(), name="watchdog")
    try:
        await medium.until_it_takes_writes()
    finally:
        alive.cancel()
