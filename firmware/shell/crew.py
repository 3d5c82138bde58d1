"""The crew carries the engine's orders out through the ports and brings back the answers."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from typing import TypeVar, assert_never

from firmware import ports
from firmware.core import events as e
from firmware.core import orders as o
from firmware.core.states import Purchase
from firmware.core.terms import (
    Aid,
    CardRefusal,
    Certainty,
    CertificateKind,
    Language,
    Refusal,
    VisitId,
    Yen,
)
from firmware.errors import (
    CardGone,
    CardUnusable,
    DeviceGone,
    DocumentError,
    MunicipalityAnswerInvalid,
    MunicipalityError,
    PinBlocked,
    PinUncertain,
    PinWrong,
    PrintNotSubmitted,
    PrintUncertain,
    Refused,
)
from firmware.logbook import EventId, Logbook
from firmware.shell.devices import Devices
from firmware.shell.pin import PinBuffer
from firmware.shell.runner import Answer
from firmware.shell.visit import VisitScope
from firmware.shell.workers import SpareWorker


class DeviceCrew:
    """firmware.shell.runner.Crew over the real ports.

    fee_now: the profile's fee of a kind at a moment; what the municipality offers must agree.
    admits: says whether the typed staff code is right.
    """

    def __init__(
        self,
        *,
        devices: Devices,
        pin: PinBuffer,
        spare: SpareWorker,
        fee_now: Callable[[CertificateKind, datetime], Yen | None],
        now: Callable[[], datetime],
        speak: Callable[[Language], None],
        admits: Callable[[], Awaitable[bool]],
        adapt: Callable[[Aid], None],
        sound: Callable[[o.Alarm], None],
        log: Logbook,
    ) -> None:
        self._devices = devices
        self._admits = admits
        self._pin = pin
        self._spare = spare
        self._fee_now = fee_now
        self._now = now
        self._speak_to = speak
        self._adapt = adapt
        self._sound = sound
        self._log = log
        self._language = Language.JA
        self._scope = VisitScope(VisitId(""))
        self._closing: asyncio.Task[None] | None = None

    async def carry_out(self, order: o.Order, answer: Answer) -> None:  # noqa: C901, PLR0912, PLR0915 - a line each
        """See firmware.shell.runner.Crew."""
        match order:
            case o.RunTimer(seconds=seconds):
                await asyncio.sleep(seconds)
                answer(e.TimedOut())
            case o.ReadCard():
                await self._read_card(order, answer)
            case o.OpenSession():
                await self._open_session(self._of(order.visit), answer)
            case o.CollectPin() | o.CollectStaffCode():
                await asyncio.Event().wait()
            case o.CheckStaffCode():
                answer(e.StaffKnown() if await self._admits() else e.StaffUnknown())
            case o.FetchAgain():
                await self._fetch_again(order, answer)
            case o.SignWithPin():
                await self._sign(self._of(order.visit), answer)
            case o.Authenticate():
                await self._authenticate(self._of(order.visit), answer)
            case o.Prepare():
                await self._prepare(order, answer)
            case o.AcceptCoins():
                await self._accept(order)
            case o.CloseCoins():
                await self._close_slot()
                mark = self._devices.acceptor.mark
                answer(
                    e.CoinsClosed() if mark is None else e.CoinsClosed(mark.serial, mark.counter, mark.pairs)
                )
            case o.Release():
                await self._release(order, answer)
            case o.Print():
                await self._print(order, answer)
            case o.FollowPrint():
                await self._follow(order, answer)
            case o.CancelPrint():
                await self._devices.printer.purge(order.job_name)
            case o.PayCoin():
                answer(e.CoinPaid(await self._devices.payouts[order.hopper].pay_one(order.life_count)))
            case o.ReconcileCoin():
                answer(e.CoinPaid(await self._reconcile(order)))
            case o.PrintSlip():
                lines = self._devices.slip_lines(order, self._now())
                answer(e.SlipFinished(await self._devices.receipt.print_slip(lines)))
            case o.EndVisit():
                if order.visit == self._scope.visit:
                    await self._end_visit()
            case o.Speak():
                self._language = order.language
                self._speak_to(order.language)
            case o.Adapt():
                self._adapt(order.aid)
            case o.Sound():
                self._devices.panel.buzz(order.alarm.value)
                self._sound(order.alarm)
            case _:
                assert_never(order)

    def failed(self, order: o.Order) -> e.Event | None:
        """Unknown wherever something irreversible may have happened."""
        careful: Mapping[type[o.Order], e.Event] = {
            o.ReadCard: e.CardRefused(CardRefusal.UNREADABLE),
            o.OpenSession: e.MunicipalityFailed(Certainty.NOT_DONE),
            o.SignWithPin: e.PinInDoubt(),
            o.Authenticate: e.MunicipalityFailed(Certainty.UNKNOWN),
            o.Prepare: e.DocumentRefused(),
            o.Release: e.MunicipalityFailed(Certainty.UNKNOWN),
            o.Print: e.PrintFinished(Certainty.UNKNOWN, 0),
            o.FollowPrint: e.PrintFinished(Certainty.UNKNOWN, 0),
            o.PayCoin: e.CoinPaid(Certainty.UNKNOWN),
            o.ReconcileCoin: e.CoinPaid(Certainty.UNKNOWN),
            o.PrintSlip: e.SlipFinished(Certainty.UNKNOWN),
            o.CheckStaffCode: e.StaffUnknown(),
            o.FetchAgain: e.MunicipalityFailed(Certainty.UNKNOWN),
        }
        return careful.get(type(order))

    async def close(self) -> None:
        """Shut the slot, whatever fails, and forget the visit."""
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._end_visit)
            with contextlib.suppress(DeviceGone):
                await self._close_slot()

    async def _read_card(self, order: o.ReadCard, answer: Answer) -> None:
        scope = self._scope = VisitScope(order.visit)
        try:
            reading = await self._devices.card.read()
        except CardUnusable as error:
            answer(e.CardRefused(error.refusal))
        except CardGone:
            answer(e.CardRefused(CardRefusal.MOVED))
        except DeviceGone:
            answer(e.CardRefused(CardRefusal.READER_FAULT))
        else:
            scope.reading = reading
            answer(e.CardRead(reading.tries_left))

    async def _open_session(self, scope: VisitScope, answer: Answer) -> None:
        try:
            scope.worker, public_key = await self._spare.take()
            scope.session = await self._devices.municipality.open_session(public_key, self._language)
        except DocumentError as error:
            self._log(EventId.DOCUMENT_REFUSED, error=type(error).__name__)
            answer(e.MunicipalityFailed(Certainty.NOT_DONE))
        except MunicipalityError as error:
            self._answer_municipality(error, answer)
        else:
            answer(e.SessionOpened())

    async def _sign(self, scope: VisitScope, answer: Answer) -> None:
        session = _held(scope.session)
        if self._now() >= session.sign_until:
            # The card would spend a try on a signature that nobody takes.
            self._pin.clear()
            answer(e.MunicipalityFailed(Certainty.NOT_DONE))
            return
        try:
            scope.signature = await self._devices.card.sign(self._pin.take(), session.message)
        except PinWrong as error:
            answer(e.PinWasRefused(error.tries_left))
        except PinBlocked:
            answer(e.PinIsLocked())
        except PinUncertain:
            answer(e.PinInDoubt())
        except (CardGone, CardUnusable):
            answer(e.CardRefused(CardRefusal.MOVED))
        except DeviceGone:
            answer(e.CardRefused(CardRefusal.READER_FAULT))
        else:
            answer(e.CardSigned())

    async def _authenticate(self, scope: VisitScope, answer: Answer) -> None:
        try:
            person = await self._devices.municipality.authenticate(
                _held(scope.session).session_id,
                _held(scope.reading).certificate_der,
                _held(scope.signature),
            )
            self._check_fees(person)
        except MunicipalityError as error:
            self._answer_municipality(error, answer)
            return
        scope.person = person
        if person.offers:
            refused = tuple(kind for kind, _ in person.refusals)
            answer(e.PersonKnown(person.offers, refused))
        else:
            reasons = [refusal for _, refusal in person.refusals]
            answer(e.MunicipalityRefused(reasons[0] if reasons else Refusal.REPLICA_STALE))

    def _check_fees(self, person: ports.Authenticated) -> None:
        """Two sources for one fee must agree, or nobody pays."""
        now = self._now()
        for offer in person.offers:
            if self._fee_now(offer.kind, now) != offer.fee_yen:
                self._log(EventId.MUNICIPALITY_ANSWER_INVALID, order="authenticate", reason="fee")
                raise MunicipalityAnswerInvalid(
                    f"authenticate: fee of {offer.kind.value} is not the profile's"
                )

    async def _prepare(self, order: o.Prepare, answer: Answer) -> None:
        scope = self._of(order.visit)
        request = _request(order.purchase)
        session_id = _held(scope.session).session_id
        await self._devices.printer.refresh()
        try:
            reserved = await self._devices.municipality.reserve(session_id, request)
            prepared = await _held(scope.worker).prepare(
                reserved.sealed, request, session_id, _held(scope.person).person_ref
            )
        except MunicipalityError as error:
            self._answer_municipality(error, answer)
        except DocumentError as error:
            self._log(EventId.DOCUMENT_REFUSED, error=type(error).__name__)
            answer(e.DocumentRefused())
        else:
            done = e.DocumentPrepared(
                reserved.total_yen, prepared.sheets, prepared.pages, prepared.fingerprint
            )
            # Coins up to this mark wait before this answer in the same queue, later ones behind it.
            if (mark := self._devices.acceptor.mark) is not None:
                done = replace(done, serial=mark.serial, counter=mark.counter, pairs=mark.pairs)
            answer(done)

    async def _fetch_again(self, order: o.FetchAgain, answer: Answer) -> None:
        """A new worker for the visit that has none any more; a session that it still has ends with it."""
        old = self._scope
        scope = self._scope = VisitScope(order.visit, session=old.session)
        if old.worker is not None:
            await old.worker.end()
        try:
            worker, public_key = await self._spare.take()
            scope.worker = worker
            again = await self._devices.municipality.reprint(order.order_id, order.attempt, public_key)
            prepared = await worker.prepare(again.sealed, again.request, again.session_id, again.person_ref)
        except MunicipalityError as error:
            self._answer_municipality(error, answer)
        except DocumentError as error:
            self._log(EventId.DOCUMENT_REFUSED, error=type(error).__name__)
            answer(e.DocumentRefused())
        else:
            scope.authority = again.authority
            answer(e.DocumentPrepared(again.total_yen, prepared.sheets, prepared.pages, prepared.fingerprint))
        finally:
            self._spare.prepare()

    async def _accept(self, order: o.AcceptCoins) -> None:
        """Open the slot until cancelled; shutting it drains coins in flight in the background."""
        if self._closing is not None:
            await asyncio.wait([self._closing])
        try:
            await self._devices.acceptor.accept(order.denominations)
            await asyncio.Event().wait()
        except DeviceGone:
            return  # the level has told the engine
        finally:
            self._closing = self._shut_slot()

    async def _close_slot(self) -> None:
        """Returns when no coin can come any more, however often the slot was shut meanwhile."""
        if self._closing is None:
            self._closing = self._shut_slot()
        while (closing := self._closing) is not None:
            await asyncio.wait([closing])
            if self._closing is closing:
                self._closing = None
            closing.result()

    def _shut_slot(self) -> asyncio.Task[None]:
        return asyncio.create_task(self._devices.acceptor.stop(), name="shut-slot")

    async def _release(self, order: o.Release, answer: Answer) -> None:
        scope = self._of(order.visit)
        try:
            released = await self._devices.municipality.release(order.order_id, order.fee_yen)
        except MunicipalityError as error:
            self._answer_municipality(error, answer)
        else:
            scope.authority = released.authority
            answer(e.IssueReleased(released.receipt_no))

    async def _reconcile(self, order: o.ReconcileCoin) -> Certainty:
        """A hopper that the configuration no longer has can tell nothing."""
        payout = self._devices.payouts.get(order.hopper)
        return Certainty.UNKNOWN if payout is None else await payout.reconcile(order.life_count, order.serial)

    async def _print(self, order: o.Print, answer: Answer) -> None:
        scope = self._of(order.visit)
        await self._devices.printer.expect(order.job_name)
        try:
            await _held(scope.worker).print(_held(scope.authority), order.job_name)
        except PrintNotSubmitted as error:
            self._log(EventId.PRINT_ENDED, certainty=error.certainty, pages=0)
            answer(e.PrintFinished(Certainty.NOT_DONE, 0))
            # An empty job may stand at the print server, which would wait minutes for its document.
            await self._devices.printer.purge(order.job_name)
            return
        except PrintUncertain:
            self._log(EventId.PRINT_SUBMITTED, certainty=Certainty.UNKNOWN)
        else:
            self._log(EventId.PRINT_SUBMITTED, certainty=Certainty.DONE)
        await self._follow(order, answer)

    async def _follow(self, order: o.Print | o.FollowPrint, answer: Answer) -> None:
        """Whatever is not proven done the printer's adapter cancels, so that nothing comes out later."""
        sheets = order.sheets if isinstance(order, o.Print) else 0
        result = await self._devices.printer.follow(
            order.job_name,
            order.pages,
            lambda progress: answer(e.PagesOut(progress.pages_out)),
            sheets=sheets,
        )
        answer(e.PrintFinished(result.certainty, result.pages_out))

    def _of(self, visit: VisitId) -> VisitScope:
        """What is held of this visit. Raises LookupError if it is not the one that is under way."""
        if self._scope.visit != visit:
            raise LookupError("an order of another visit")
        return self._scope

    async def _end_visit(self) -> None:
        """Each part ends, whatever happens to the others; what holds personal data ends first.

        The next visit may begin meanwhile: nothing is ended here but what this one holds.
        """
        scope, self._scope = self._scope, VisitScope(VisitId(""))
        async with AsyncExitStack() as undo:
            if scope.session is not None:
                undo.push_async_callback(self._end_session, scope.session.session_id)
            if scope.reading is not None:
                undo.push_async_callback(self._devices.card.release, scope.reading)
            if scope.worker is not None:
                undo.push_async_callback(scope.worker.end)
            # What is known of the person goes now, and not with the municipality's answer.
            del scope

    async def _end_session(self, session_id: str) -> None:
        try:
            await self._devices.municipality.end_session(session_id)
        except MunicipalityError as error:
            self._log(EventId.MUNICIPALITY_GONE, error=type(error).__name__)

    def _answer_municipality(self, error: MunicipalityError, answer: Answer) -> None:
        if isinstance(error, Refused):
            # Which refusal it is stays between the person and the counter.
            self._log(EventId.MUNICIPALITY_REFUSED)
            answer(e.MunicipalityRefused(error.refusal))
            return
        answer(e.MunicipalityFailed(error.certainty))


def _request(purchase: Purchase) -> ports.OrderRequest:
    return ports.OrderRequest(
        purchase.order_id,
        purchase.kind,
        purchase.subjects,
        purchase.items,
        purchase.copies,
        purchase.members,
    )


T = TypeVar("T")


def _held(thing: T | None) -> T:
    """What an earlier step of this visit has set; the table allows no other order."""
    if thing is None:
        raise LookupError("the visit has no such thing")
    return thing
