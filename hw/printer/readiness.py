"""Why a printer cannot print now, and how much it still can: RFC 8011 keywords in, our reasons out."""

from collections.abc import Iterable
from dataclasses import dataclass

from firmware.core.terms import PrinterReason, PrinterSupply
from hw.printer.ipp_partner import Condition

SEVERITIES = ("-error", "-warning", "-report")
"""Printers append one or none, each with its own idea of severity; the keyword alone decides."""

KEYWORDS = {reason.value: reason for reason in PrinterReason} | {
    "door-open": PrinterReason.COVER_OPEN,
    "interlock-open": PrinterReason.COVER_OPEN,
    "output-area-full": PrinterReason.STOPPED,
    "paused": PrinterReason.STOPPED,
    "shutdown": PrinterReason.STOPPED,
    "stopping": PrinterReason.STOPPED,
}
SUPPLIES = {supply.value: supply for supply in PrinterSupply}


@dataclass(frozen=True, slots=True)
class Reserves:
    """When staff are told and orders limited, in sheets of A4.

    tell_sheets: fewer in the trays are low, and no more are promised than there are; it should be more than
    one order can take. low_sheets: so many at most are promised while something is low that nobody counts.
    slip_sheets: of those that are left kept for slips, where this printer prints them, too.
    """

    tell_sheets: int = 60
    low_sheets: int = 5
    slip_sheets: int = 0


def reasons_of_printer(condition: Condition) -> frozenset[PrinterReason]:
    """What keeps the printer from printing; a jam or an empty tray also while its state says idle.

    An error this table does not know is STOPPED. Low toner and the like are no reason.
    """
    found = {reason for keyword in condition.reasons if (reason := _reason(keyword)) is not None}
    if sheets_in_trays(condition.trays) == 0:
        found.add(PrinterReason.MEDIA_EMPTY)
    if condition.stopped or not condition.accepting:
        found.add(PrinterReason.STOPPED)
    if condition.jobs_waiting > 0:
        found.add(PrinterReason.JOBS_WAITING)
    return frozenset(found)


def reasons_of_queue(condition: Condition) -> frozenset[PrinterReason]:
    """What keeps cupsd from passing a job on.

    Its state reasons are left out: they are those of the last job and stay when the cause is gone.
    """
    found = set()
    if condition.stopped or not condition.accepting:
        found.add(PrinterReason.STOPPED)
    if condition.jobs_waiting > 0:
        found.add(PrinterReason.JOBS_WAITING)
    return frozenset(found)


def supplies_low(condition: Condition, reserves: Reserves) -> frozenset[PrinterSupply]:
    """What staff should refill while the printer still prints."""
    found = {SUPPLIES[bare] for keyword in condition.reasons if (bare := _split(keyword)[0]) in SUPPLIES}
    left = sheets_in_trays(condition.trays)
    if left is not None and 0 < left < reserves.tell_sheets:
        found.add(PrinterSupply.MEDIA_LOW)
    return frozenset(found)


def most_sheets(condition: Condition, reserves: Reserves) -> int | None:
    """Sheets that may still be promised, None while nothing is low."""
    low = supplies_low(condition, reserves)
    left = sheets_in_trays(condition.trays)
    counted = {PrinterSupply.MEDIA_LOW} if left is not None else set()
    limits = [max(left - reserves.slip_sheets, 0)] if left is not None and low & counted else []
    if low - counted:
        limits.append(reserves.low_sheets)
    return min(limits, default=None)


def sheets_in_trays(trays: Iterable[str]) -> int | None:
    """Sheets in all trays that feed by themselves, None if any of them does not count.

    trays: `type=sheetFeedAutoRemovableTray;…;level=125;…`; a negative level is "some" or "unknown".
    Source: PWG 5100.13, printer-input-tray.
    """
    levels = []
    for tray in trays:
        fields = dict(field.partition("=")[::2] for field in tray.split(";"))
        if fields.get("type") == "sheetFeedManual":
            continue
        try:
            levels.append(int(fields.get("level", "-2")))
        except ValueError:
            return None
    return sum(levels) if levels and min(levels) >= 0 else None


def _reason(keyword: str) -> PrinterReason | None:
    bare, severity = _split(keyword)
    return KEYWORDS.get(bare, PrinterReason.STOPPED if severity == "-error" else None)


def _split(keyword: str) -> tuple[str, str]:
    """The keyword without its severity, and the severity or nothing."""
    severity = next((found for found in SEVERITIES if keyword.endswith(found)), "")
    return keyword.removesuffix(severity), severity
