"""The books compared: journal, coin machine and municipality, each with a count of its own."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tests.municipality.states import State
from tests.simulators.world import World

OPEN_STATES = {State.RESERVED, State.RELEASED}


def fold(lines: Iterable[str]) -> Counter[str]:
    """Yen by what the journal says happened to them; and the visits still open, as count."""
    yen: Counter[str] = Counter()
    for entry in map(json.loads, lines):
        match entry:
            case {"record": "VisitBegan"}:
                yen["open visits"] += 1
            case {"record": "VisitEnded"}:
                yen["open visits"] -= 1
            case {"record": "CoinTaken" | "CoinUnclaimed" as record, "yen": amount}:
                yen["taken"] += amount
                yen["unclaimed"] += amount if record == "CoinUnclaimed" else 0
            case {"record": "FeeEarned", "yen": amount}:
                yen["fees"] += amount
            case {"record": "CoinPayEnded", "yen": amount, "certainty": "done"}:
                yen["paid out"] += amount
            case {"record": "TrialCoinEnded", "coin_yen": amount, "certainty": "done"}:
                yen["trial"] += amount
            case {"record": "ClaimOpened", "yen": amount}:
                yen["claims"] += amount
            case _:
                pass
    return yen


async def check_books(world: World, lines: Sequence[str]) -> list[str]:
    """What does not agree, in words; empty when every yen is where all three say it is."""
    yen = fold(lines)
    orders: list[Any] = await world.municipality.orders()
    issued_yen = sum(order.total_yen for order in orders if order.state is State.ISSUED)
    paid_out_yen = world.coins.paid_coins * 100 - yen["trial"]
    found = []
    if yen["open visits"]:
        found.append("a visit was left open")
    if yen["taken"] != yen["fees"] + yen["paid out"] + yen["claims"] + yen["unclaimed"]:
        found.append(f"the journal does not balance: {dict(yen)}")
    if yen["taken"] != world.coins.cash_box_yen:
        found.append(f"journal {yen['taken']} yen, cash box {world.coins.cash_box_yen} yen")
    if not yen["paid out"] <= paid_out_yen <= yen["paid out"] + yen["claims"]:
        found.append(f"journal paid out {yen['paid out']} yen, hopper {paid_out_yen} yen")
    if yen["fees"] != issued_yen:
        found.append(f"journal keeps {yen['fees']} yen, municipality issued for {issued_yen} yen")
    if any(order.state in OPEN_STATES for order in orders):
        found.append("the municipality has an open order")
    return found
