"""Every sentence that the voice can have to say, so that all of them are made beforehand."""

import string
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from firmware.core.choosing import ITEM_DIGITS
from firmware.core.terms import MOST_MEMBERS, Language, Yen
from firmware.screen.narration import money, speakable
from firmware.screen.texts import Texts

MOST_SHEETS = 36
_SILENT = ("language.", "step.", "page.", "money.", "place.", "kind_note.", "subjects_note.", "items_note.")
"""Shown but never said. What is said of money is put together from its parts below."""


def prompts(
    texts: Texts, language: Language, *, fees_yen: Sequence[Yen], coins_yen: Sequence[Yen], most_copies: int
) -> list[str]:
    """In the order of the file, each once. fees_yen: of one copy."""
    told = dict.fromkeys(_all(texts, language, _values(fees_yen, coins_yen, most_copies)))
    told |= dict.fromkeys(string.digits + string.ascii_uppercase + "-")
    spoken = (speakable(text, language.value) for text in told)
    return [text for text in dict.fromkeys(spoken) if text.strip(" -")]


def _values(
    fees_yen: Sequence[Yen], coins_yen: Sequence[Yen], most_copies: int
) -> Mapping[str, Sequence[int]]:
    unit, largest = min(coins_yen), max(coins_yen)
    totals = sorted({fee * copies for fee in fees_yen for copies in range(1, most_copies + 1)})
    change = range(unit, largest + unit, unit)
    returned = range(unit, totals[-1] + largest + unit, unit)
    return {
        "tries_left": range(1, 4),
        "until_month": range(1, 13),
        "until_day": range(1, 32),
        "until_hour": range(24),
        "until_minute": range(60),
        "sheets": range(1, MOST_SHEETS + 1),
        "digit": range(1, most_copies + 1),
        "due_yen": range(0, totals[-1] + unit, unit),
        "change_yen": change,
        "refund_yen": returned,
        "fee_yen": totals,
        "yen": totals,
        "row_number.number": returned,
        "row_number.copies.number": range(1, most_copies + 1),
        "row_number.fee.number": totals,
        "members.nth.number": range(1, MOST_MEMBERS + 1),
        "members.of.number": range(2, MOST_MEMBERS + 1),
        "members.chosen.number": range(1, MOST_MEMBERS),
        "check.certificate.count": range(1, MOST_SHEETS + 1),
        "check.change.count": change,
        "check.refund.count": returned,
    }


def _all(texts: Texts, language: Language, values: Mapping[str, Sequence[int]]) -> Iterator[str]:
    parts: dict[str, list[str]] = {}
    for key, text in texts.every(language, values):
        parts.setdefault(key, []).append(text)
        if not key.startswith(_SILENT) and not key.endswith(".title"):
            yield text
    yield from (*parts["page.yen"], *parts["page.none"], *parts["page.voice_keys"], *parts["money.exact"])
    for prefix in ("", "change_"):
        before, after = (parts[f"money.{prefix}{part}"][0] for part in ("before", "after"))
        for amount in parts[f"money.{prefix}amount"]:
            yield money({"before": before, "amount": amount, "after": after})
    items = [parts[f"items.{item.value}"][0] for item in ITEM_DIGITS.values()]
    for several in range(2, len(items) + 1):
        yield from (texts.join(language, chosen) for chosen in combinations(items, several))
