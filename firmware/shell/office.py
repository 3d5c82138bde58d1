"""The books between visits (帳簿): coins that staff handle, claims they pay, and the business day's end."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time

from firmware.core import records as r
from firmware.core.accounts import Claim, place_named
from firmware.core.books import Books
from firmware.core.closing import business_date, is_over, may_close
from firmware.core.hours import JST
from firmware.core.terms import Certainty, Yen
from firmware.errors import JournalError, MunicipalityError, OfficeRefused, ReportRefused
from firmware.logbook import EventId, Logbook
from firmware.ports import ClaimState, CoinPayout, Municipality
from firmware.shell.journal import Appender

MOST_COINS = 10_000
"""Coins handled at once; more is a slip of the finger."""

COINS_YEN = (1, 5, 10, 50, 100, 500)
"""The coins of Japan. Source: 通貨の単位及び貨幣の発行等に関する法律, article 5."""

_Handled = r.CoinsRefilled | r.CoinsCollected | r.CoinsCounted


class Office:
    """Keeps the accounts of the running kiosk and enters what happens between visits.

    books: of the journal so far; they are the office's from now. book: enters records through the engine,
    False when it may not be. resting: whether no visit is under way. noted: told what the office itself has
    written. trusted: whether the clock is. now: aware. day_ends: when the business day ends by itself, Japan
    time. payouts: the hoppers by address. coin_yen: what each pays. look_seconds: how often the clock is
    asked.
    """

    def __init__(
        self,
        *,
        books: Books,
        book: Callable[[Sequence[r.BookEntry]], Awaitable[bool]],
        resting: Callable[[], bool],
        journal: Appender,
        noted: Callable[[Sequence[r.Record]], None],
        municipality: Municipality,
        payouts: Mapping[int, CoinPayout],
        coin_yen: Mapping[int, Yen],
        trusted: Callable[[], bool],
        now: Callable[[], datetime],
        day_ends: time,
        log: Logbook,
        look_seconds: float = 1.0,
    ) -> None:
        self._books = books
        self.accounts, self.visits = books.accounts, books.visits
        self._book = book
        self.resting = resting
        self._journal = journal
        self._noted = noted
        self._municipality = municipality
        self._payouts = payouts
        self._coin_yen = coin_yen
        self._trusted = trusted
        self._now = now
        self._day_ends = day_ends
        self._log = log
        self._look_seconds = look_seconds
        # What one looks up in the books and then enters, nobody else may change meanwhile.
        self.desk = asyncio.Lock()
        self._claims: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._broken: JournalError | None = None
        self._broke = asyncio.Event()

    @property
    def open_day(self) -> date:
        """The business date of what happens now."""
        closed = self.accounts.last_closed
        last = None if closed is None else date.fromisoformat(closed)
        return business_date(self._books.first_entry, last, self._now())

    def note(self, records: Sequence[r.Record]) -> None:
        """Records that are on disk now. A hopper knows at once what staff did, and which coin is in doubt."""
        for record in records:
            self._books.enter(record, self._now())
            match record:
                case r.CoinsRefilled() | r.CoinsCollected() | r.CoinsCounted():
                    act, coins = type(record).__name__, record.coins
                    self._log(EventId.COINS_HANDLED, device=act, yen=record.coin_yen, coins=coins)
                    self._tell_hopper(record.hopper, record.coin_yen)
                case r.CoinPayEnded(hopper=hopper, yen=yen, certainty=Certainty.UNKNOWN):
                    self._tell_hopper(hopper, yen)
                case r.TrialCoinEnded(hopper=hopper, coin_yen=coin_yen, certainty=certainty):
                    self._log(EventId.TRIAL_COIN_ENDED, device=f"hopper-{hopper}", certainty=certainty)
                    self._tell_hopper(hopper, coin_yen)
                case _:
                    pass

    async def run(self) -> None:
        """End each business day when its time has come, until cancelled.

        Raises JournalError, also for a record of a command that is not certainly on disk.
        """
        while True:
            async with self.desk:
                await self._keep_totals()
                if self._trusted() and is_over(self.open_day, self._day_ends, self._now()):
                    await self._close(self.open_day)
                    await self._keep_totals()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._broke.wait()
            if self._broken is not None:
                raise self._broken

    async def close_day(self) -> str:
        """End the business day now; its date. Raises OfficeRefused."""
        async with self.desk:
            day = self.open_day
            if not self._trusted():
                raise OfficeRefused("the clock is not trusted: a day cannot be closed by it")
            if not may_close(day, self._now()):
                raise OfficeRefused(
                    "{last} is closed, and {day} has not begun", last=self.accounts.last_closed, day=day
                )
            if not await self._close(day):
                raise OfficeRefused("a visit is under way: say it again when it has ended")
            await self._keep_totals()
        return day.isoformat()

    async def refill(self, hopper: int, coins: int, by: str) -> None:
        """Coins were put into a hopper (釣銭補充). Raises OfficeRefused."""
        record = r.CoinsRefilled(hopper, self._value(hopper), _counted(coins, least=1), by)
        async with self.desk:
            await self._enter_handled(record)

    async def collect(self, hopper: int | None, coin_yen: Yen, coins: int, by: str) -> None:
        """Coins were taken out of the cash box, or of a hopper (回収). Raises OfficeRefused."""
        async with self.desk:
            position = self.accounts.position(hopper, coin_yen)
            if coins > position.coins:
                raise OfficeRefused(
                    "by the books {coins} coins of {yen} yen lie in the {place}: count them first",
                    coins=position.coins,
                    yen=coin_yen,
                    place=place_named(hopper),
                )
            await self._enter_handled(r.CoinsCollected(hopper, coin_yen, _counted(coins, least=1), by))

    async def count(self, hopper: int | None, coin_yen: Yen, coins: int, by: str) -> int:
        """Coins were counted (在高確認); how many more (+) or fewer (-) than by the books.

        Raises OfficeRefused.
        """
        async with self.desk:
            if (hopper, coin_yen) not in self.accounts.positions:
                self._check_coin(hopper, coin_yen)
            believed = self.accounts.position(hopper, coin_yen).coins
            await self._enter_handled(r.CoinsCounted(hopper, coin_yen, _counted(coins, least=0), by))
        return coins - believed

    async def settle_claim(self, claim_no: str, by: str) -> Claim:
        """Staff pay a claim: the municipality notes it first, so that nobody is paid twice.

        Raises OfficeRefused; after silence nothing is noted here and the same may be said again.
        """
        async with self._claims[claim_no]:
            claim = self.accounts.claims.get(claim_no)
            if claim is None:
                raise OfficeRefused("this kiosk has given no slip with the number {claim}", claim=claim_no)
            if claim.settled_by is not None:
                raise OfficeRefused(
                    "claim {claim} was noted as paid by {by}:"
                    " pay it only if its slip is not among the paid ones",
                    claim=claim_no,
                    by=claim.settled_by,
                )
            try:
                await self._municipality.settle_claim(claim_no, claim.yen)
            except ReportRefused as refused:
                with contextlib.suppress(MunicipalityError):
                    await self._look_up(claim_no)
                raise OfficeRefused(
                    "the municipality says {code}: do not pay", code=refused.code
                ) from refused
            except MunicipalityError as silence:
                raise OfficeRefused(
                    "the municipality does not answer: do not pay, say it again later"
                ) from silence
            await self._write(r.ClaimSettled(claim_no, claim.yen, by))
            self._log(EventId.CLAIM_SETTLED, yen=claim.yen)
        return claim

    async def look_up_claim(self, claim_no: str) -> ClaimState:
        """What the municipality knows of a claim; if its counter has paid, the books here know it too.

        Raises OfficeRefused.
        """
        async with self._claims[claim_no]:
            try:
                return await self._look_up(claim_no)
            except ReportRefused as refused:
                raise OfficeRefused("the municipality says {code}", code=refused.code) from refused
            except MunicipalityError as silence:
                raise OfficeRefused("the municipality does not answer") from silence

    async def _look_up(self, claim_no: str) -> ClaimState:
        state = await self._municipality.ask_claim(claim_no)
        claim = self.accounts.claims.get(claim_no)
        if state.settled_by == "counter" and claim is not None and claim.settled_by is None:
            await self._write(r.ClaimPaidElsewhere(claim_no, state.settled_by))
        return state

    async def _close(self, day: date) -> bool:
        closed_at = self._now().astimezone(JST).isoformat(timespec="milliseconds")
        if not await self._book((r.DayClosed(day.isoformat(), closed_at),)):
            return False
        self._log(EventId.DAY_CLOSED, state=day.isoformat())
        return True

    async def _keep_totals(self) -> None:
        while (day := self.accounts.unsettled) is not None:
            await self._write(r.DaySettled(day.business_date, day.closed_at, day.totals))

    async def write(self, records: Sequence[r.Record]) -> None:
        """Commit records that no step of the engine writes. A JournalError ends the run, too."""
        try:
            await self._journal.append(records)
        except JournalError as error:
            self._broken = error
            self._broke.set()
            raise
        self.note(records)
        self._noted(records)

    async def _write(self, record: r.DaySettled | r.ClaimSettled | r.ClaimPaidElsewhere) -> None:
        await self.write((record,))

    async def _enter_handled(self, record: _Handled) -> None:
        if not await self._book((record,)):
            raise OfficeRefused(
                "the door is shut or a visit is under way:"
                " open the door, wait for the visit to end, say it again"
            )

    def _tell_hopper(self, hopper: int | None, coin_yen: Yen) -> None:
        if hopper is not None and self._coin_yen.get(hopper) == coin_yen:
            self._payouts[hopper].set_coins(self.accounts.position(hopper, coin_yen).sure_coins)

    def _check_coin(self, hopper: int | None, coin_yen: Yen) -> None:
        """A place that the books do not know yet."""
        if hopper is not None and coin_yen != self._value(hopper):
            raise OfficeRefused(
                "hopper {hopper} holds coins of {yen} yen", hopper=hopper, yen=self._value(hopper)
            )
        if coin_yen not in COINS_YEN:
            raise OfficeRefused(
                "there is no coin of {yen} yen; expected {known}", yen=coin_yen, known=_listed(COINS_YEN)
            )

    def _value(self, hopper: int) -> Yen:
        if hopper not in self._coin_yen:
            raise OfficeRefused(
                "there is no hopper {hopper}; expected {known}",
                hopper=hopper,
                known=_listed(sorted(self._coin_yen)),
            )
        return self._coin_yen[hopper]


def _counted(coins: int, *, least: int) -> int:
    if not least <= coins <= MOST_COINS:
        raise OfficeRefused(
            "{coins} coins; expected {least} to {most}", coins=coins, least=least, most=MOST_COINS
        )
    return coins


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
