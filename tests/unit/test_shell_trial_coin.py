"""A technician's coin out of a hopper: on disk before it moves, and in the books wherever the power goes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from firmware.core import records as r
from firmware.core.accounts import Accounts
from firmware.core.facts import Facts, HopperLevel
from firmware.core.money import ledger
from firmware.core.recovery import open_trial
from firmware.core.terms import Certainty, VisitId
from firmware.errors import JournalError
from firmware.shell.trial_coin import TrialCoins

DONE, NOT_DONE, UNKNOWN = Certainty.DONE, Certainty.NOT_DONE, Certainty.UNKNOWN
LOADED = r.CoinsRefilled(3, 100, 20, "commissioning")
INTENDED = r.TrialCoinIntended(3, 100, 41, "order:a")
FOUND_EMPTY = r.HopperFoundEmpty(VisitId(""), 3, 20)


@dataclass
class Machine:
    """Hopper and journal at once, in one story. full_at: the record with which the disk is full.

    coins: what the hopper counts. level: what has been heard of it, a turn of the loop later.
    """

    certainty: Certainty = DONE
    left: int = 19
    coins: int = 20
    full_at: int = 99
    level: HopperLevel = field(default_factory=lambda: HopperLevel(3, True, 20, 100, 41))
    story: list[object] = field(default_factory=list)
    desk: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def trials(self) -> TrialCoins:
        return TrialCoins(
            payouts={3: cast("Any", self)},
            facts=lambda: Facts(next_visit=VisitId("0" * 32), hoppers=(self.level,)),
            write=self.write,
            desk=self.desk,
        )

    async def write(self, records: Sequence[r.Record]) -> None:
        assert self.desk.locked(), "somebody else may count meanwhile"
        if len(self.records) + 1 >= self.full_at:
            raise JournalError("full")
        self.story.extend(records)

    async def pay_one(self, life_count: int) -> Certainty:
        self.story.append(f"pay {life_count}")
        self.coins = self.left
        asyncio.get_running_loop().call_soon(self._heard)
        return self.certainty

    async def reconcile(self, life_count: int, serial: int | None) -> Certainty:
        self.story.append(f"reconcile {life_count}" + (f" of {serial}" if serial else ""))
        return self.certainty

    def _heard(self) -> None:
        self.level = replace(self.level, coins=self.coins)

    @property
    def records(self) -> list[r.Record]:
        return [cast("r.Record", one) for one in self.story if not isinstance(one, str)]


@pytest.mark.parametrize(
    ("certainty", "left", "found"),
    [(DONE, 19, ()), (NOT_DONE, 20, ()), (NOT_DONE, 0, (FOUND_EMPTY,)), (UNKNOWN, 19, ())],
)
async def test_the_intent_is_on_disk_before_the_hopper_moves(
    certainty: Certainty, left: int, found: tuple[r.Record, ...]
) -> None:
    machine = Machine(certainty, left)
    assert certainty is await machine.trials.pay(3, "order:a")
    assert [INTENDED, "pay 41", *found, r.TrialCoinEnded(3, 100, certainty)] == machine.story


async def test_a_hopper_that_was_found_empty_holds_no_sure_coin_by_the_books() -> None:
    machine = Machine(NOT_DONE, 0)
    await machine.trials.pay(3, "order:a")
    position = Accounts([LOADED, *machine.records]).position(3, 100)
    assert (20, 0) == (position.coins, position.sure_coins)


async def test_a_disk_that_is_full_lets_no_coin_out() -> None:
    machine = Machine(full_at=1)
    with pytest.raises(JournalError):
        await machine.trials.pay(3, "order:a")
    assert [] == machine.story


async def test_a_coin_whose_end_is_not_on_disk_is_settled_at_the_next_start() -> None:
    machine = Machine(full_at=2)
    with pytest.raises(JournalError):
        await machine.trials.pay(3, "order:a")
    left_open = open_trial(machine.records)
    assert left_open is not None
    again = Machine()
    assert DONE is await again.trials.settle(left_open)
    assert ["reconcile 41", r.TrialCoinEnded(3, 100, DONE)] == again.story
    assert open_trial([*machine.records, *again.records]) is None


@pytest.mark.parametrize(("coins", "found", "sure"), [(20, (FOUND_EMPTY,), 0), (0, (), 20)])
async def test_a_coin_that_never_came_before_the_power_went_leaves_no_coin_of_its_hopper_sure(
    coins: int, found: tuple[r.Record, ...], sure: int
) -> None:
    again = Machine(NOT_DONE, coins=coins)
    assert NOT_DONE is await again.trials.settle(INTENDED)
    assert ["reconcile 41", *found, r.TrialCoinEnded(3, 100, NOT_DONE)] == again.story
    accounts = Accounts([LOADED, INTENDED, *again.records])
    assert sure == accounts.position(3, 100).sure_coins
    accounts.enter(r.CoinsCounted(3, 100, 20, "order:a"))
    assert 20 == accounts.position(3, 100).sure_coins, "counted, it serves again"


async def test_a_hopper_that_is_configured_no_more_leaves_its_coin_in_doubt() -> None:
    machine = Machine()
    assert UNKNOWN is await machine.trials.settle(replace(INTENDED, hopper=9))
    assert [r.TrialCoinEnded(9, 100, UNKNOWN)] == machine.story


@pytest.mark.parametrize(
    ("ended", "coins", "sure", "collected"),
    [((), 20, 20, 0), ((DONE,), 19, 19, 1), ((NOT_DONE,), 20, 20, 0), ((UNKNOWN,), 20, 19, 0)],
)
def test_the_books_know_where_the_coin_is_and_nobodys_yen_moves(
    ended: tuple[Certainty, ...], coins: int, sure: int, collected: int
) -> None:
    records: list[r.Record] = [
        LOADED,
        INTENDED,
        *(r.TrialCoinEnded(3, 100, certainty) for certainty in ended),
    ]
    accounts = Accounts(records)
    position = accounts.position(3, 100)
    assert (coins, sure, collected) == (position.coins, position.sure_coins, position.collected)
    assert position.coins == position.refilled - position.collected
    assert () == accounts.faults() == ledger(records).faults()
    assert accounts.open_day().balanced
    accounts.enter(r.CoinsRefilled(3, 100, 1, "order:a"))
    assert coins + 1 == accounts.position(3, 100).coins, "it is put back"


def test_a_trial_that_ended_is_open_no_more_and_a_visit_is_none() -> None:
    assert open_trial([LOADED]) is None
    assert INTENDED == open_trial([LOADED, INTENDED])
    assert open_trial([INTENDED, r.TrialCoinEnded(3, 100, NOT_DONE)]) is None


async def test_a_coin_left_open_is_asked_of_the_hopper_that_had_it() -> None:
    machine = Machine(level=HopperLevel(3, True, 20, 100, 41, serial=654321))
    await machine.trials.pay(3, "order:a")
    (intended,) = (record for record in machine.records if isinstance(record, r.TrialCoinIntended))
    assert 654321 == intended.serial
    await machine.trials.settle(intended)
    assert "reconcile 41 of 654321" in machine.story
