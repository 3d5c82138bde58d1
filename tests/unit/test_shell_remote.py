"""From afar: a fixed list, each command once, also after a restart; none ends the program in a visit."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

import pytest

from firmware.errors import OfficeRefused
from firmware.logbook import EventId, FieldValue
from firmware.shell.remote import AT_IDLE, RemoteAct, RemoteDesk, RemoteHands


@dataclass
class Bench:
    journal: set[str] = field(default_factory=set)
    undone: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    rests: bool = True
    enters: bool = False
    lacks_command: bool = False
    log: list[EventId] = field(default_factory=list)
    desk: RemoteDesk = field(init=False)

    def start(self) -> "Bench":
        """The daemon starts: nothing but the journal is left of the last run."""
        self.desk = RemoteDesk(self.write)
        self.desk.start(
            RemoteHands(
                acts={act: partial(self.carry_out, act) for act in RemoteAct},
                given=lambda command: command in self.journal,
                give=self.give,
                undone=lambda command: command in self.undone,
                refuse=self.refuse,
                resting=lambda: self.rests,
            )
        )
        return self

    def write(self, event: EventId, /, **_: FieldValue) -> None:
        self.log.append(event)

    async def give(self, command: str, by: str, what: str) -> None:
        assert by == "municipality"
        assert what in {act.value for act in RemoteAct}
        self.journal.add(command)
        if self.enters:
            self.rests = False

    async def refuse(self, command: str) -> None:
        assert command in self.journal
        self.undone.add(command)

    async def carry_out(self, act: RemoteAct) -> None:
        if act in AT_IDLE and not self.rests:
            raise OfficeRefused("a visit is under way")
        if act is RemoteAct.REBOOT and self.lacks_command:
            raise FileNotFoundError("systemctl")
        if act is RemoteAct.CERTIFICATE_RENEW:
            raise OfficeRefused("no good certificate lies there")
        self.done.append(act.value)

    async def hears(self, *commands: tuple[str, str]) -> dict[str, str]:
        """One heartbeat's answer, and what the next one says."""
        self.desk.asked(commands)
        for _ in range(5):
            await asyncio.sleep(0)
        return dict(self.desk.outcomes())


async def test_a_command_is_carried_out_once_however_often_it_is_heard() -> None:
    bench = Bench().start()
    for _ in range(3):
        assert {"command-1": "done"} == await bench.hears(("command-1", "maintenance-on"))
    assert ["maintenance-on"] == bench.done
    assert {} == await bench.hears(), "the municipality knows the outcome"


async def test_after_a_restart_it_is_not_carried_out_again() -> None:
    bench = Bench().start()
    await bench.hears(("command-1", "reboot"))
    assert {"command-1": "done"} == await bench.start().hears(("command-1", "reboot"))
    assert ["reboot"] == bench.done


@pytest.mark.parametrize("act", ["open-door", "", "rm -rf", "REBOOT"])
async def test_what_is_not_on_the_list_is_refused(act: str) -> None:
    bench = Bench().start()
    assert {"command-1": "refused"} == await bench.hears(("command-1", act))
    assert (set(), [], [EventId.CONSOLE_REFUSED]) == (bench.journal, bench.done, bench.log)


@pytest.mark.parametrize(
    ("act", "bench"),
    [
        ("certificate-renew", Bench()),
        ("config-refresh", Bench(enters=True)),
        ("reboot", Bench(lacks_command=True)),
    ],
    ids=["no good certificate", "a visit began meanwhile", "no such command"],
)
async def test_what_cannot_be_done_is_told_as_refused_also_after_a_restart_and_never_tried_again(
    act: str, bench: Bench
) -> None:
    assert {"command-1": "refused"} == await bench.start().hears(("command-1", act))
    bench.rests, bench.enters, bench.lacks_command = True, False, False
    assert {"command-1": "refused"} == await bench.start().hears(("command-1", act))
    assert ({"command-1"}, []) == (bench.journal, bench.done)


@pytest.mark.parametrize("act", list(RemoteAct))
async def test_what_ends_the_program_waits_for_the_end_of_the_visit(act: RemoteAct) -> None:
    bench = Bench(rests=False).start()
    waits = {} == await bench.hears(("command-1", act.value))
    assert (act in AT_IDLE) is waits
    assert (act in AT_IDLE) is (not bench.journal)
    await bench.desk.close()
    await bench.desk.close()


async def test_before_the_kiosk_runs_nothing_is_taken() -> None:
    desk = RemoteDesk(Bench().write)
    desk.asked([("command-1", "reboot")])
    assert () == desk.outcomes()
