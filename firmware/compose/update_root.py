"""Root's side of an update: writes the slot by RAUC, notes what runs, marks it good. 更新

The kiosk's user may only ask, by a file; who signs the bundle decides what is installed. Standard library
alone, for the machine must still come back where the Python packages do not.

    madoguchi-update note        at each start: what runs, for the kiosk to read
    madoguchi-update install     what the kiosk asked for
    madoguchi-update settle      after an installation that ended otherwise than it should
    madoguchi-update check DIR   RAUC's pre-install handler: the manifest in the bundle that RAUC has verified
    madoguchi-update mark-good   the kiosk says that it is fit
    madoguchi-update give-up     the time of the trial is over
    madoguchi-update backend …   RAUC's custom boot backend
"""

import configparser
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from firmware import __version__
from firmware.compose.boot_sector import SECTOR_BYTES, newest, sectors_after
from firmware.core import updates as u
from firmware.logbook import EventId, line
from firmware.whole_file import write_whole

JOURNAL_FORMAT: Final = 1
"""Of the journal's table, chain and kinds (decision 60). Who writes another reads this one, too."""

_MOST_BYTES: Final = 4096
_KIOSK: Final = "madoguchi.service"
_TRY_SLOT: Final = "madoguchi-try-slot.service"
_PARTITIONS: Final = {u.Slot.A: 2, u.Slot.B: 3}
"""Of the Pi's card: the FAT partitions that hold each slot's kernel."""


def _run(words: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class ChoiceStore(Protocol):
    """Where the boot choice lies."""

    def read(self) -> u.BootChoice: ...

    def write(self, choice: u.BootChoice) -> None: ...

    def tries_slots(self) -> bool:
        """Whether firmware and running kernel can start a slot so that the other one comes back by itself."""
        ...

    def restart(self) -> Sequence[str]:
        """The command that starts the machine anew, into the slot on trial if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class SectorStore:
    """Two sectors of a partition of their own; a write touches one, and is on disk when it returns."""

    path: Path

    def read(self) -> u.BootChoice:
        return newest(self._sectors())[0]

    def write(self, choice: u.BootChoice) -> None:
        at, sector = sectors_after(choice, self._sectors())
        handle = os.open(self.path, os.O_WRONLY | os.O_SYNC)
        try:
            os.pwrite(handle, sector, at * SECTOR_BYTES)
            os.fsync(handle)
        finally:
            os.close(handle)

    def tries_slots(self) -> bool:
        return True

    def restart(self) -> Sequence[str]:
        return ("systemctl", "reboot")

    def _sectors(self) -> tuple[bytes, bytes]:
        with self.path.open("rb", buffering=0) as disk:
            both = disk.read(2 * SECTOR_BYTES)
        return both[:SECTOR_BYTES], both[SECTOR_BYTES:]


@dataclass(frozen=True, slots=True)
class AutobootStore:
    """A Pi's first partition: autoboot.txt for the firmware, and beside it the choice that it was made from.

    The Pi's firmware counts no tries: a slot on trial is started once (tryboot). Not run on hardware yet.
    mailbox: a device that the Pi's own kernel has, and Debian's has not; only the former hands "tryboot" to
    the firmware when it restarts. Source: Raspberry Pi's Linux, drivers/char/broadcom/vcio.c and
    drivers/firmware/raspberrypi.c (rpi_firmware_notify_reboot).
    """

    folder: Path
    mailbox: Path = Path("/dev/vcio")

    def read(self) -> u.BootChoice:
        try:
            kept = (self.folder / "madoguchi-boot").read_bytes()
        except FileNotFoundError:
            return u.BootChoice()
        return newest((kept, b""))[0]

    def write(self, choice: u.BootChoice) -> None:
        _, sector = sectors_after(choice, (b"", b""))
        write_whole(self.folder / "madoguchi-boot", sector, mode=0o644)
        write_whole(self.folder / "autoboot.txt", u.autoboot(choice, _PARTITIONS).encode(), mode=0o644)

    def tries_slots(self) -> bool:
        return self.mailbox.is_char_device()

    def restart(self) -> Sequence[str]:
        choice = self.read()
        if choice.primary in choice.good:
            return ("systemctl", "reboot")
        # `systemctl reboot --reboot-argument=` writes into /run/systemd itself, which no unit of ours may.
        return ("systemctl", "start", _TRY_SLOT)


def choice_store(root: Path = Path("/")) -> ChoiceStore:
    """This machine's. Raises FileNotFoundError on one without slots."""
    sectors, autoboot = root / "dev/disk/by-partlabel/madoguchi-choice", root / "boot/firmware/autoboot.txt"
    if sectors.exists():
        return SectorStore(sectors)
    if autoboot.exists():
        return AutobootStore(autoboot.parent, root / "dev/vcio")
    raise FileNotFoundError(f"{sectors}, {autoboot}: neither is there; this machine has no slots")


@dataclass(frozen=True, slots=True)
class Machine:
    """The places of an update. run: a command, its exit status and what it said."""

    store: ChoiceStore
    kept: Path = Path("/var/lib/madoguchi-updates")
    told: Path = Path("/run/madoguchi-update")
    asked: Path = Path("/run/madoguchi")
    command_line: Path = Path("/proc/cmdline")
    system: Path = Path("/etc/rauc/system.conf")
    keyring: Path = Path("/etc/rauc/keyring.pem")
    run: Callable[[Sequence[str]], tuple[int, str]] = _run

    def running(self) -> u.Slot:
        """As the firmware said it: rauc.slot=A. Raises ValueError if it did not."""
        words = self.command_line.read_text(encoding="ascii").split()
        names = [word.removeprefix("rauc.slot=") for word in words if word.startswith("rauc.slot=")]
        if not names:
            raise ValueError(
                f"{self.command_line}: names no rauc.slot; the firmware must say what it started"
            )
        return u.Slot(names[-1])

    def compatible(self) -> str:
        """What kind of machine this is."""
        system = configparser.ConfigParser()
        system.read(self.system, encoding="utf-8")
        return system["system"]["compatible"]

    def barred(self) -> u.UpdateRefusal | None:
        """Why it takes no update at all, None if it does."""
        if not self.keyring.is_file():
            return u.UpdateRefusal.NO_KEYRING
        return None if self.store.tries_slots() else u.UpdateRefusal.NO_TRIAL

    def floor(self) -> str:
        """The newest version that was ever marked good here."""
        try:
            return (self.kept / "floor").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""

    def held(self) -> bool:
        """Whether the kiosk says that it serves nobody."""
        return (self.asked / "update-held").exists()

    def told_state(self) -> dict[str, Any]:
        """What the kiosk can read. Raises OSError, ValueError."""
        said: dict[str, Any] = json.loads((self.told / "state").read_text(encoding="utf-8"))
        return said

    def pending(self) -> dict[str, Any]:
        """The update that was written last, until what became of it is told; nothing of one that cannot be
        read: whether a system is on trial, the boot choice says."""
        try:
            said = json.loads((self.kept / "pending").read_text(encoding="utf-8"))
            return {"slot": u.Slot(said["slot"]).value, "version": said["version"], "before": said["before"]}
        except FileNotFoundError:
            return {}
        except (ValueError, LookupError, TypeError) as damaged:
            sys.stderr.write(f"madoguchi-update: {self.kept / 'pending'}: {damaged!r}\n")
            return {}


def note(machine: Machine, **answer: str) -> None:
    """Say for the kiosk what runs here, and beside it the answer to its wish."""
    pending, barred = machine.pending(), machine.barred()
    slot = u.Slot(pending["slot"]) if pending else None
    running, choice = machine.running(), machine.store.read()
    now = u.standing(running, choice, slot)
    _tell(
        machine,
        standing=now.value,
        slot=running.value,
        version=__version__,
        other="good" if running.other in choice.good else "bad",
        wanted=pending.get("version", ""),
        before=pending.get("before", []),
        barred="" if barred is None else barred.value,
        **answer,
    )
    match now:
        case u.Standing.TRIAL:
            _log(EventId.UPDATE_TRIAL, version=__version__, attempt=u.TRIES - choice.tries)
        case u.Standing.ROLLED_BACK:
            _log(EventId.UPDATE_ROLLED_BACK, version=pending.get("version", ""))
            (machine.kept / "pending").unlink()
        case _:
            pass


def install(machine: Machine) -> int:
    """Carry out what the kiosk asked for; it has gone out of service for it. The exit status."""
    wish = machine.asked / "update-wanted"
    try:
        asked = json.loads(wish.read_bytes()[:_MOST_BYTES])
        bundle, before = str(asked["bundle"]), sorted(map(str, asked.get("before", [])))
        nonce = str(asked.get("nonce", ""))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return _refuse(machine, u.UpdateRefusal.UNREADABLE, "")
    # First of all: the kiosk holds until this is told otherwise.
    state = {
        "standing": "installing",
        "slot": machine.running().value,
        "version": __version__,
        "nonce": nonce,
    }
    _tell(machine, **state)
    try:
        refused = _carry_out(machine, bundle, before, state)
    except Exception as error:  # noqa: BLE001 - whatever it is, the kiosk must hear that it is over
        sys.stderr.write(f"madoguchi-update: {error!r}\n")
        refused = u.UpdateRefusal.WRITE
    return 0 if refused is None else _refuse(machine, refused, nonce)


def settle(machine: Machine) -> None:
    """An installation that was killed, or ran out of time, is told as refused: the kiosk waits."""
    try:
        said = machine.told_state()
    except (OSError, ValueError):
        note(machine)
        return
    if said.get("standing") == "installing" and not said.get("restarts"):
        _undo(machine)
        _refuse(machine, u.UpdateRefusal.WRITE, str(said.get("nonce", "")))


def check(machine: Machine, folder: Path) -> int:
    """The manifest once more, from the bundle that RAUC has verified and mounted: nobody can have put another
    in its place since. What is said on refusal comes back in the answer of `rauc install`."""
    refused = machine.barred() or _refusal(machine, _manifest(folder / "manifest.raucm"))
    if refused is None and not machine.held():
        refused = u.UpdateRefusal.IN_SERVICE  # whoever told RAUC to install: nothing is written under a visit
    if refused is not None:
        sys.stderr.write(f"madoguchi-refuses-{refused.value}\n")
        return 1
    return 0


def mark_good(machine: Machine) -> int:
    """The running system stays. Only a system on trial can be marked, and none below the floor: by
    `install` that cannot come to run."""
    running = machine.running()
    if running in machine.store.read().good:
        return 0
    if _numbers(__version__) < _numbers(machine.floor()):
        _log(EventId.UPDATE_REFUSED, reason=u.UpdateRefusal.BELOW_FLOOR)
        return 1
    machine.kept.mkdir(mode=0o755, exist_ok=True)
    # The floor first: a power cut between the two leaves a trial that is tried again, never an older version.
    write_whole(machine.kept / "floor", __version__.encode(), mode=0o644)
    status, _ = machine.run(("rauc", "status", "mark-good"))
    if status or running not in machine.store.read().good:
        return 1
    _log(EventId.UPDATE_GOOD, version=__version__)
    note(machine)
    (machine.kept / "pending").unlink(missing_ok=True)
    return 0


def give_up(machine: Machine) -> int:
    """A trial that took too long: start anew; the firmware has counted this try.

    Never while the kiosk may serve somebody; one that does not run at all serves nobody.
    """
    running = machine.running()
    if running not in machine.store.read().good:
        if not machine.held() and not machine.run(("systemctl", "is-active", "--quiet", _KIOSK))[0]:
            sys.stderr.write("madoguchi-update: the kiosk does not say that it serves nobody: not now\n")
            return 1
        _log(EventId.UPDATE_UNFIT, version=__version__)
        machine.run(("systemctl", "reboot"))
    return 0


def backend(machine: Machine, words: Sequence[str]) -> int:
    """Source: RAUC 1.8, integration, custom bootloader backend: (get|set)-primary, (get|set)-state."""
    store, choice = machine.store, machine.store.read()
    match list(words):
        case ["get-primary"]:
            best = [slot for slot in (choice.primary, choice.primary.other) if choice.bootable(slot)]
            sys.stdout.write(f"{(best or [choice.primary])[0].value}\n")
        case ["get-current"]:
            sys.stdout.write(f"{machine.running().value}\n")
        case ["set-primary", name]:
            # RAUC goes on when who asked it has ended, and the kiosk has heard that nothing came of it.
            if machine.pending().get("slot") != name or not machine.held():
                sys.stderr.write(f"backend: nobody waits for a system in slot {name}\n")
                return 1
            store.write(u.taken_as_primary(choice, u.Slot(name)))
        case ["get-state", name]:
            sys.stdout.write("good\n" if choice.bootable(u.Slot(name)) else "bad\n")
        case ["set-state", name, ("good" | "bad") as state]:
            store.write(u.marked(choice, u.Slot(name), good=state == "good"))
        case _:
            sys.stderr.write(f"backend: cannot {' '.join(words)}\n")
            return 64
    return 0


def _carry_out(
    machine: Machine, bundle: str, before: Sequence[str], state: dict[str, Any]
) -> u.UpdateRefusal | None:
    found = machine.barred() or _inspect(machine, bundle)
    if isinstance(found, u.UpdateRefusal):
        return found
    if not machine.held():
        return u.UpdateRefusal.IN_SERVICE
    _log(EventId.UPDATE_INSTALLING, version=found.version)
    state = {**state, "wanted": found.version}
    _tell(machine, **state)
    pending = {"slot": machine.running().other.value, "version": found.version, "before": before}
    machine.kept.mkdir(mode=0o755, exist_ok=True)
    refused: u.UpdateRefusal | None = u.UpdateRefusal.WRITE
    try:
        # Before RAUC makes the slot the first one: the power may go right after that.
        write_whole(machine.kept / "pending", json.dumps(pending).encode(), mode=0o644)
        refused = _written(machine, bundle, state)
    finally:
        if refused is not None:
            _undo(machine)
    return refused


def _written(machine: Machine, bundle: str, state: dict[str, Any]) -> u.UpdateRefusal | None:
    status, said = machine.run(("rauc", "install", bundle))
    if status:
        reasons = [reason for reason in u.UpdateRefusal if f"madoguchi-refuses-{reason.value}" in said]
        return reasons[0] if reasons else u.UpdateRefusal.WRITE
    if not machine.held():
        return u.UpdateRefusal.IN_SERVICE
    _widen_before(machine, state["nonce"])
    _tell(machine, **state, restarts=True)
    status, _ = machine.run(machine.store.restart())
    # Killed by a signal: the machine goes down already.
    return u.UpdateRefusal.WRITE if status > 0 else None


def _widen_before(machine: Machine, nonce: str) -> None:
    """What is wrong on the former system now, when all is written, was there before the update, too.

    nonce: of the wish; what stands there of another one says nothing of this.
    """
    try:
        said = json.loads((machine.asked / "update-before").read_bytes()[:_MOST_BYTES])
        found = {str(name) for name in said["before"]} if said["nonce"] == nonce else set()
    except (OSError, ValueError, LookupError, TypeError):
        return
    pending = machine.pending()
    pending["before"] = sorted(found.union(pending["before"]))
    write_whole(machine.kept / "pending", json.dumps(pending).encode(), mode=0o644)


def _undo(machine: Machine) -> None:
    """What was written is never started. RAUC writes the choice: this program may only read it."""
    (machine.kept / "pending").unlink(missing_ok=True)
    if machine.store.read().primary is not machine.running():
        machine.run(("rauc", "status", "mark-bad", "other"))


def _inspect(machine: Machine, bundle: str) -> u.Bundle | u.UpdateRefusal:
    if not bundle.startswith("/") or not Path(bundle).is_file():
        return u.UpdateRefusal.UNREADABLE
    status, said = machine.run(("rauc", "info", "--output-format=json", bundle))
    if status:
        return u.UpdateRefusal.SIGNATURE if "signature" in said.lower() else u.UpdateRefusal.UNREADABLE
    # Beside its answer RAUC says what it does.
    try:
        [told] = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    except ValueError:
        return u.UpdateRefusal.UNREADABLE
    version, compatible, build = (str(told.get(name, "")) for name in ("version", "compatible", "build"))
    found = u.Bundle(version, compatible, _formats(build))
    return _refusal(machine, found) or found


def _refusal(machine: Machine, bundle: u.Bundle) -> u.UpdateRefusal | None:
    if machine.running() not in machine.store.read().good:
        return u.UpdateRefusal.TRIAL
    return u.refusal(
        bundle,
        compatible=machine.compatible(),
        installed=__version__,
        floor=machine.floor(),
        journal=JOURNAL_FORMAT,
    )


def _manifest(path: Path) -> u.Bundle:
    manifest = configparser.ConfigParser(interpolation=None)
    manifest.read_string(path.read_text(encoding="utf-8"))
    update = manifest["update"]
    formats = _formats(update.get("build", ""))
    return u.Bundle(update.get("version", ""), update.get("compatible", ""), formats)


def _numbers(version: str) -> tuple[int, int, int]:
    return u.version_of(version) or (0, 0, 0)


def _formats(build: str) -> tuple[int, ...]:
    """The manifest's build: "journal=1,2", the formats of the journal that the version reads."""
    numbers = build.removeprefix("journal=").split(",") if build.startswith("journal=") else []
    return tuple(int(number) for number in numbers if number.isascii() and number.isdigit())


def _refuse(machine: Machine, reason: u.UpdateRefusal, nonce: str) -> int:
    _log(EventId.UPDATE_REFUSED, reason=reason)
    note(machine, refused=reason.value, nonce=nonce)
    return 1


def _tell(machine: Machine, **said: Any) -> None:
    machine.told.mkdir(mode=0o755, exist_ok=True)
    write_whole(machine.told / "state", json.dumps(said).encode(), mode=0o644)


def _log(event: EventId, **fields: Any) -> None:
    sys.stderr.write(line(event, datetime.now(UTC), fields) + "\n")


def main(words: Sequence[str]) -> int:
    """One command of the list above; its exit status."""
    try:
        machine = Machine(choice_store())
    except FileNotFoundError as without:
        sys.stderr.write(f"madoguchi-update: {without}\n")
        return 1
    match list(words):
        case ["note"]:
            note(machine)
            return 0
        case ["install"]:
            return install(machine)
        case ["settle"]:
            if os.environ.get("SERVICE_RESULT") != "success":
                settle(machine)
            return 0
        case ["check", folder]:
            return check(machine, Path(folder))
        case ["mark-good"]:
            return mark_good(machine)
        case ["give-up"]:
            return give_up(machine)
        case ["backend", *rest]:
            return backend(machine, rest)
        case _:
            sys.stderr.write(__doc__ or "")
            return 64
