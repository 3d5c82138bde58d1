"""Why a printer cannot print now: RFC 8011 keywords in, our reasons out."""

from firmware.core.terms import PrinterReason
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


def reasons_of_printer(condition: Condition) -> frozenset[PrinterReason]:
    """What keeps the printer from printing; a jam or an empty tray also while its state says idle.

    An error this table does not know is STOPPED. Low toner and the like are no reason.
    """
    found = {reason for keyword in condition.reasons if (reason := _reason(keyword)) is not None}
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


def _reason(keyword: str) -> PrinterReason | None:
    for severity in SEVERITIES:
        if keyword.endswith(severity):
            bare = keyword.removesuffix(severity)
            unknown = PrinterReason.STOPPED if severity == "-error" else None
            return KEYWORDS.get(bare, unknown)
    return KEYWORDS.get(keyword)
