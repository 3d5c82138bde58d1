"""Root's side of an update with RAUC played: what is written when, and what each refusal leaves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from firmware import __version__
from firmware.compose.update_root import (
    JOURNAL_FORMAT,
    AutobootStore,
    Machine,
    SectorStore,
    backend,
    check,
    choice_store,
    give_up,
    install,
    mark_good,
    note,
    settle,
)
from firmware.core.updates import TRIES, BootChoice, Slot, started

NEWER = "9.0.0"


@dataclass
class Rauc:
    """Answers as RAUC 1.8 does, and does to the boot choice what it does. refuses: of info, of install."""

    root: Path
    version: str = NEWER
    compatible: str = "madoguchi-virt"
    build: str = f"journal={JOURNAL_FORMAT}"
    info_refuses: str = ""
    install_refuses: str = ""
    lets_go: bool = False
    restart_status: int = 0
    active: bool = True
    told_first: dict[str, Any] = field(default_factory=dict)
    pending_at_the_last_byte: dict[str, Any] = field(default_factory=dict)
    commands: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def machine(self) -> Machine:
        return Machine(
            SectorStore(self.root / "choice"),
            kept=self.root / "kept",
            told=self.root / "told",
            asked=self.root / "asked",
            command_line=self.root / "cmdline",
            system=self.root / "system.conf",
            keyring=self.root / "keyring.pem",
            run=self.run,
        )

    def run(self, words: Sequence[str]) -> tuple[int, str]:
        self.commands.append(tuple(words))
        store = self.machine.store
        running = self.machine.running()
        match words[:2]:
            case ("rauc", "info"):
                self.told_first = self.said()
                said = {"version": self.version, "compatible": self.compatible, "build": self.build}
                return (
                    (1, self.info_refuses)
                    if self.info_refuses
                    else (0, f"rauc-Message: {{}}\n{json.dumps(said)}\nrauc-Message: x\n")
                )
            case ("rauc", "install"):
                backend(self.machine, ["set-state", running.other.value, "bad"])
                if self.install_refuses:
                    return 1, self.install_refuses
                if backend(self.machine, ["set-primary", running.other.value]):
                    return 1, "cannot set the slot primary"
                self.pending_at_the_last_byte = self.machine.pending()
                if self.lets_go:
                    (self.root / "asked/update-held").unlink()
            case ("rauc", "status") if words[2] == "mark-bad":
                assert ("rauc", "status", "mark-bad", "other") == tuple(words)
                backend(self.machine, ["set-state", running.other.value, "bad"])
            case ("systemctl", "reboot"):
                return self.restart_status, ""
            case ("systemctl", "is-active"):
                return 0 if self.active else 3, ""
            case ("rauc", "status"):
                store.write(BootChoice(running, store.read().good | {running}))
            case _:
                pass
        return 0, ""

    def starts(self) -> Slot:
        """The firmware starts the machine."""
        slot, after = started(self.machine.store.read())
        self.machine.store.write(after)
        (self.root / "cmdline").write_text(f"quiet rauc.slot={slot.value}\n")
        note(self.machine)
        return slot

    def wish(self, text: str = "") -> int:
        bundle = self.root / "a.raucb"
        bundle.write_bytes(b"bundle")
        said = text or json.dumps({"bundle": str(bundle), "before": ["printer"], "nonce": "n1"})
        self.holds()
        (self.root / "asked/update-wanted").write_text(said)
        return install(self.machine)

    def holds(self) -> None:
        (self.root / "asked").mkdir(exist_ok=True)
        (self.root / "asked/update-held").touch()

    def finds(self, said: str) -> None:
        """What the kiosk says is wrong when all is written."""
        (self.root / "asked").mkdir(exist_ok=True)
        (self.root / "asked/update-before").write_text(said)

    def changed(self, **places: Any) -> Machine:
        """The machine with other places or another run."""
        return replace(self.machine, **places)

    def said(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.root / "told/state").read_text())
        return told


@pytest.fixture
def rauc(tmp_path: Path) -> Rauc:
    (tmp_path / "choice").write_bytes(bytes(1024))
    (tmp_path / "kept").mkdir()
    (tmp_path / "system.conf").write_text("[system]\ncompatible=madoguchi-virt\n")
    (tmp_path / "keyring.pem").touch()
    made = Rauc(tmp_path)
    assert Slot.A is made.starts()
    return made


def test_an_update_is_tried_marked_good_and_told(rauc: Rauc, capfd: pytest.CaptureFixture[str]) -> None:
    assert 0 == rauc.wish()
    assert ("systemctl", "reboot") == rauc.commands[-1]
    assert ("installing", NEWER) == (rauc.said()["standing"], rauc.said()["wanted"])
    assert Slot.B is rauc.starts()
    assert ("trial", ["printer"], NEWER) == tuple(
        rauc.said()[name] for name in ("standing", "before", "wanted")
    )
    assert 0 == mark_good(rauc.machine)
    assert "confirmed" == rauc.said()["standing"]
    assert __version__ == rauc.machine.floor()
    assert Slot.B is rauc.starts()
    assert "steady" == rauc.said()["standing"]
    events = [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]
    assert ["update-installing", "update-trial", "update-good"] == events


def test_an_update_that_nobody_marks_is_rolled_back_and_told_once(rauc: Rauc) -> None:
    rauc.wish()
    for _ in range(TRIES):
        assert Slot.B is rauc.starts()
        assert "trial" == rauc.said()["standing"]
        give_up(rauc.machine)
        assert ("systemctl", "reboot") == rauc.commands[-1]
    assert Slot.A is rauc.starts()
    assert ("rolled-back", NEWER) == (rauc.said()["standing"], rauc.said()["wanted"])
    assert Slot.A is rauc.starts()
    assert "steady" == rauc.said()["standing"]
    before = list(rauc.commands)
    give_up(rauc.machine)
    assert before == rauc.commands, "a good system is never given up"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"info_refuses": "signature verification failed: self signed"}, "signature"),
        ({"info_refuses": "failed to open"}, "unreadable"),
        ({"version": "0.0.1"}, "older"),
        ({"version": "new"}, "version"),
        ({"compatible": "other"}, "other-machine"),
        ({"build": "journal=999"}, "journal"),
        ({"build": "x"}, "journal"),
        ({"build": "journal=\u00b2"}, "journal"),
        ({"lets_go": True}, "in-service"),
        ({"restart_status": 1}, "write"),
        ({"install_refuses": "I/O error"}, "write"),
        ({"install_refuses": "handler: madoguchi-refuses-older"}, "older"),
    ],
)
def test_a_bundle_that_may_not_be_installed_leaves_the_running_system(
    rauc: Rauc, changes: dict[str, str], reason: str
) -> None:
    for name, value in changes.items():
        setattr(rauc, name, value)
    assert 1 == rauc.wish()
    assert (reason, "steady", "n1") == tuple(rauc.said()[name] for name in ("refused", "standing", "nonce"))
    assert (("systemctl", "reboot") in rauc.commands) is bool(rauc.restart_status)
    assert Slot.A is rauc.starts()
    assert not rauc.machine.pending()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"bundle": 7}', '{"bundle": "relative.raucb"}', '{"bundle": "/none"}']
)
def test_a_wish_that_is_nonsense_is_refused_by_name(rauc: Rauc, text: str) -> None:
    assert 1 == rauc.wish(text)
    assert "unreadable" == rauc.said()["refused"]
    assert not [words for words in rauc.commands if words[:2] == ("rauc", "install")]


def test_a_version_that_was_good_once_is_the_floor_even_after_a_roll_back(rauc: Rauc) -> None:
    (rauc.root / "kept/floor").write_text("5.0.0")
    rauc.version = "4.9.9"
    assert 1 == rauc.wish()
    assert "below-floor" == rauc.said()["refused"]


def test_a_system_on_trial_installs_nothing_over_the_only_good_one(rauc: Rauc) -> None:
    rauc.wish()
    rauc.starts()
    assert 1 == rauc.wish()
    assert "on-trial" == rauc.said()["refused"]
    assert Slot.A in rauc.machine.store.read().good


@pytest.mark.parametrize(("version", "status"), [(NEWER, 0), ("0.0.1", 1)])
def test_the_mounted_manifest_is_what_counts(
    rauc: Rauc, version: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """A stick whose file was exchanged after it was looked at."""
    text = f"[update]\ncompatible=madoguchi-virt\nversion={version}\nbuild=journal={JOURNAL_FORMAT}\n"
    (rauc.root / "manifest.raucm").write_text(text)
    rauc.holds()
    assert status == check(rauc.machine, rauc.root)
    assert ("madoguchi-refuses-older" in capfd.readouterr().err) is bool(status)


def test_marking_that_rauc_refuses_is_no_success_and_the_floor_stands(rauc: Rauc) -> None:
    rauc.wish()
    rauc.starts()
    broken = Machine(
        **{name: getattr(rauc.machine, name) for name in Machine.__slots__} | {"run": lambda _: (1, "")}
    )
    assert 1 == mark_good(broken)
    assert "trial" == rauc.said()["standing"]
    assert 0 == mark_good(rauc.machine)


def test_the_backend_speaks_as_rauc_asks(rauc: Rauc, capfd: pytest.CaptureFixture[str]) -> None:
    for words in (["get-primary"], ["get-current"], ["get-state", "A"], ["get-state", "B"]):
        assert 0 == backend(rauc.machine, words)
    assert "A\nA\ngood\nbad\n" == capfd.readouterr().out
    assert 64 == backend(rauc.machine, ["set-state", "A", "maybe"])


def test_the_pis_store_writes_what_its_firmware_reads(tmp_path: Path) -> None:
    folder = tmp_path / "boot/firmware"
    folder.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no slots"):
        choice_store(tmp_path)
    (folder / "autoboot.txt").touch()
    store = choice_store(tmp_path)
    assert isinstance(store, AutobootStore)
    assert BootChoice() == store.read()
    assert ("systemctl", "reboot") == tuple(store.restart())
    store.write(BootChoice(Slot.B, frozenset({Slot.A}), TRIES))
    assert BootChoice(Slot.B, frozenset({Slot.A}), TRIES) == store.read()
    text = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"
    assert text == (folder / "autoboot.txt").read_text()
    assert ("systemctl", "start", "madoguchi-try-slot.service") == tuple(store.restart())


@pytest.mark.parametrize(
    ("mailbox", "tries"), [("/dev/null", True), ("/nowhere", False), ("/proc/version", False)]
)
def test_only_the_pis_own_kernel_tries_a_slot(tmp_path: Path, mailbox: str, tries: bool) -> None:
    """It has the firmware's mailbox as a character device; /dev/null stands for it."""
    (tmp_path / "boot/firmware").mkdir(parents=True)
    (tmp_path / "boot/firmware/autoboot.txt").touch()
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/vcio").symlink_to(mailbox)
    assert tries is choice_store(tmp_path).tries_slots()


@pytest.mark.parametrize("reason", ["no-keyring", "no-trial"])
def test_a_machine_that_could_never_come_back_from_an_update_says_so_and_has_nothing_written(
    rauc: Rauc, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if reason == "no-keyring":
        (rauc.root / "keyring.pem").unlink()
        machine = rauc.machine
    else:
        pis = AutobootStore(rauc.root / "kept", rauc.root / "no-mailbox")
        machine = rauc.changed(store=pis)
    note(machine)
    assert (reason, "steady") == (rauc.said()["barred"], rauc.said()["standing"])
    rauc.wish("{")
    (rauc.root / "asked/update-wanted").write_text(json.dumps({"bundle": str(rauc.root / "a.raucb")}))
    rauc.commands.clear()
    assert 1 == install(machine)
    assert (reason, []) == (rauc.said()["refused"], rauc.commands)
    (rauc.root / "manifest.raucm").write_text(
        f"[update]\ncompatible=madoguchi-virt\nversion={NEWER}\nbuild=journal={JOURNAL_FORMAT}\n"
    )
    capfd.readouterr()
    assert 1 == check(machine, rauc.root), "told to RAUC past the kiosk"
    assert f"madoguchi-refuses-{reason}" in capfd.readouterr().err


def test_nothing_is_written_while_the_kiosk_serves_whoever_told_rauc_to(
    rauc: Rauc, capfd: pytest.CaptureFixture[str]
) -> None:
    text = f"[update]\ncompatible=madoguchi-virt\nversion={NEWER}\nbuild=journal={JOURNAL_FORMAT}\n"
    (rauc.root / "manifest.raucm").write_text(text)
    assert 1 == check(rauc.machine, rauc.root)
    assert "madoguchi-refuses-in-service" in capfd.readouterr().err
    rauc.holds()
    assert 0 == check(rauc.machine, rauc.root)


def test_a_version_below_one_that_was_good_never_stays_however_it_came_to_run(rauc: Rauc) -> None:
    rauc.wish()
    rauc.starts()
    (rauc.root / "kept/floor").write_text("8.0.0")
    rauc.commands.clear()
    assert 1 == mark_good(rauc.machine)
    assert ([], "8.0.0", "trial") == (rauc.commands, rauc.machine.floor(), rauc.said()["standing"])


def test_a_firmware_that_does_not_say_which_slot_it_started_is_told_so(rauc: Rauc) -> None:
    (rauc.root / "cmdline").write_text("quiet\n")
    with pytest.raises(ValueError, match=r"names no rauc\.slot"):
        note(rauc.machine)


def test_root_says_that_it_installs_before_it_looks_at_the_bundle(rauc: Rauc) -> None:
    rauc.info_refuses = "signature"
    rauc.wish()
    rauc.wish(json.dumps({"bundle": str(rauc.root / "a.raucb"), "nonce": "n2"}))
    told = rauc.told_first
    assert ("installing", "n2", False) == (told["standing"], told["nonce"], "refused" in told)


def test_a_kiosk_that_does_not_say_that_it_is_held_has_nothing_written(rauc: Rauc) -> None:
    rauc.wish("{")
    (rauc.root / "asked/update-held").unlink()
    (rauc.root / "asked/update-wanted").write_text(json.dumps({"bundle": str(rauc.root / "a.raucb")}))
    assert 1 == install(rauc.machine)
    assert ("in-service", "steady") == (rauc.said()["refused"], rauc.said()["standing"])
    assert not [words for words in rauc.commands if words[:2] == ("rauc", "install")]


def test_a_wish_that_was_taken_back_is_refused_by_name(rauc: Rauc) -> None:
    assert 1 == install(rauc.machine)
    assert "unreadable" == rauc.said()["refused"]


@pytest.mark.parametrize("said", ["rauc-Message: x", "{", "{}\n{}"])
def test_an_answer_of_rauc_that_says_nothing_is_refused_by_name(rauc: Rauc, said: str) -> None:
    rauc.wish("{")
    (rauc.root / "asked/update-wanted").write_text(json.dumps({"bundle": str(rauc.root / "a.raucb")}))
    assert 1 == install(rauc.changed(run=lambda _: (0, said)))
    assert ("unreadable", "steady") == (rauc.said()["refused"], rauc.said()["standing"])


def test_a_power_cut_after_the_last_byte_leaves_a_trial_that_knows_what_was_broken_before(
    rauc: Rauc,
) -> None:
    rauc.wish()
    (rauc.root / "kept/pending").write_text(json.dumps(rauc.pending_at_the_last_byte))
    assert Slot.B is rauc.starts()
    assert ("trial", ["printer"], NEWER) == tuple(
        rauc.said()[name] for name in ("standing", "before", "wanted")
    )


def test_what_the_former_system_found_while_the_update_was_written_is_no_fault_of_it(rauc: Rauc) -> None:
    rauc.finds(json.dumps({"nonce": "n1", "before": ["journal"]}))
    rauc.wish()
    assert Slot.B is rauc.starts()
    assert ["journal", "printer"] == rauc.said()["before"]


@pytest.mark.parametrize(
    "said",
    [
        '{"nonce": "n0", "before": ["journal"]}',  # of an earlier wish
        '{"nonce": "n1", "before": 7}',
        '{"nonce": "n1"}',
        '["journal"]',
        "{",
    ],
)
def test_nothing_else_is_taken_for_what_was_broken_before(rauc: Rauc, said: str) -> None:
    rauc.finds(said)
    rauc.wish()
    rauc.starts()
    assert ["printer"] == rauc.said()["before"]


def test_an_installation_that_breaks_off_is_told_as_refused_and_is_never_started(rauc: Rauc) -> None:
    def breaks(words: Sequence[str]) -> tuple[int, str]:
        said = rauc.run(words)
        if words[:2] == ("rauc", "install"):
            raise OSError("no more memory")
        return said

    rauc.wish("{")
    (rauc.root / "asked/update-wanted").write_text(json.dumps({"bundle": str(rauc.root / "a.raucb")}))
    assert 1 == install(rauc.changed(run=breaks))
    assert ("write", "steady") == (rauc.said()["refused"], rauc.said()["standing"])
    assert Slot.A is rauc.starts()


def test_an_installation_that_was_killed_is_settled_and_one_that_starts_anew_is_left_alone(
    rauc: Rauc,
) -> None:
    rauc.wish()
    assert rauc.said()["restarts"]
    settle(rauc.machine)
    assert ("installing", True) == (rauc.said()["standing"], bool(rauc.machine.pending()))
    killed = {name: value for name, value in rauc.said().items() if name != "restarts"}
    (rauc.root / "told/state").write_text(json.dumps(killed))
    settle(rauc.machine)
    assert ("steady", "write", "n1") == tuple(rauc.said()[name] for name in ("standing", "refused", "nonce"))
    assert Slot.A is rauc.starts()
    assert "steady" == rauc.said()["standing"]


def test_what_rauc_has_written_after_it_was_told_as_refused_is_never_started(
    rauc: Rauc, capfd: pytest.CaptureFixture[str]
) -> None:
    def is_killed(words: Sequence[str]) -> tuple[int, str]:
        if words[:2] == ("rauc", "install"):
            backend(rauc.machine, ["set-state", "B", "bad"])
            raise KeyboardInterrupt  # and RAUC, a process of its own, goes on
        return rauc.run(words)

    rauc.holds()
    bundle = rauc.root / "a.raucb"
    bundle.touch()
    (rauc.root / "asked/update-wanted").write_text(json.dumps({"bundle": str(bundle), "nonce": "n1"}))
    with pytest.raises(KeyboardInterrupt):
        install(rauc.changed(run=is_killed))
    settle(rauc.machine)
    assert "write" == rauc.said()["refused"]
    assert 1 == backend(rauc.machine, ["set-primary", "B"])
    assert "nobody waits for a system in slot B" in capfd.readouterr().err
    assert Slot.A is rauc.starts()


def test_a_slot_is_the_first_one_only_while_the_kiosk_serves_nobody(rauc: Rauc) -> None:
    rauc.holds()
    (rauc.root / "kept/pending").write_text('{"slot": "B", "version": "9.0.0", "before": []}')
    assert (1, 0) == tuple(backend(rauc.machine, ["set-primary", name]) for name in ("A", "B"))
    (rauc.root / "asked/update-held").unlink()
    assert 1 == backend(rauc.machine, ["set-primary", "B"])


@pytest.mark.parametrize(
    "damaged", ["", "\x00\x00", "[]", "{}", '{"slot": "C", "version": "1", "before": []}']
)
def test_what_was_written_last_is_forgotten_if_it_cannot_be_read_and_the_machine_serves(
    rauc: Rauc, capfd: pytest.CaptureFixture[str], damaged: str
) -> None:
    (rauc.root / "kept/pending").write_text(damaged)
    assert Slot.A is rauc.starts()
    assert ("steady", "") == (rauc.said()["standing"], rauc.said()["wanted"])
    assert "kept/pending: " in capfd.readouterr().err


def test_a_trial_is_not_given_up_under_a_kiosk_that_may_be_serving(rauc: Rauc) -> None:
    rauc.wish()
    rauc.starts()
    (rauc.root / "asked/update-held").unlink()
    rauc.commands.clear()
    assert 1 == give_up(rauc.machine)
    assert ("systemctl", "reboot") not in rauc.commands
    rauc.active = False
    assert 0 == give_up(rauc.machine)
    assert ("systemctl", "reboot") == rauc.commands[-1], "a kiosk that does not run serves nobody"
