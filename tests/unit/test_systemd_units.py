"""The units agree with the configuration and with each other."""

import configparser
import fnmatch
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

import pytest
import tomli_w

from firmware.compose import erase_root
from firmware.compose.erase_root import ERASED, OF_AN_IMAGE
from firmware.compose.kiosk import open_journal
from firmware.compose.update_root import AutobootStore, Machine
from firmware.core.updates import TRIES, BootChoice, Slot
from firmware.errors import ConfigError
from firmware.settings import load

ROOT = Path(__file__).parents[2]


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(ROOT / "systemd" / name, encoding="utf-8")
    return parsed


@pytest.mark.parametrize(
    ("section", "name", "service"),
    [
        ("card_reader", "madoguchi-pcscd-restart", "pcscd.service"),
        ("document_printer", "madoguchi-cups-restart", "madoguchi-cups.service"),
    ],
)
def test_the_file_that_the_kiosk_writes_for_a_restart_is_the_one_that_is_watched(
    section: str, name: str, service: str
) -> None:
    shipped = tomllib.loads((ROOT / "config" / "kiosk.toml").read_text(encoding="utf-8"))
    manifest = tomllib.loads((ROOT / "systemd" / "install.toml").read_text(encoding="utf-8"))
    watched = unit(f"{name}.path")
    assert {"PathChanged": shipped[section]["restart_request"]} == dict(watched["Path"])
    assert "multi-user.target" == watched["Install"]["WantedBy"]
    assert f"{name}.path" in manifest["enable"]["kiosk"]
    restart = unit(f"{name}.service")
    assert f"/usr/bin/systemctl restart {service}" == restart["Service"]["ExecStart"]
    assert "0" == restart["Unit"]["StartLimitIntervalSec"]


@pytest.mark.parametrize("name", ["madoguchi-pcscd-restart", "madoguchi-cups-restart"])
def test_the_kiosk_may_write_that_file_and_nobody_else(name: str) -> None:
    kiosk = unit("madoguchi.service")["Service"]
    assert ("madoguchi", "madoguchi") == (kiosk["User"], kiosk["RuntimeDirectory"])
    watched = Path(unit(f"{name}.path")["Path"]["PathChanged"])
    assert Path("/run/madoguchi") == watched.parent


def test_the_file_by_which_the_kiosk_asks_for_its_end_is_the_one_that_is_watched_and_read() -> None:
    shipped = tomllib.loads((ROOT / "config" / "kiosk.toml").read_text(encoding="utf-8"))
    asked = shipped["console"]["erase_request"]
    assert {"PathChanged": asked} == dict(unit("madoguchi-erase.path")["Path"])
    assert Path(asked) == erase_root.Machine().wish
    enabled = tomllib.loads((ROOT / "systemd/install.toml").read_text(encoding="utf-8"))["enable"]["kiosk"]
    assert {"madoguchi-erase.path", "madoguchi-erase.service"} <= set(enabled)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("card_reader", "restart_request"),
        ("document_printer", "restart_request"),
        ("console", "erase_request"),
        ("console", "log_command"),
    ],
)
def test_a_machines_older_configuration_that_does_not_name_it_means_what_is_shipped(
    tmp_path: Path, section: str, key: str
) -> None:
    """It is never overwritten: without the right default such a machine would ask nobody, for good."""
    table = tomllib.loads((ROOT / "config" / "kiosk.toml").read_text(encoding="utf-8"))
    shipped = table[section].pop(key)
    table["kiosk"]["messages"] = str(ROOT / "config" / "messages")
    table["kiosk"]["profiles"] = [str(ROOT / "config" / "shibukawa.toml")]
    (tmp_path / "kiosk.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    assert shipped == getattr(getattr(load(tmp_path / "kiosk.toml").file, section), key)


def test_no_kiosk_starts_and_no_key_is_made_beside_an_erasure_that_was_cut() -> None:
    """By ordering alone a failed erasure lets the kiosk start; by the condition alone the two race."""
    lines = (ROOT / "systemd/madoguchi-erase.service").read_text(encoding="utf-8").splitlines()
    assert f"ConditionPathExists=|{erase_root.Machine().mark}" in lines
    before = unit("madoguchi-erase.service")["Unit"]["Before"].split()
    for name in ("madoguchi.service", "madoguchi-first-boot.service"):
        assert name in before
        text = (ROOT / "systemd" / name).read_text(encoding="utf-8")
        assert f"ConditionPathExists=!{erase_root.Machine().mark}" in text.splitlines(), name


def test_root_can_reach_every_folder_that_it_erases_and_no_other() -> None:
    service = unit("madoguchi-erase.service")
    writable = {path.lstrip("-") for path in service["Service"]["ReadWritePaths"].split()}
    kiosks = {f"/{folder}" for folder in ERASED}
    assert kiosks | {f"/{folder}" for folder in OF_AN_IMAGE} == writable
    assert kiosks == set(service["Unit"]["RequiresMountsFor"].split())


@pytest.mark.parametrize(
    "name",
    [
        "madoguchi.service",
        "madoguchi-cups.service",
        "madoguchi-screen.service",
        "madoguchi-console@.service",
        "pcscd.service.d/madoguchi.conf",
    ],
)
def test_no_process_that_may_hold_something_of_a_person_is_swapped_or_dumped(name: str) -> None:
    service = unit(name)["Service"]
    assert ("0", "1") == (service["MemorySwapMax"], service["LimitCORE"])


@pytest.mark.parametrize(
    ("section", "name"),
    [("card_reader", "pcscd.service.d/madoguchi.conf"), ("document_printer", "madoguchi-cups.service")],
)
def test_a_service_that_hangs_is_killed_before_the_kiosk_asks_again(section: str, name: str) -> None:
    shipped = tomllib.loads((ROOT / "config" / "kiosk.toml").read_text(encoding="utf-8"))
    stops_in = float(unit(name)["Service"]["TimeoutStopSec"])
    assert stops_in < shipped[section]["restart_seconds"]


def test_a_display_that_fails_and_fails_is_begun_anew_for_ever_and_with_patience() -> None:
    """At a limit of starts it would be dark until the machine's next start: nothing else begins it again."""
    screen = unit("madoguchi-screen.service")
    assert ("0", "always") == (screen["Unit"]["StartLimitIntervalSec"], screen["Service"]["Restart"])
    assert float(screen["Service"]["RestartSec"]) >= 10


def test_each_sound_card_gets_its_volume_whenever_it_comes() -> None:
    """Nothing else starts it, for without a card it fails; and if it stayed active it would start once."""
    manifest = tomllib.loads((ROOT / "systemd" / "install.toml").read_text(encoding="utf-8"))
    rules = "systemd/udev/72-madoguchi-sound.rules"
    assert ["/etc/udev/rules.d/"] == [laid["to"] for laid in manifest["files"] if rules in laid["from"]]
    [rule] = [line for line in (ROOT / rules).read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert {
        'SUBSYSTEM=="sound"',
        'KERNEL=="controlC*"',
        'TAG+="systemd"',
        'ENV{SYSTEMD_WANTS}+="madoguchi-sound.service"',
    } == set(rule.split(", "))
    sound = unit("madoguchi-sound.service")
    assert ("oneshot", False) == (sound["Service"]["Type"], "RemainAfterExit" in sound["Service"])
    assert [] == [key for key in sound["Unit"] if key.startswith("Condition")]
    assert "Install" not in sound
    assert "madoguchi-sound.service" not in manifest["enable"]["kiosk"]


def test_the_kiosk_can_read_the_earphones_switch_and_no_other_input_device() -> None:
    """Its name in the configuration is the one that udev gives; its group is the kiosk's, `input` is not."""
    text = (ROOT / "systemd" / "madoguchi.service").read_text(encoding="utf-8")
    groups = unit("madoguchi.service")["Service"]["SupplementaryGroups"].split()
    assert "DeviceAllow=char-input r" in text.splitlines()
    assert "input" not in groups
    rules = (ROOT / "systemd" / "udev" / "70-madoguchi.rules").read_text(encoding="utf-8").splitlines()
    [rule] = [rule for rule in rules if rule.startswith('SUBSYSTEM=="input"')]
    given = dict(part.replace("+=", "=").split("=", 1) for part in rule.split(", ") if "==" not in part)
    assert '"madoguchi/earphone"' == given["SYMLINK"]
    assert given["GROUP"].strip('"') in groups
    assert '"0640"' == given["MODE"]
    [headphone] = [part for part in rule.split(", ") if part.startswith("ATTRS{capabilities/sw}==")]
    pattern = headphone.split("==")[1].strip('"')
    for switches, is_one in {"4": 1, "14": 1, "44": 1, "1": 0, "2": 0, "10": 0, "40": 0, "0": 0}.items():
        assert bool(is_one) is fnmatch.fnmatchcase(switches, pattern), switches
    config = (ROOT / "config" / "kiosk.toml").read_text(encoding="utf-8")
    [told] = [line for line in config.splitlines() if line.startswith("earphone_jack")]
    assert "/dev/madoguchi/earphone" in told


def test_what_is_not_needed_is_forbidden_in_every_unit_of_the_kiosk() -> None:
    for file in sorted((ROOT / "systemd").glob("*.service")):
        service = unit(file.name)["Service"]
        # Root enters the folders that are their users' alone, to erase them.
        capabilities = "CAP_DAC_OVERRIDE" if file.name == "madoguchi-erase.service" else ""
        for key, value in (
            ("NoNewPrivileges", "yes"),
            ("CapabilityBoundingSet", capabilities),
            ("ProtectSystem", "strict"),
        ):
            assert value == service.get(key), f"{file.name}: {key}"
        assert "any" == service.get("IPAddressDeny"), file.name
        assert "1" == service.get("LimitCORE"), f"{file.name}: a crash may leave an image of memory"


def test_the_document_worker_has_no_network_no_device_and_a_user_of_its_own() -> None:
    worker = unit("madoguchi-worker@.service")["Service"]
    assert "yes" == worker["PrivateNetwork"] == worker["PrivateDevices"]
    assert "AF_UNIX" == worker["RestrictAddressFamilies"]
    users = {
        unit(f"madoguchi{name}.service")["Service"]["User"]
        for name in ("", "-worker@", "-console@", "-screen")
    }
    assert 4 == len(users)


def test_only_the_kiosk_gets_a_document_worker() -> None:
    listening = unit("madoguchi-worker.socket")["Socket"]
    kiosk = unit("madoguchi.service")["Service"]
    assert (kiosk["User"], "0600", "yes") == tuple(
        listening[key] for key in ("SocketUser", "SocketMode", "Accept")
    )
    manifest = tomllib.loads((ROOT / "systemd" / "install.toml").read_text(encoding="utf-8"))
    assert listening["ListenStream"] == manifest["settings"]["documents.worker_socket"]


def test_the_journals_key_reaches_the_kiosk_by_the_name_it_looks_for() -> None:
    shipped = tomllib.loads((ROOT / "config" / "kiosk.toml").read_text(encoding="utf-8"))
    name, _, file = unit("madoguchi.service")["Service"]["LoadCredential"].partition(":")
    assert (Path(file).name, file) == (name, shipped["journal"]["key_file"])


def test_a_key_that_systemd_hands_over_is_taken_in_place_of_a_file_that_the_kiosk_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "journal.key").write_bytes(bytes(32))
    settings = load(ROOT / "config" / "kiosk.toml")
    assert settings.path(settings.file.journal.key_file) == Path("/etc/madoguchi/journal.key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    open_journal(settings)
    (tmp_path / "journal.key").write_bytes(b"short")
    with pytest.raises(ConfigError, match="has 5 bytes"):
        open_journal(settings)


def test_the_technicians_group_is_given_the_consoles_socket_by_its_folder() -> None:
    """The kiosk may not change a group (chown(2) is in no filter of its unit)."""
    kiosk, console = unit("madoguchi.service")["Service"], unit("madoguchi-console@.service")["Service"]
    shipped = tomllib.loads((ROOT / "config" / "kiosk.toml").read_text(encoding="utf-8"))
    folder = str(Path(shipped["console"]["socket"]).parent)
    made = (ROOT / "systemd/tmpfiles/madoguchi.conf").read_text(encoding="utf-8").splitlines()
    [line] = [line.split() for line in made if folder in line.split()]
    assert ["d", folder, "2750", kiosk["User"], console["Group"], "-"] == line
    assert f"-{folder}" in kiosk["ReadWritePaths"].split()
    assert "@privileged" in kiosk["SystemCallFilter"]


def test_no_unit_can_run_a_program_from_where_it_can_write() -> None:
    """Each place by its name: systemd 252 leaves what is named beside "/" out of what "/" is made."""
    for file in sorted((ROOT / "systemd").glob("*.service")):
        if file.name == "madoguchi-screen.service":
            continue  # Chromium
        text = file.read_text(encoding="utf-8")
        assert "\nExecPaths=" not in text, f"{file.name}: what is named there becomes writable"
        assert "\nReadOnlyPaths=/\n" not in text
        service = unit(file.name)["Service"]
        closed = {path.lstrip("-") for path in service["NoExecPaths"].split()}
        writable = {path.lstrip("-") for path in service.get("ReadWritePaths", "").split()}
        for key, base in (("StateDirectory", "/var/lib/"), ("RuntimeDirectory", "/run/")):
            writable |= {base + name for name in service.get(key, "").split()}
        writable |= {"/tmp", "/var/tmp", "/dev/shm"}  # noqa: S108 - named, not used
        assert writable <= closed, file.name


def test_the_display_lies_in_its_own_unit_where_its_limits_hold() -> None:
    """In a login session's scope systemd takes no word from it, and none of its limits holds."""
    screen = unit("madoguchi-screen.service")
    assert "PAMName" not in screen["Service"]
    assert "LIBSEAT_BACKEND=seatd" in screen["Service"]["Environment"].split()
    assert "seatd.service" in screen["Unit"]["After"].split()
    assert "video" in screen["Service"]["SupplementaryGroups"].split()
    manifest = tomllib.loads((ROOT / "systemd" / "install.toml").read_text(encoding="utf-8"))
    assert "seatd" in manifest["packages"]["display"]
    session = (ROOT / "systemd" / "screen" / "session").read_text(encoding="utf-8")
    assert 'HOME="$RUNTIME_DIRECTORY"' in session


@pytest.mark.parametrize("default", ["multi-user.target", "graphical.target"])
def test_the_display_starts_in_the_terminals_place_whatever_the_machine_boots_to(default: str) -> None:
    """By systemd itself, which says what it would start: a Pi's raspi-config may set a boot to a console."""
    with tempfile.TemporaryDirectory(prefix="units-") as place:
        units = Path(place) / "units"
        shutil.copytree("/lib/systemd/system", units, symlinks=True)
        for file in (ROOT / "systemd").glob("*.service"):
            shutil.copy(file, units)
        (units / "seatd.service").write_text("[Service]\nExecStart=/bin/true\n", encoding="utf-8")
        wanted = unit("madoguchi-screen.service")["Install"]["WantedBy"]
        for link, to in (
            (f"{wanted}.wants/madoguchi-screen.service", "madoguchi-screen.service"),
            ("getty.target.wants/getty@tty1.service", "getty@.service"),
        ):
            (units / link).parent.mkdir(exist_ok=True)
            (units / link).unlink(missing_ok=True)
            (units / link).symlink_to(units / to)
        subprocess.run(["chmod", "-R", "a+rX", place], check=True)
        # systemd tests for anybody but root.
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        asked = ["/lib/systemd/systemd", "--test", "--system", f"--unit={default}", "--no-pager"]
        surroundings = {"SYSTEMD_UNIT_PATH": str(units), "XDG_RUNTIME_DIR": place, "PATH": os.environ["PATH"]}
        said = subprocess.run([*nobody, *asked], env=surroundings, capture_output=True, text=True, check=True)
    does = set(re.findall(r"Action: (\S+) -> (\S+)", said.stdout))
    assert {(default, "start"), ("madoguchi-screen.service", "start")} <= does
    assert ("getty@tty1.service", "start") not in does


@pytest.mark.parametrize("name", ["madoguchi.service", "madoguchi-screen.service"])
def test_a_kiosk_in_a_store_is_started_for_ever_whatever_it_ended_by_and_never_in_haste(name: str) -> None:
    """Nobody comes into an image to start it by hand; a machine that starts anew throws out who does."""
    said, service = unit(name)["Unit"], unit(name)["Service"]
    assert ("0", "always") == (said["StartLimitIntervalSec"], service["Restart"])
    assert 10 <= int(service["RestartSec"]) <= 30
    assert not {"RestartPreventExitStatus", "SuccessExitStatus"} & set(service)
    actions = {"StartLimitAction", "FailureAction", "SuccessAction", "OnFailure", "JobTimeoutAction"}
    assert not actions & {*said, *service}


def test_the_browser_goes_before_the_daemon_where_memory_runs_out() -> None:
    """On Raspberry Pi OS no MemoryMax= holds until its owner lets it."""
    daemon, screen = (unit(f"madoguchi{name}.service")["Service"] for name in ("", "-screen"))
    assert int(daemon["OOMScoreAdjust"]) < 0 < int(screen["OOMScoreAdjust"])


def test_a_machine_with_slots_hears_what_runs_and_ends_its_trials_also_without_a_keyring() -> None:
    """The daemon waits for that word wherever the kernel was told a slot; a trial must end there, too."""
    for name in ("slot.service", "mark-good.path", "trial.timer", "update.path"):
        said = unit(f"madoguchi-{name}")["Unit"]
        assert "rauc.slot" == said["ConditionKernelCommandLine"], name
        assert ("ConditionPathExists" in said) is (name == "update.path"), name
    keyring = unit("update/system.conf")["keyring"]["path"]
    assert keyring == unit("madoguchi-update.path")["Unit"]["ConditionPathExists"]
    assert Path(keyring) == Machine.__dataclass_fields__["keyring"].default


def test_a_pi_is_told_to_try_a_slot_by_pid_1_for_no_unit_of_updates_may_write_its_word() -> None:
    """`systemctl reboot --reboot-argument` writes /run/systemd/reboot-param itself (systemd 252)."""
    tries = unit("madoguchi-try-slot.service")["Unit"]
    assert ("reboot", "0 tryboot") == (tries["SuccessAction"], tries["RebootArgument"])
    choice = BootChoice(Slot.B, frozenset({Slot.A}), TRIES)
    store = AutobootStore(Path("/nowhere"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(AutobootStore, "read", lambda _: choice)
        assert "madoguchi-try-slot.service" == store.restart()[-1]
    for name in ("slot", "update", "mark-good", "trial"):
        service = unit(f"madoguchi-{name}.service")["Service"]
        writable = {path.lstrip("-") for path in service.get("ReadWritePaths", "").split()}
        assert not writable & {"/run", "/run/systemd"}, name
