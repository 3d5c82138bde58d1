"""Root's side of a kiosk's end, in a tree: nothing stays, wherever it is cut, and no link is followed."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from firmware.compose import erase_root
from firmware.compose.erase_root import ERASED, IMAGE, OF_AN_IMAGE, Machine, erase
from firmware.core import records as r
from firmware.shell.journal import Journal

ROOT = Path(__file__).parents[2]
URN = "urn:kiosk:demo-0001"
SECRET = b"the device's key"


class Cut(BaseException):
    """The power goes."""


@dataclass
class Kiosk:
    """A machine's tree with a kiosk in it, and systemd played. stops: by `systemctl stop`."""

    root: Path
    stops: bool = True
    runs: bool = True
    commands: list[tuple[str, ...]] = field(default_factory=list)
    at_stop: Callable[[], None] = lambda: None

    @property
    def machine(self) -> Machine:
        return Machine(self.root, self.run)

    def run(self, words: Sequence[str]) -> int:
        self.commands.append(tuple(words))
        match tuple(words[:3]):
            case ("systemctl", "stop", "madoguchi.service"):
                self.at_stop()
                self.runs = self.runs and not self.stops
                self.machine.wish.unlink(missing_ok=True)  # its runtime directory
            case ("systemctl", "is-active", _):
                return 0 if self.runs else 3
            case _:
                pass
        return 0

    def wishes(self, text: str | None = None, **other: Any) -> int:
        if text is None:
            seq, chain = self.head()
            text = json.dumps({"urn": URN, "seq": seq, "chain": chain.hex(), **other})
        self.machine.wish.write_text(text)
        return erase(self.machine)

    def head(self) -> tuple[int, bytes]:
        with closing(sqlite3.connect(self.root / "var/lib/madoguchi/journal.db")) as opened:
            seq, chain = opened.execute("SELECT seq, chain FROM entries ORDER BY seq DESC").fetchone()
        return seq, chain

    def left(self) -> list[str]:
        """Whatever lies in the folders of the kiosk."""
        return sorted(
            str(found.relative_to(self.root))
            for folder in ERASED
            for found in (self.root / folder).rglob("*")
        )


@pytest.fixture
async def kiosk(tmp_path: Path) -> Kiosk:
    for folder in (*ERASED, "run/madoguchi", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/madoguchi/kiosk.toml").write_text(f'[kiosk]\nurn = "{URN}"\n')
    (tmp_path / "etc/madoguchi/journal.key").write_bytes(bytes(32))
    (tmp_path / "etc/madoguchi/journal.key").chmod(0o400)
    own = tmp_path / "var/lib/madoguchi/own"
    own.mkdir(mode=0o700)
    (own / "kiosk.key").write_bytes(SECRET)
    (tmp_path / "var/lib/madoguchi-cups/spool/tmp").mkdir(parents=True)
    (tmp_path / "var/lib/madoguchi-cups/spool/c00001").write_bytes(b"x" * 3_000_000)
    (tmp_path / "var/lib/madoguchi-console/history").write_text("status\n")
    (tmp_path / "var/lib/madoguchi-published/configuration.jws").write_text("x")
    (tmp_path / "var/lib/madoguchi-updates/floor").write_text("0.2.0")
    (tmp_path / "elsewhere/file").write_text("not the kiosk's")
    journal = Journal(tmp_path / "var/lib/madoguchi/journal.db", bytes(32))
    await journal.open()
    await journal.append([r.DaemonStarted("0.2.0"), r.CommandGiven("o-1", "tech-17", "decommission")])
    await journal.close()
    return Kiosk(tmp_path)


def told(capfd: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    return [(one["event"], str(one.get("reason", one.get("count", "")))) for one in said]


def test_nothing_of_the_kiosk_stays_and_the_machine_switches_off(
    kiosk: Kiosk, capfd: pytest.CaptureFixture[str]
) -> None:
    assert 0 == kiosk.wishes()
    assert [] == kiosk.left()
    assert [("erase-began", ""), ("erase-done", "")] == told(capfd)
    assert ("systemctl", "poweroff") == kiosk.commands[-1]
    assert ("systemctl", "start", "fstrim.service") == kiosk.commands[-2]
    assert ("systemctl", "stop", "madoguchi.service") == kiosk.commands[0]
    assert "not the kiosk's" == (kiosk.root / "elsewhere/file").read_text()


def test_what_goes_was_overwritten_to_its_last_byte_before(
    kiosk: Kiosk, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bytes] = []
    unlink = os.unlink

    def looked_at(path: Any, *, dir_fd: int | None = None) -> None:
        if dir_fd is not None:
            handle = os.open(path, os.O_RDONLY, dir_fd=dir_fd)
            found.append(os.read(handle, 4_000_000))
            os.close(handle)
        unlink(path, dir_fd=dir_fd)

    sizes = sorted(one.stat().st_size for folder in ERASED for one in (kiosk.root / folder).rglob("*.*"))
    monkeypatch.setattr(os, "unlink", looked_at)
    assert 0 == kiosk.wishes()
    assert {0} == set(b"".join(found))
    assert set(sizes) <= {len(one) for one in found}
    assert 3_000_000 in {len(one) for one in found}


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"text": "no json"}, "unreadable"),
        ({"text": "[]"}, "unreadable"),
        ({"text": '{"urn": "x", "seq": 2, "chain": "zz"}'}, "unreadable"),
        ({"urn": "urn:kiosk:other"}, "other-kiosk"),
        ({"urn": ""}, "other-kiosk"),
        ({"seq": 1}, "journal"),
        ({"seq": 3}, "journal"),
        ({"chain": bytes(32).hex()}, "journal"),
    ],
)
def test_a_wish_that_is_not_what_root_finds_changes_nothing(
    kiosk: Kiosk, wish: dict[str, Any], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = kiosk.left()
    assert 1 == kiosk.wishes(**wish)
    assert before == kiosk.left()
    assert [("erase-refused", reason)] == told(capfd)
    assert ("systemctl", "restart", "--no-block", "madoguchi.service") == kiosk.commands[-1]


def test_a_kiosk_that_does_not_stop_is_not_erased_under_its_hands(
    kiosk: Kiosk, capfd: pytest.CaptureFixture[str]
) -> None:
    kiosk.stops = False
    before = kiosk.left()
    assert (1, before) == (kiosk.wishes(), kiosk.left())
    assert [("erase-refused", "running")] == told(capfd)


def test_an_entry_that_came_after_the_wish_keeps_the_journal(
    kiosk: Kiosk, capfd: pytest.CaptureFixture[str]
) -> None:
    def writes() -> None:
        with closing(sqlite3.connect(kiosk.root / "var/lib/madoguchi/journal.db")) as opened:
            opened.execute("INSERT INTO entries VALUES (3, 'now', 'CoinUnclaimed', '{}', zeroblob(32))")
            opened.commit()

    kiosk.at_stop = writes
    assert 1 == kiosk.wishes()
    assert [("erase-refused", "journal")] == told(capfd)
    assert 3 == kiosk.head()[0]


def test_a_journal_whose_last_entries_lie_beside_it_is_kept_and_nothing_is_written_beside_it(
    kiosk: Kiosk, capfd: pytest.CaptureFixture[str]
) -> None:
    """A kiosk that was killed: what root would leave there the kiosk could not open."""
    seq, chain = kiosk.head()
    (kiosk.root / "var/lib/madoguchi/journal.db-wal").write_bytes(bytes(64))
    before = kiosk.left()
    assert 1 == kiosk.wishes(json.dumps({"urn": URN, "seq": seq, "chain": chain.hex()}))
    assert before == kiosk.left()
    assert [("erase-refused", "journal")] == told(capfd)


@pytest.mark.parametrize("missing", ["var/lib/madoguchi/journal.db", "etc/madoguchi/kiosk.toml"])
def test_what_cannot_be_read_refuses(kiosk: Kiosk, missing: str) -> None:
    seq, chain = kiosk.head()
    (kiosk.root / missing).write_bytes(b"\xff\xfe no such thing")
    assert 1 == kiosk.wishes(json.dumps({"urn": URN, "seq": seq, "chain": chain.hex()}))
    assert (kiosk.root / "var/lib/madoguchi/own/kiosk.key").read_bytes() == SECRET


def test_a_mark_that_cannot_be_written_leaves_the_kiosk_whole(
    kiosk: Kiosk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(erase_root, "write_whole", full)
    before = kiosk.left()
    assert (1, before) == (kiosk.wishes(), kiosk.left())
    assert [("erase-refused", "write")] == told(capfd)


def test_links_are_removed_and_nobody_is_followed_out_of_the_kiosk(kiosk: Kiosk) -> None:
    """Its user owns the folder, and may have prepared it for root."""
    own = kiosk.root / "var/lib/madoguchi"
    (own / "file").symlink_to(kiosk.root / "elsewhere/file")
    (own / "folder").symlink_to(kiosk.root / "elsewhere")
    (own / "nowhere").symlink_to("/nonexistent")
    os.mkfifo(own / "pipe")
    assert 0 == kiosk.wishes()
    assert [] == kiosk.left()
    assert "not the kiosk's" == (kiosk.root / "elsewhere/file").read_text()


def test_a_file_that_cannot_go_keeps_the_mark_and_every_other_goes(
    kiosk: Kiosk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    unlink = os.unlink

    def stuck(path: Any, *, dir_fd: int | None = None) -> None:
        if path == "c00001":
            raise OSError(5, "Input/output error")
        unlink(path, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", stuck)
        assert 1 == kiosk.wishes()
    spool = "var/lib/madoguchi-cups/spool"
    assert ["etc/madoguchi/erasing", spool, f"{spool}/c00001"] == kiosk.left()
    assert ("systemctl", "poweroff") not in kiosk.commands
    # The file, and the folder that it lies in.
    assert [("erase-began", ""), ("erase-failed", "2")] == told(capfd)
    assert 0 == erase(kiosk.machine), "the next start"
    assert [] == kiosk.left()


@pytest.mark.parametrize("call", ["unlink", "fsync", "rmdir"])
def test_cut_at_any_step_the_kiosk_is_whole_or_the_next_start_goes_on(
    kiosk: Kiosk, call: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = kiosk.left()
    cuts = 0
    while True:
        root = tmp_path_factory.mktemp("cut")
        subprocess.run(["cp", "-a", f"{kiosk.root}/.", root], check=True)
        machine = Kiosk(root)
        if not cut_at(machine, call, cuts):
            assert [] == machine.left()
            break
        cuts += 1
        if machine.machine.mark.exists():
            assert ("systemctl", "poweroff") not in machine.commands
            assert 0 == erase(machine.machine), "the next start"
            assert [] == machine.left()
        elif machine.left():
            left = [one for one in machine.left() if not one.endswith(".part")]
            assert whole == left, "half a kiosk, and no mark that says so"
    assert cuts > (2 if call == "rmdir" else 8), "nothing was cut"


def cut_at(machine: Kiosk, call: str, calls_before: int) -> bool:
    """Whether there was such a call to cut it at."""
    real = getattr(os, call)
    left = calls_before

    def counted(*words: Any, **more: Any) -> Any:
        nonlocal left
        if left == 0:
            raise Cut
        left -= 1
        return real(*words, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, counted)
        try:
            return machine.wishes() != 0
        except Cut:
            return True


def test_it_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    """As its program runs it: by the system's Python, without a site."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import firmware.compose.erase_root"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (0, "") == (done.returncode, done.stderr)


def test_it_erases_what_the_installer_erases() -> None:
    loader = SourceFileLoader("install", str(ROOT / "scripts/install"))
    spec = spec_from_loader("install", loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules["install"] = module
    loader.exec_module(module)
    assert ERASED == module.ERASED


def test_it_erases_every_place_that_an_image_keeps_on_its_data_partition() -> None:
    mounts = (ROOT / "scripts/image/files/etc/fstab").read_text(encoding="utf-8").splitlines()
    kept = {line.split()[1].lstrip("/") for line in mounts if line.startswith("/data/")}
    assert kept == set(ERASED)


def test_an_images_own_name_goes_too_and_a_folder_of_that_name_elsewhere_stays(kiosk: Kiosk) -> None:
    [folder] = OF_AN_IMAGE
    served = (ROOT / "scripts/image/ssh/etc/ssh/sshd_config.d/madoguchi.conf").read_text(encoding="utf-8")
    assert f"HostKey /{folder}/host_key" in served.splitlines()
    assert (ROOT / "scripts/image/files" / IMAGE).is_dir()
    key = kiosk.root / folder / "host_key"
    for image, stays in ((False, True), (True, False)):
        key.parent.mkdir(parents=True, exist_ok=True)
        key.write_text("a machine's name")
        if image:
            (kiosk.root / IMAGE).mkdir(parents=True)
        kiosk.machine.mark.touch()
        assert 0 == erase(kiosk.machine)
        assert stays is key.exists()


def test_a_word_behind_it_erases_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert 64 == erase_root.main(["--help"])
    assert "madoguchi-erase" in capfd.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_the_one_capability_of_its_unit_is_enough_for_folders_of_others(kiosk: Kiosk) -> None:
    """As the unit bounds it: root without it cannot enter what is its users' alone."""
    for number, folder in enumerate(ERASED[:-1], start=880):
        for found in (kiosk.root / folder, *(kiosk.root / folder).rglob("*")):
            os.chown(found, number, number)
        (kiosk.root / folder).chmod(0o700)
    (kiosk.root / "var/lib/madoguchi/own").chmod(0o700)
    seq, chain = kiosk.head()
    kiosk.machine.wish.write_text(json.dumps({"urn": URN, "seq": seq, "chain": chain.hex()}))
    code = (
        "import sys; from pathlib import Path; from firmware.compose.erase_root import Machine, erase;"
        "sys.exit(erase(Machine(Path(sys.argv[1]), lambda words: 3 if 'is-active' in words else 0)))"
    )
    unit = (ROOT / "systemd/madoguchi-erase.service").read_text(encoding="utf-8")
    assert "CapabilityBoundingSet=CAP_DAC_OVERRIDE" in unit.splitlines()
    statuses = [
        subprocess.run(
            ["setpriv", "--bounding-set", kept, sys.executable, "-c", code, kiosk.root],
            check=False,
            cwd=ROOT,
            capture_output=True,
        ).returncode
        for kept in ("-all", "-all,+dac_override")
    ]
    assert [1, 0] == statuses
    assert [] == kiosk.left()
