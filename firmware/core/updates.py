"""Updates by two slots (A/B 更新): what the firmware starts, what may be installed, when the new one stays.

Each slot holds a whole system. An update is written into the slot that does not run, which is then started so
many times at most; only a machine that finds itself fit marks it good. Otherwise the firmware alone starts
the other slot again. Pure: versions, levels and seconds come in as arguments.
"""

import enum
from dataclasses import dataclass, replace
from typing import Final, assert_never

from firmware.core.wording import Sentence, told

TRIES: Final = 3
"""Starts of a slot that nobody has marked good yet."""

WELL_SECONDS: Final = 10.0
"""A new system is fit once it has been well for so long."""

TRIAL_SECONDS: Final = 900.0
"""A new system that is not fit by then starts the machine anew, which costs it one of its tries."""

PASSING: Final = frozenset(
    {
        "hours",
        "maintenance",
        "lockout",
        "municipality",
        "clock",
        "door",
        "change",
        "paper-left",
        "change-left",
    }
)
"""What keeps a kiosk closed that no update brings and none mends: people, the line, the time of the day."""


class Slot(enum.Enum):
    """One of the two systems on the disk."""

    A = "A"
    B = "B"

    @property
    def other(self) -> "Slot":
        return Slot.B if self is Slot.A else Slot.A


@dataclass(frozen=True, slots=True)
class BootChoice:
    """What the firmware goes by. primary: started first. good: marked so by a machine that ran it.

    tries: how many starts a primary that is not good has left.
    """

    primary: Slot = Slot.A
    good: frozenset[Slot] = frozenset({Slot.A})
    tries: int = 0

    def bootable(self, slot: Slot) -> bool:
        """Whether the firmware would start it at all."""
        return slot in self.good or (slot is self.primary and self.tries > 0)


def started(choice: BootChoice) -> tuple[Slot, BootChoice]:
    """The slot that is started now, and what is noted before it is."""
    primary = choice.primary
    if primary in choice.good:
        return primary, choice
    if choice.tries > 0:
        return primary, replace(choice, tries=choice.tries - 1)
    if primary.other in choice.good:
        return primary.other, replace(choice, primary=primary.other)
    return primary, choice


def taken_as_primary(choice: BootChoice, slot: Slot) -> BootChoice:
    """The slot has just been written whole: it is tried from the next start on."""
    return BootChoice(slot, choice.good - {slot}, TRIES)


def marked(choice: BootChoice, slot: Slot, *, good: bool) -> BootChoice:
    """Good: it stays. Bad: it is not started, also while it is being written over."""
    if good:
        return BootChoice(slot, choice.good | {slot}) if slot is choice.primary else _with(choice, slot)
    left = choice.good - {slot}
    if slot is choice.primary:
        return BootChoice(slot.other, left)
    return replace(choice, good=left)


def _with(choice: BootChoice, slot: Slot) -> BootChoice:
    return replace(choice, good=choice.good | {slot})


def autoboot(choice: BootChoice, partitions: dict[Slot, int]) -> str:
    """autoboot.txt of a Raspberry Pi: a slot on trial is started once, by `reboot '0 tryboot'`.

    Source: Raspberry Pi documentation, config.txt, autoboot.txt (tryboot_a_b, boot_partition).
    """
    stays = choice.primary if choice.primary in choice.good else choice.primary.other
    return (
        f"[all]\ntryboot_a_b=1\nboot_partition={partitions[stays]}\n"
        f"[tryboot]\nboot_partition={partitions[stays.other]}\n"
    )


class UpdateRefusal(enum.Enum):
    """Why a bundle is not installed; the values stand in the log."""

    SIGNATURE = "signature"  # signed by nobody who may, or not at all
    UNREADABLE = "unreadable"
    OTHER_MACHINE = "other-machine"
    VERSION = "version"  # names no version
    OLDER = "older"  # than what runs
    BELOW_FLOOR = "below-floor"  # older than what was once marked good
    JOURNAL = "journal"  # cannot read the journal as it is now
    TRIAL = "on-trial"  # the running system is not good yet: the other slot is the one that is
    WRITE = "write"  # the bundle is damaged or the disk failed
    IN_SERVICE = "in-service"  # the kiosk does not say, or no longer, that it serves nobody
    NO_KEYRING = "no-keyring"  # the running system has nobody's certificate: no update at all
    NO_TRIAL = "no-trial"  # the running kernel cannot start a slot for one try: no update at all


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a signed manifest says. journal: the formats of the journal that this version reads."""

    version: str
    compatible: str
    journal: tuple[int, ...] = ()


def refusal(
    bundle: Bundle, *, compatible: str, installed: str, floor: str, journal: int
) -> UpdateRefusal | None:
    """Why it may not be installed, None if it may. floor: empty where none was ever marked good."""
    if bundle.compatible != compatible:
        return UpdateRefusal.OTHER_MACHINE
    version = version_of(bundle.version)
    if version is None:
        return UpdateRefusal.VERSION
    if version < (version_of(installed) or (0, 0, 0)):
        return UpdateRefusal.OLDER
    if version < (version_of(floor) or (0, 0, 0)):
        return UpdateRefusal.BELOW_FLOOR
    if journal not in bundle.journal:
        return UpdateRefusal.JOURNAL
    return None


def version_of(text: str) -> tuple[int, int, int] | None:
    """MAJOR.MINOR.PATCH as numbers; None for anything else."""
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in parts):
        return None
    major, minor, patch = map(int, parts)
    return major, minor, patch


class Standing(enum.Enum):
    """How the system that runs came to run."""

    STEADY = "steady"
    TRIAL = "trial"
    CONFIRMED = "confirmed"  # the update is in use, and good
    ROLLED_BACK = "rolled-back"  # the update did not get fit: the former system runs


def standing(running: Slot, choice: BootChoice, pending: Slot | None) -> Standing:
    """pending: into which slot the last update was written, None once that is told."""
    if running not in choice.good:
        return Standing.TRIAL
    if pending is None:
        return Standing.STEADY
    return Standing.CONFIRMED if pending is running else Standing.ROLLED_BACK


class Trial(enum.Enum):
    """What becomes of a new system."""

    WAITS = "waits"
    FIT = "fit"


def faults(unfit: frozenset[str], before: frozenset[str]) -> frozenset[str]:
    """What the new system lacks: parts that worked before it, and work no more."""
    return unfit - before - PASSING


def trial(new_faults: frozenset[str], well_seconds: float) -> Trial:
    """well_seconds: for how long there has been no fault."""
    return Trial.FIT if not new_faults and well_seconds >= WELL_SECONDS else Trial.WAITS


def may_serve(now: Standing) -> bool:
    """A system on trial serves nobody: what it wrote, the other one would have to read after a roll-back."""
    match now:
        case Standing.TRIAL:
            return False
        case Standing.STEADY | Standing.CONFIRMED | Standing.ROLLED_BACK:
            return True
        case _:
            assert_never(now)


@dataclass(frozen=True, slots=True)
class UpdateState:
    """What root said last. standing: see Standing, or installing; empty without slots. version: what runs.

    wanted: of the update last written. refused: why one was not. before: what was wrong before it.
    barred: an UpdateRefusal by which this machine takes no update at all, empty if it does.
    """

    standing: str = ""
    slot: str = ""
    version: str = ""
    other: str = ""
    wanted: str = ""
    refused: str = ""
    before: tuple[str, ...] = ()
    barred: str = ""


def barred_by(reason: str) -> Sentence:
    """Why a machine takes no update at all (UpdateState.barred), for whoever asks for one."""
    if reason == UpdateRefusal.NO_KEYRING.value:
        return told(
            "no update can be installed: this system has no /etc/rauc/keyring.pem (handbook, Updates)"
        )
    return told("no update can be installed: this kernel cannot start a slot on trial (handbook, Updates)")
