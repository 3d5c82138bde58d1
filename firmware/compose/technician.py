"""What a technician asks over the console: who may, what it is, and what follows."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from firmware.compose.bundle import Bundle, claims_covered, kept_at, make_bundle
from firmware.compose.certificate import certificate_lines, read_certificate
from firmware.compose.checked import checked
from firmware.compose.journal_process import JournalProcess
from firmware.compose.outlook import Outlook
from firmware.compose.renewing import renewed_now
from firmware.console import pages
from firmware.console import wire as w
from firmware.console.catalogue import events_of
from firmware.console.roles import command_word, role_of
from firmware.console.sayings import left, say_in
from firmware.console.status import status_page
from firmware.core import events as e
from firmware.core.hours import JST
from firmware.core.states import Attending, State
from firmware.core.terms import KeypadKey, Page, Role, VisitId
from firmware.core.wording import Say, Sentence, told
from firmware.errors import ConfigError, ConsoleError, MunicipalityError, OfficeRefused
from firmware.logbook import EventId, Logbook
from firmware.settings import Settings
from firmware.shell.event_ring import EventRing
from firmware.shell.fitness import Fitness
from firmware.shell.last_wish import LastWish
from firmware.shell.maintenance import MaintenanceWatch
from firmware.shell.office import Office
from firmware.shell.old_log import read_old_log
from firmware.shell.remote import MUNICIPALITY, RemoteAct
from firmware.shell.runner import Runner
from firmware.shell.updates import UpdateWatch

_BOOKS = (w.Refill, w.Collect, w.Count, w.CloseDay, w.PrintDay, w.PrintSelfTest, w.AskClaim, w.SettleClaim)

Books = Callable[[w.BookRequest, str], Awaitable[Sentence]]


class TechnicianDesk:
    """See firmware.console.server.Act. books: carries out what concerns coins, days and claims.

    metrics: the figures as text. restart: ends the daemon, so that its service manager starts it anew.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        config: Path,
        office: Office,
        runner: Runner,
        maintenance: MaintenanceWatch,
        fitness: Fitness,
        ring: EventRing,
        outlook: Outlook,
        metrics: Callable[[], str],
        books: Books,
        restart: Callable[[], None],
        log: Logbook,
        now: Callable[[], datetime],
        updates: UpdateWatch,
        last_wish: LastWish,
    ) -> None:
        self._updates, self._last_wish = updates, last_wish
        self._settings, self._config = settings, config
        self._read = JournalProcess(config, settings.file.console.journal_seconds)
        self._office, self._runner = office, runner
        self._maintenance, self._fitness, self._ring = maintenance, fitness, ring
        self._outlook, self._metrics = outlook, metrics
        self._books, self._restart = books, restart
        self._log, self._now = log, now
        self._works: dict[type[w.Request], Callable[[Any, str], Awaitable[Sentence | w.Answer]]] = {
            **dict.fromkeys(_BOOKS, books),
            w.Logout: self._logout,
            w.AskStatus: self._status,
            w.AskEvents: self._events,
            w.TestPart: self._test,
            w.ShowCash: self._cash,
            w.ShowDays: self._days,
            w.AskJournal: self._journal,
            w.ListClaims: self._claims,
            w.ListVisits: self._visits,
            w.ResolveVisit: self._resolve,
            w.SayPrinterOff: self._say_printer_off,
            w.SwitchMaintenance: self._switch,
            w.PlanMaintenance: self._plan,
            w.ShowHours: self._hours,
            w.MakeBundle: self._bundle,
            w.ShowCertificate: self._certificate,
            w.RenewCertificate: self._renew,
            w.CheckConfig: self._check_config,
            w.ReloadConfig: self._reload,
            w.Reboot: self._reboot,
            w.AskUpdate: self._update,
            w.InstallUpdate: self._install,
            w.Decommission: self._decommission,
        }

    async def act(self, request: w.AnyRequest, who: str) -> Sentence | w.Answer:
        """Raises OfficeRefused."""
        match request:
            case w.AskNonce():
                trusted = self._runner.facts.clock.trusted
                nonce = "" if trusted else self._maintenance.nonce()
                return w.Answer(done=True, text=nonce, facts={"nonce": nonce})
            case w.Login(order=order):
                return await self._login(order, say_in(request.language))
            case _:
                by = await self._allowed(request, who)
                return await self._works[type(request)](request, by)

    def remote_acts(self) -> Mapping[RemoteAct, Callable[[], Awaitable[object]]]:
        """What the municipality may ask, as it would be asked here."""
        return {
            RemoteAct.MAINTENANCE_ON: lambda: self._switch(w.SwitchMaintenance(on=True), MUNICIPALITY),
            RemoteAct.MAINTENANCE_OFF: lambda: self._switch(w.SwitchMaintenance(on=False), MUNICIPALITY),
            RemoteAct.CONFIG_REFRESH: lambda: self._reload(w.ReloadConfig(), MUNICIPALITY),
            RemoteAct.CERTIFICATE_RENEW: lambda: self._renew(w.RenewCertificate(), MUNICIPALITY),
            RemoteAct.REBOOT: lambda: self._reboot(w.Reboot(), MUNICIPALITY),
        }

    async def _allowed(self, request: w.AnyRequest, who: str) -> str:
        """Who does it, as the books keep it; the command is on disk then. Raises OfficeRefused."""
        role = role_of(request)
        if request.session:
            session = self._maintenance.authorize(request.session, role)
            if not (isinstance(request, w.AskEvents) and request.since):
                await self._maintenance.command(session.order_id, session.by, command_word(request))
            by = f"order:{session.order_id}"
        elif self._needs_no_order(who):
            by = who
            if role in {Role.SERVICE, Role.SYSTEM} or isinstance(request, w.TestPart):
                await self._maintenance.command("", who, command_word(request))
        else:
            raise OfficeRefused("log in with a maintenance order first")
        if role is not Role.LOOK:
            self._log(EventId.COMMAND_GIVEN, kind=type(request).__name__)
        return by

    def _needs_no_order(self, who: str) -> bool:
        return not self._settings.file.console.order_always and who in {"uid:0", f"uid:{os.getuid()}"}

    async def _login(self, text: str, say: Say) -> w.Answer:
        opened = await self._maintenance.login(text)
        order = opened.order
        ends = order.ends.astimezone(JST)
        roles = " ".join(say(told(role.value)) for role in order.roles)
        return w.Answer(
            done=True,
            text=say(
                told(
                    "order {order}: {by} may {roles} until {ends:%m-%d %H:%M}",
                    order=order.order_id,
                    by=order.by,
                    roles=roles,
                    ends=ends,
                )
            ),
            facts={
                "token": opened.token,
                "order": order.order_id,
                "ends": ends.isoformat(),
                "roles": [role.value for role in order.roles],
            },
        )

    async def _logout(self, request: w.Logout, _by: str) -> Sentence:
        if not request.session:
            raise OfficeRefused("nobody is logged in")
        await self._maintenance.logout(request.session)
        if self._maintenance.on:
            return told(
                "logged out, the order is spent; the kiosk is still out of service: maintenance is on"
            )
        return told("logged out, the order is spent")

    async def _status(self, request: w.AskStatus, _by: str) -> w.Answer:
        say = say_in(request.language)
        status = await self._outlook.status(say)
        return w.Answer(done=True, text="\n".join(status_page(status, say)), facts=status.facts())

    async def _events(self, request: w.AskEvents, _by: str) -> w.Answer:
        events = [event.value for event in events_of(request.event)] if request.event else []
        if request.wait_seconds:
            found = await self._ring.wait_behind(request.since, events, request.wait_seconds)
        else:
            found = self._ring.behind(request.since, events)
        found = found[-request.last :]
        number = found[-1].number if found else request.since
        lines, complaint = [event.said for event in found], ""
        if not request.since and len(found) < request.last:
            try:
                older = self._settings.file.console.log_command
                lines = await read_old_log(older, events, request.last) or lines
            except OfficeRefused as error:
                complaint = say_in(request.language)(error.sentence)
        text = "\n".join([*map(pages.event_line, lines), *filter(None, (complaint,))])
        return w.Answer(done=True, text=text, facts={"events": lines, "number": number})

    async def _test(self, request: w.TestPart, by: str) -> w.Answer:
        say, part = say_in(request.language), request.part.value
        verdict = await self._fitness.test(part, request.seen, by)
        facts = {"part": part, "fit": verdict.fit, "reason": str(verdict.reason)}
        if verdict.question is not None:
            return w.Answer(done=True, text=say(verdict.reason), facts=facts, asks=say(verdict.question))
        self._log(EventId.PART_TESTED, device=request.part, outcome="fit" if verdict.fit else "unfit")
        outcome = told("fit") if verdict.fit else told("unfit")
        named = told(part)
        text = say(told("{part}: {outcome}, {reason}", part=named, outcome=outcome, reason=verdict.reason))
        return w.Answer(done=True, text=text, facts=facts)

    async def _cash(self, request: w.ShowCash, _by: str) -> w.Answer:
        places = self._office.accounts.open_day().cash
        facts = {"cash": [msgspec.to_builtins(place) for place in places]}
        page = pages.cash_page(self._office.accounts, say_in(request.language))
        return w.Answer(done=True, text="\n".join(page), facts=facts)

    async def _days(self, request: w.ShowDays, _by: str) -> w.Answer:
        page = pages.days_page(self._office.accounts, say_in(request.language))
        return w.Answer(done=True, text="\n".join(page), facts={"days": list(self._office.accounts.days)})

    async def _claims(self, request: w.ListClaims, _by: str) -> w.Answer:
        claims = [
            {"claim_no": claim.claim_no, "yen": claim.yen, "settled_by": claim.settled_by}
            for claim in self._office.accounts.claims.values()
        ]
        text = "\n".join(pages.claims_page(self._office.accounts, say_in(request.language)))
        return w.Answer(done=True, text=text, facts={"claims": claims})

    async def _journal(self, request: w.AskJournal, _by: str) -> w.Answer:
        say = say_in(request.language)
        if request.what == "export":
            path = kept_at(self._settings, f"journal-{self._stamp()}.jsonl")
            lines = await self._read.export(path)
            written = say(told("{entries} entries in {path}", entries=lines, path=path))
            return w.Answer(done=True, text=written, facts={"path": str(path), "entries": lines})
        text = claims_covered(await self._read.says(request.what, request.last, request.language))
        return w.Answer(done=True, text=text.rstrip(), facts={"lines": text.splitlines()})

    async def _visits(self, request: w.ListVisits, _by: str) -> w.Answer:
        visits = self._office.visits.last
        waiting = self._waiting()
        facts = {
            "visits": [
                {"visit": one.visit, "at": one.at.isoformat(), "outcome": one.outcome, "unsure": one.unsure}
                for one in visits
            ],
            "waiting": waiting.visit if waiting else None,
        }
        page = pages.visits_page(visits, waiting, say_in(request.language))
        return w.Answer(done=True, text="\n".join(page), facts=facts)

    async def _resolve(self, request: w.ResolveVisit, _by: str) -> Sentence:
        visit = self._must_wait(request.visit).visit
        after = await self._answered(visit, KeypadKey.CONFIRM if request.printed else KeypadKey.CANCEL)
        if isinstance(after, Attending):
            self._must_be_open()
            if self._runner.facts.printer.dead:
                raise OfficeRefused(
                    "the printer is dead: switch it off, pull its plug, then: visit printer-off {visit}",
                    visit=visit[:8],
                )
            raise OfficeRefused("the printer still holds the job: say it again when it has let go")
        if request.printed:
            return told("visit {visit}: printed, the fee is kept", visit=visit[:8])
        return told("visit {visit}: not printed, the money goes back", visit=visit[:8])

    async def _say_printer_off(self, request: w.SayPrinterOff, _by: str) -> Sentence:
        visit = self._must_wait(request.visit).visit
        if self._runner.facts.printer.dead:
            after = await self._answered(visit, KeypadKey.DIGIT_2)
            if isinstance(after, Attending) and after.printer_off:
                return told("visit {visit}: the printer is off; now visit resolve", visit=visit[:8])
        raise OfficeRefused("the printer, or the print server, may still bring out a page: wait")

    async def _answered(self, visit: VisitId, key: KeypadKey) -> State:
        """The state after the visit got this answer. Raises OfficeRefused if it waited for none any more."""
        taken = await self._runner.ask(e.ConsoleKey(visit, key))
        if taken is None or not isinstance(taken.met, Attending) or taken.met.visit != visit:
            raise OfficeRefused(
                "visit {visit}: staff decide at the machine; nothing was decided from here, see `visit list`",
                visit=visit[:8],
            )
        return taken.done.state

    def _must_wait(self, visit: str) -> Attending:
        """The visit that waits for a decision, at the open door. Raises OfficeRefused."""
        waiting = self._waiting()
        if waiting is None or not waiting.visit.startswith(visit):
            raise OfficeRefused("no visit {visit} waits for a decision: see `visit list`", visit=visit)
        self._must_be_open()
        return waiting

    def _must_be_open(self) -> None:
        if not self._runner.facts.panel.door_open:
            raise OfficeRefused("open the door and look where the pages are: nothing is decided with it shut")

    def _waiting(self) -> Attending | None:
        state = self._runner.state
        return state if isinstance(state, Attending) else None

    async def _switch(self, request: w.SwitchMaintenance, by: str) -> Sentence:
        if not request.on:
            self._must_not_test()
        await self._maintenance.switch(on=request.on, by=by)
        if not request.on:
            return told("maintenance is off: the kiosk serves when nothing else keeps it")
        if self._office.resting():
            return told("maintenance is on: the kiosk serves nobody")
        return told("maintenance is on: the kiosk serves nobody, when the running visit has ended")

    async def _plan(self, request: w.PlanMaintenance, by: str) -> Sentence:
        self._must_not_test()
        if request.begins is None or request.ends is None:
            await self._maintenance.forget_plan(by)
            return told("no maintenance is planned")
        begins, ends = _moment(request.begins), _moment(request.ends)
        await self._maintenance.schedule(begins, ends, by)
        return told("maintenance from {begins:%m-%d %H:%M} to {ends:%m-%d %H:%M}", begins=begins, ends=ends)

    async def _hours(self, request: w.ShowHours, _by: str) -> w.Answer:
        lines = self._outlook.hours_lines(say_in(request.language))
        return w.Answer(done=True, text="\n".join(lines), facts={"hours": lines})

    async def _bundle(self, request: w.MakeBundle, _by: str) -> w.Answer:
        status = await self._outlook.status()
        content = Bundle(
            status="\n".join(status_page(status)),
            facts=status.facts(),
            events=[event.said for event in self._ring.behind(0)],
            journal=await self._read.says("show", 500),
            verified=await self._read.says("verify", 0),
            metrics=self._metrics(),
        )
        path, digest, size = await asyncio.to_thread(
            make_bundle, self._settings, self._config, content, self._stamp()
        )
        return w.Answer(
            done=True,
            text=say_in(request.language)(
                told("{path}\n{size} bytes, SHA-256 {digest}", path=path, size=size, digest=digest)
            ),
            facts={"path": str(path), "sha256": digest, "bytes": size},
        )

    async def _certificate(self, request: w.ShowCertificate, _by: str) -> w.Answer:
        path = self._settings.path(self._settings.file.municipality.certificate_file)
        try:
            certificate = await asyncio.to_thread(read_certificate, path)
        except ConfigError as error:
            raise OfficeRefused("the certificate cannot be read: {error}", error=error) from error
        say, lines = say_in(request.language), certificate_lines(certificate, self._now())
        text = "\n".join(f"{left(say(label), 12)}{value}" for label, value in lines)
        return w.Answer(done=True, text=text, facts={str(label): value for label, value in lines})

    async def _renew(self, request: w.RenewCertificate, _by: str) -> w.Answer:
        self._must_rest()
        try:
            until = await renewed_now(self._settings, self._config)
        except (ConfigError, MunicipalityError) as error:
            raise OfficeRefused(
                "not renewed, the old certificate stays in use: {error}", error=error
            ) from error
        ends = until.astimezone(JST)
        return w.Answer(
            done=True,
            text=say_in(request.language)(
                told(
                    "renewed, good until {ends:%Y-%m-%d %H:%M}; in use from the next heartbeat on", ends=ends
                )
            ),
            facts={"until": ends.isoformat()},
        )

    async def _check_config(self, _request: w.CheckConfig | w.ReloadConfig, _by: str) -> Sentence:
        try:
            settings = await asyncio.to_thread(checked, self._config)
        except ConfigError as error:
            raise OfficeRefused("the configuration is not good: {error}", error=error) from error
        return told(
            "{file}: {city}, {fees} fees: good",
            file=self._config.name,
            city=settings.city.name_en,
            fees=len(settings.fees),
        )

    async def _reload(self, request: w.ReloadConfig, by: str) -> Sentence:
        good = await self._check_config(request, by)
        self._start_anew()
        return told("{good}; the kiosk starts anew", good=good)

    async def _update(self, request: w.AskUpdate, _by: str) -> w.Answer:
        say, state, lacks = say_in(request.language), self._updates.state, sorted(self._updates.lacks)
        page = pages.update_page(state, lacks, say)
        return w.Answer(done=True, text="\n".join(page), facts={"update": asdict(state) | {"lacks": lacks}})

    async def _install(self, request: w.InstallUpdate, _by: str) -> Sentence:
        self._must_rest()
        self._must_not_test()
        if self._runner.facts.screen.page is Page.AWAITED:
            # Else a display that comes a moment later would count as one that was missing before.
            raise OfficeRefused("no page has drawn since the start: say it again in some minutes")
        await self._updates.ask(request.bundle)
        return told("{bundle} is being checked and installed; the kiosk serves nobody", bundle=request.bundle)

    async def _decommission(self, request: w.Decommission, _by: str) -> Sentence:
        await self._last_wish.ask(request.urn)
        return told(
            "{urn} is being erased: leave the machine on until it has switched itself off", urn=request.urn
        )

    async def _reboot(self, _request: w.Reboot, _by: str) -> Sentence:
        self._must_rest()
        command = self._settings.file.console.reboot_command
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
        if await process.wait():
            raise OfficeRefused(
                "{command} refused: status {status}", command=command[0], status=process.returncode
            )
        return told("the machine starts anew")

    def _start_anew(self) -> None:
        """After the answer has left."""
        self._must_rest()
        asyncio.get_running_loop().call_later(0.5, self._restart)

    def _must_rest(self) -> None:
        if not self._office.resting():
            raise OfficeRefused("a visit is under way: maintenance on, and say it again when it has ended")

    def _must_not_test(self) -> None:
        if self._fitness.busy:
            raise OfficeRefused("a test is running: say it again when it has ended")

    def _stamp(self) -> str:
        return f"{self._now().astimezone(JST):%Y%m%d-%H%M%S}"


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=JST)
    except ValueError as cause:
        raise ConsoleError("{text}: no moment; expected YYYY-MM-DDTHH:MM, Japan time", text=text) from cause
