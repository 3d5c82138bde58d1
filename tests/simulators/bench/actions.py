"""What a person at the bench can do: from the words of a request to a call of the outside world."""

from collections.abc import Awaitable, Callable
from typing import Any, get_args

from tests.simulators.bench.world_api import Key, NetworkMode, OutsideWorld, PrinterFault, ReceiptFault

Words = dict[str, Any]
"""The JSON object of a request."""


class BadWords(ValueError):
    """A request that names no action or gives it the wrong words."""


async def act(world: OutsideWorld, action: str, words: Words) -> Words:
    """Do it; what came of it, for the page. Raises BadWords, and what the world raises."""
    try:
        call = ACTIONS[action]
    except KeyError:
        raise BadWords(f"there is no action {action}") from None
    return await call(world, words)


def _word(words: Words, name: str, kind: type) -> Any:
    value = words.get(name)
    if type(value) is not kind:
        raise BadWords(f"{name} must be {kind.__name__}")
    return value


def _one_of(words: Words, name: str, choices: tuple[object, ...]) -> Any:
    value = words.get(name)
    if value not in choices:
        raise BadWords(f"{name} must be one of {', '.join(map(str, choices))}")
    return value


async def _insert_card(world: OutsideWorld, words: Words) -> Words:
    await world.insert_card(_word(words, "name", str))
    return {}


async def _remove_card(world: OutsideWorld, _words: Words) -> Words:
    await world.remove_card()
    return {}


async def _press(world: OutsideWorld, words: Words) -> Words:
    await world.press(_one_of(words, "key", get_args(Key)))
    return {}


async def _type_staff_code(world: OutsideWorld, _words: Words) -> Words:
    await world.type_staff_code()
    return {}


async def _drop_coin(world: OutsideWorld, words: Words) -> Words:
    return {"accepted": await world.drop_coin(_word(words, "yen", int))}


async def _take_paper(world: OutsideWorld, _words: Words) -> Words:
    return {"sheets": await world.take_paper()}


async def _take_change(world: OutsideWorld, _words: Words) -> Words:
    return {"yen": await world.take_change()}


async def _take_receipt(world: OutsideWorld, _words: Words) -> Words:
    await world.take_receipt()
    return {}


async def _set_door(world: OutsideWorld, words: Words) -> Words:
    await world.set_door(_word(words, "open", bool))
    return {}


async def _set_printer_fault(world: OutsideWorld, words: Words) -> Words:
    await world.set_printer_fault(_one_of(words, "name", (None, *get_args(PrinterFault))))
    return {}


async def _set_receipt_fault(world: OutsideWorld, words: Words) -> Words:
    await world.set_receipt_fault(_one_of(words, "name", (None, *get_args(ReceiptFault))))
    return {}


async def _set_network(world: OutsideWorld, words: Words) -> Words:
    await world.set_network(_one_of(words, "mode", get_args(NetworkMode)))
    return {}


async def _jam_hopper(world: OutsideWorld, words: Words) -> Words:
    await world.jam_hopper(_word(words, "jammed", bool))
    return {}


async def _refill_hopper(world: OutsideWorld, words: Words) -> Words:
    await world.refill_hopper(_word(words, "coins", int))
    return {}


async def _kill_pcscd(world: OutsideWorld, _words: Words) -> Words:
    await world.kill_pcscd()
    return {}


async def _power_cut(world: OutsideWorld, _words: Words) -> Words:
    await world.power_cut()
    return {}


ACTIONS: dict[str, Callable[[OutsideWorld, Words], Awaitable[Words]]] = {
    "insert_card": _insert_card,
    "remove_card": _remove_card,
    "press": _press,
    "type_staff_code": _type_staff_code,
    "drop_coin": _drop_coin,
    "take_paper": _take_paper,
    "take_change": _take_change,
    "take_receipt": _take_receipt,
    "set_door": _set_door,
    "set_printer_fault": _set_printer_fault,
    "set_receipt_fault": _set_receipt_fault,
    "set_network": _set_network,
    "jam_hopper": _jam_hopper,
    "refill_hopper": _refill_hopper,
    "kill_pcscd": _kill_pcscd,
    "power_cut": _power_cut,
}
