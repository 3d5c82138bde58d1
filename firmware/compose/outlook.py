"""What the kiosk says of itself: the status for console and municipality, and the figures."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from firmware import __version__
from firmware.compose.certificate import days_left, read_certificate
from firmware.console.metrics import Figures
from firmware.console.pages import update_line
from firmware.console.status import DeviceStatus, Status
from firmware.core.accounts import Accounts, place_name, place_named
from firmware.core.facts import Facts
from firmware.core.hours import JST, HoursRule
from firmware.core.rules import obstacles
from firmware.core.states import Idle, NotServing
from firmware.core.terms import Page
from firmware.core.wording import Say, Sentence, listed, told
from firmware.errors import ConfigError
from firmware.ports import OpenOrder
from firmware.settings import Settings
from firmware.shell.event_ring import EventRing
from firmware.shell.health import Health
from firmware.shell.journal import Journal
from firmware.shell.maintenance import MaintenanceWatch
from firmware.shell.office import Office
from firmware.shell.outbox import OutboxState
from firmware.shell.runner import Runner
from firmware.shell.updates import UpdateWatch

_PAGE: Final = {
    Page.AWAITED: told("no page yet"),
    Page.DRAWS: told("draws"),
    Page.MISSING: told("no page since start"),
    Page.GONE: told("dark for minutes"),
}


class Outlook:
    """Looks at everything and changes nothing. hours: with the municipality's calendar. now: aware."""

    def __init__(
        self,
        *,
        settings: Settings,
        office: Office,
        runner: Runner,
        maintenance: MaintenanceWatch,
        health: Health,
        journal: Journal,
        ring: EventRing,
        hours: Callable[[], HoursRule],
        outbox: Callable[[], OutboxState],
        strays: Callable[[], Sequence[OpenOrder]],
        now: Callable[[], datetime],
        updates: UpdateWatch,
    ) -> None:
        self._updates = updates
        self._settings, self._hours = settings, hours
        self._office, self._runner = office, runner
        self._maintenance, self._health = maintenance, health
        self._journal, self._ring = journal, ring
        self._outbox, self._strays = outbox, strays
        self._now = now
        self._began = time.monotonic()

    async def status(self, say: Say = str) -> Status:
        """The state of this moment."""
        certificate_days = await asyncio.to_thread(self._certificate_days)
        facts, state, accounts = self._runner.facts, self._runner.state, self._office.accounts
        resting = isinstance(state, Idle | NotServing | None)
        visits = self._office.visits.last
        claims = [claim for claim in accounts.claims.values() if claim.settled_by is None]
        outbox = self._outbox()
        return Status(
            kiosk=self._settings.file.kiosk.urn,
            version=__version__,
            now=f"{self._now().astimezone(JST):%m-%d %H:%M:%S}",
            up_seconds=round(time.monotonic() - self._began),
            state="Starting" if state is None else type(state).__name__,
            obstacles=obstacles(facts, self._settings.rules) if resting else (),
            devices=tuple(_devices(facts, say)),
            change_yen=_cash(accounts, say),
            hours=say(
                told("{hours}, now {now}", hours=self._hours_text(), now=told(facts.clock.hours.value))
            ),
            clock=say(told("agrees with the municipality") if facts.clock.trusted else told("NOT TRUSTED")),
            certificate_days=certificate_days,
            visits=dict(Counter(one.outcome for one in visits)),
            unsure=tuple(one.visit for one in visits if one.unsure),
            open_claims=len(claims),
            open_claims_yen=sum(claim.yen for claim in claims),
            untold=outbox.waiting,
            untold_seconds=round(outbox.unheard_seconds),
            untold_refusal=outbox.refusal,
            contradicted=outbox.contradicted,
            strays=tuple(f"{one.order_id} {one.state.lower()}" for one in self._strays()),
            business_day=self._office.open_day.isoformat(),
            maintenance=say(self._maintenance_text()),
            session=say(self._session_text()),
            loop_milliseconds=round(self._health.lag_seconds * 1000),
            health=self._health.illness(),
            update=say(update_line(self._updates.state)) if self._updates.state.standing else "",
        )

    def figures(self) -> Figures:
        """For the metrics."""
        facts, accounts = self._runner.facts, self._office.accounts
        claims = [claim.yen for claim in accounts.claims.values() if claim.settled_by is None]
        return Figures(
            serving=not isinstance(self._runner.state, NotServing | None),
            well=not self._health.illness(),
            loop_lag_seconds=self._health.lag_seconds,
            loop_longest_seconds=self._health.longest_seconds,
            journal_entries=self._journal.head.seq,
            open_claims_yen=sum(claims),
            change_yen={
                f"{place_name(one.hopper)} {one.coin_yen}": one.coins * one.coin_yen
                for one in accounts.open_day().cash
            },
            devices={device.name: device.well for device in _devices(facts, str)},
            events=self._ring.counts,
        )

    def hours_lines(self, say: Say = str) -> list[str]:
        """When the kiosk serves, in Japan time."""
        rule, clock = self._hours(), self._runner.facts.clock
        lines = [
            told(
                "daily {hours}, no new visit in the last {minutes} minutes",
                hours=self._hours_text(),
                minutes=rule.last_minutes,
            )
        ]
        lines += [
            told(
                "closed {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M}",
                begins=one.begins.astimezone(JST),
                ends=one.ends.astimezone(JST),
            )
            for one in rule.closures
            if one.ends > self._now()
        ]
        lines += [
            told("now {now}", now=told(clock.hours.value)),
            told("maintenance {maintenance}", maintenance=self._maintenance_text()),
        ]
        return [say(line) for line in lines]

    def _certificate_days(self) -> int | None:
        said = self._settings.file.municipality
        try:
            return days_left(read_certificate(self._settings.path(said.certificate_file)), self._now())
        except ConfigError:
            return None

    def _hours_text(self) -> str:
        rule = self._settings.hours
        closes = "24:00" if rule.closes.microsecond else f"{rule.closes:%H:%M}"
        return f"{rule.opens:%H:%M}-{closes}"

    def _maintenance_text(self) -> Sentence:
        now = told("on") if self._maintenance.on else told("off")
        plan = self._maintenance.plan
        if plan is None:
            return now
        begins, ends = (moment.astimezone(JST) for moment in plan)
        return told(
            "{now}, planned {begins:%m-%d %H:%M} to {ends:%m-%d %H:%M}", now=now, begins=begins, ends=ends
        )

    def _session_text(self) -> Sentence:
        session = self._maintenance.session
        if session is None:
            return told("nobody is logged in")
        return told(
            "order {order}, {by}, until {ends:%m-%d %H:%M}",
            order=session.order_id,
            by=session.by,
            ends=session.ends.astimezone(JST),
        )


def _cash(accounts: Accounts, say: Say) -> dict[str, int]:
    return {say(place_named(one.hopper)): one.coins * one.coin_yen for one in accounts.open_day().cash}


def _devices(facts: Facts, say: Say) -> Iterator[DeviceStatus]:
    reasons = " ".join(say(told(reason)) for reason in sorted(one.value for one in facts.printer.reasons))
    lies = say(told("card lies there")) if facts.reader.card_present else ""
    yield DeviceStatus("card", facts.reader.working, lies)
    yield DeviceStatus("screen", facts.screen.draws, say(_PAGE[facts.screen.page]))
    yield DeviceStatus("keypad", facts.keypad.working)
    yield DeviceStatus("coin", facts.acceptor.working)
    for level in facts.hoppers:
        says = say(told("{coins} x {yen} yen", coins=level.coins, yen=level.coin_yen))
        yield DeviceStatus(f"hopper-{level.hopper}", level.working, says)
    low = listed(sorted(supply.value for supply in facts.printer.low))
    supplies = say(told("low: {low}", low=low) if facts.printer.low else told("paper, toner enough"))
    yield DeviceStatus("printer", not reasons, reasons or supplies)
    ready = facts.receipt.ready
    roll = say(told("roll near its end")) if facts.receipt.paper_low else ""
    yield DeviceStatus("receipt", ready, roll if ready else say(told("no paper, fault or silent")))
    door = say(told("door open") if facts.panel.door_open else told("door shut"))
    yield DeviceStatus("door", not facts.panel.door_open, door)
    panel = facts.panel
    sensors = (("paper", panel.paper_in_tray), ("change", panel.change_in_cup))
    forgotten = " ".join(say(told(name)) for name, there in sensors if there)
    outlets = told("left: {what}", what=forgotten) if forgotten else told("empty")
    yield DeviceStatus("outlets", not forgotten, say(outlets))
    yield DeviceStatus("municipality", facts.municipality.reachable, facts.municipality.fault)
    room = "" if facts.journal.room else say(told("no room on its disk"))
    yield DeviceStatus("journal", facts.journal.room, room)
    yield DeviceStatus("clock", facts.clock.trusted)
