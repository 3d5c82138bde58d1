"""The console's daemon side put together."""

import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from firmware import __version__
from firmware.compose.a4_slips import A4SlipPrinter, slip_command
from firmware.compose.desk import StaffDesk
from firmware.compose.outlook import Outlook
from firmware.compose.technician import TechnicianDesk
from firmware.console.metrics import MetricsServer
from firmware.console.orders import OrderKeys
from firmware.console.server import ConsoleServer
from firmware.core.accounts import ClosedDay
from firmware.core.decommissioning import Standing, first_to_do
from firmware.core.hours import JST, HoursRule
from firmware.core.rules import unfit
from firmware.core.states import NotServing
from firmware.core.wording import Sentence
from firmware.documents.day_report import DayReport, day_slip
from firmware.documents.receipt import self_test_slip
from firmware.ports import OpenOrder, SlipLine
from firmware.settings import Settings
from firmware.shell.clock import now_utc
from firmware.shell.devices import Devices
from firmware.shell.event_ring import EventRing
from firmware.shell.fitness import Fitness
from firmware.shell.health import Health
from firmware.shell.journal import Journal
from firmware.shell.last_wish import LastWish
from firmware.shell.maintenance import MaintenanceWatch, ReadOrder
from firmware.shell.office import Office
from firmware.shell.outbox import OutboxState
from firmware.shell.remote import RemoteDesk, RemoteHands
from firmware.shell.runner import Runner
from firmware.shell.trial_coin import TrialCoins
from firmware.shell.updates import UpdateWatch


def order_reader(settings: Settings) -> ReadOrder | None:
    """Reads maintenance orders; None if the kiosk takes none. Raises ConfigError."""
    said = settings.file.console
    if not said.order_keys:
        return None
    return OrderKeys(
        settings.path(said.order_keys),
        issuer=said.order_issuer,
        kiosk=settings.file.kiosk.urn,
        longest=timedelta(seconds=said.longest_order_seconds),
    ).read


def day_report(settings: Settings, day: ClosedDay) -> DayReport:
    """A closed day with the names that stand on its report."""
    return DayReport(settings.city.name, settings.file.kiosk.urn, day)


def _self_test(settings: Settings) -> Sequence[SlipLine]:
    said = settings.file.receipt_printer
    return self_test_slip(
        kiosk=settings.file.kiosk.urn,
        version=__version__,
        issued_at=datetime.now(JST),
        found=(("印字方式", said.kind), ("桁数", f"{said.columns}"), ("通信速度", f"{said.baud}")),
        columns=said.columns,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TechniciansConsole:
    """Everything the console may look at. speak: see Fitness."""

    settings: Settings
    config: Path
    devices: Devices
    maintenance: MaintenanceWatch
    remote: RemoteDesk
    strays: Callable[[], Sequence[OpenOrder]]
    copy_journal: Callable[[], Awaitable[int | None]]
    health: Health
    journal: Journal
    ring: EventRing
    speak: Callable[[], Awaitable[Sentence | None]]
    hours: Callable[[], HoursRule]
    updates: UpdateWatch

    def open_at(
        self,
        office: Office,
        runner: Runner,
        outbox: Callable[[], OutboxState],
        worker: Callable[[], bool],
    ) -> "OpenConsole":
        """The console of this run. worker: whether a document worker works."""
        settings, said = self.settings, self.settings.file.console
        columns = settings.file.receipt_printer.columns
        outlook = Outlook(
            settings=settings,
            office=office,
            runner=runner,
            maintenance=self.maintenance,
            health=self.health,
            journal=self.journal,
            ring=self.ring,
            hours=self.hours,
            outbox=outbox,
            strays=self.strays,
            now=now_utc,
            updates=self.updates,
        )
        metrics = MetricsServer(settings.path(said.metrics_socket or "metrics"), outlook.figures, self.ring)
        page = A4SlipPrinter(
            self.devices.printer,
            self.ring,
            command=slip_command(self.config),
            submit_seconds=settings.file.documents.print_seconds,
            in_visit=False,
        )
        receipt = page if settings.file.receipt_printer.kind == "a4" else self.devices.receipt

        def held() -> bool:
            return isinstance(runner.state, NotServing) and runner.facts.maintenance.on

        books = StaffDesk(
            office=office,
            receipt=receipt,
            day_slip=lambda day: day_slip(day_report(settings, day), columns=columns),
            self_test=partial(_self_test, settings),
            keep_on=self.maintenance.kept_on,
            caught_up=runner.caught_up,
            held=held,
        )
        fitness = self._fitness(office, runner, replace(self.devices, receipt=receipt), page)

        def to_do(kept_seq: int | None) -> Sentence | None:
            standing = Standing(
                resting=office.resting(),
                updating=self.updates.under_way,
                testing=fitness.busy,
                waiting=outbox().waiting,
                kept_seq=kept_seq,
                head_seq=self.journal.head.seq,
            )
            return first_to_do(office.accounts, standing)

        last_wish = LastWish(
            settings.optional_path(said.erase_request),
            urn=settings.file.kiosk.urn,
            hold=self.maintenance.retire,
            resting=held,
            to_do=to_do,
            copy_journal=self.copy_journal,
            head=lambda: self.journal.head,
            log=self.ring,
        )
        desk = TechnicianDesk(
            settings=settings,
            config=self.config,
            office=office,
            runner=runner,
            maintenance=self.maintenance,
            fitness=fitness,
            ring=self.ring,
            outlook=outlook,
            metrics=metrics.text,
            books=books.act,
            # As systemd would ask: the slot is shut first, and the unit starts the kiosk anew.
            restart=partial(os.kill, os.getpid(), signal.SIGTERM),
            log=self.ring,
            now=now_utc,
            updates=self.updates,
            last_wish=last_wish,
        )
        self.updates.start(
            unfit=lambda: unfit(runner.facts, settings.rules, worker=worker()),
            resting=held,
        )
        server = ConsoleServer(settings.path(said.socket), desk.act, self.ring, group=said.group)
        self.remote.start(
            RemoteHands(
                acts=desk.remote_acts(),
                given=self.maintenance.given,
                give=self.maintenance.command,
                undone=self.maintenance.undone,
                refuse=self.maintenance.refuse,
                resting=office.resting,
            )
        )
        metrics_server = metrics if said.metrics_socket else None
        return OpenConsole(server, metrics_server, self.remote, self.updates, last_wish)

    def _fitness(self, office: Office, runner: Runner, devices: Devices, page: A4SlipPrinter) -> Fitness:
        settings = self.settings
        return Fitness(
            devices=devices,
            runner=runner,
            denominations=settings.rules.denominations_yen,
            now=now_utc,
            wait_seconds=settings.file.console.test_seconds,
            print_page=page.print_slip,
            speak=self.speak,
            keep_on=self.maintenance.kept_on,
            coins=lambda hopper, yen: office.accounts.position(hopper, yen).coins,
            pay=TrialCoins(
                payouts=self.devices.payouts,
                facts=lambda: runner.facts,
                write=office.write,
                desk=office.desk,
            ).pay,
            write=office.write,
        )


@dataclass(frozen=True, slots=True)
class OpenConsole:
    """The sockets of the console; metrics: None if nobody wants figures."""

    server: ConsoleServer
    metrics: MetricsServer | None
    remote: RemoteDesk
    updates: UpdateWatch
    last_wish: LastWish

    async def start(self) -> None:
        """Listen."""
        await self.server.start()
        if self.metrics is not None:
            await self.metrics.start()

    async def close(self) -> None:
        """Listen no more; may be called twice."""
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.server.close)
            undo.push_async_callback(self.remote.close)
            undo.push_async_callback(self.updates.close)
            undo.push_async_callback(self.last_wish.close)
            if self.metrics is not None:
                undo.push_async_callback(self.metrics.close)
