"""Who may command RAUC: the real one on a bus of its own, under Debian's policy and ours. 更新"""

import ast
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = REPOSITORY / "systemd/dbus/madoguchi-rauc.conf"
NAME = "de.pengutronix.rauc"
SECONDS = 120.0
NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")

# As dbus-daemon's own system.conf begins (dbus 1.14), and then what Debian's rauc-service 1.8 adds.
BUS = """\
<busconfig>
  <type>system</type><listen>unix:abstract={address}</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><deny own="*"/><deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="error"/><allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy context="default"><allow send_destination="de.pengutronix.rauc"/></policy>
  <policy user="root"><allow own="de.pengutronix.rauc"/></policy>
  {ours}
</busconfig>
"""


@contextmanager
def bus(folder: Path, *, ours: bool) -> Iterator[str]:
    """Its address, once RAUC serves there; an abstract socket, which anybody reaches."""
    address = f"madoguchi-{uuid.uuid4().hex}"
    included = f"<include>{OURS}</include>" if ours else ""
    (folder / "bus.conf").write_text(BUS.format(address=address, ours=included))
    slots = (REPOSITORY / "systemd/update/system.conf").read_text().splitlines()
    ends = ("statusfile", "mountprefix", "bootloader", "pre-install")
    text = "\n".join(line for line in slots if not line.startswith(ends))
    (folder / "system.conf").write_text(text.replace("[system]", "[system]\nbootloader=noop"))
    daemon = [
        "dbus-daemon",
        f"--config-file={folder}/bus.conf",
        "--nofork",
        "--nopidfile",
        "--print-address=1",
    ]
    with subprocess.Popen(daemon, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        try:
            assert running.stdout is not None
            assert address in running.stdout.readline().decode()
            place = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:abstract={address}"}
            service = ["rauc", f"--conf={folder}/system.conf", "--override-boot-slot=A", "service"]
            with subprocess.Popen(service, env=place, stderr=subprocess.DEVNULL) as rauc:
                try:
                    _serves(rauc, address)
                    yield address
                finally:
                    rauc.kill()
        finally:
            running.kill()


def _serves(rauc: subprocess.Popen[bytes], address: str) -> None:
    words = ("--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner")
    ask = ["dbus-send", f"--bus=unix:abstract={address}", *words, f"string:{NAME}"]
    until = time.monotonic() + SECONDS
    while b"true" not in subprocess.run(ask, capture_output=True, check=False).stdout:
        assert rauc.poll() is None, "RAUC ended"
        assert time.monotonic() < until, "RAUC never came to the bus"
        time.sleep(0.05)


def may_command(address: str, user: int, folder: Path) -> bool:
    """By what is tried in the emulated machine under each unit's restrictions (tests/appliance/attempts)."""
    tried = ast.parse((REPOSITORY / "tests/appliance/attempts").read_text())
    tried.body = [part for part in tried.body if isinstance(part, ast.Import | ast.FunctionDef)]
    program = folder / "program"
    program.write_text(f"{ast.unparse(tried)}\nBUS = {chr(0) + address!r}\ncommand_rauc()\nprint('obeyed')\n")
    become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
    with program.open() as text:  # by standard input: the folder is root's
        done = subprocess.run(
            [*become, "/usr/bin/python3", "-"], stdin=text, capture_output=True, text=True, check=False
        )
    assert done.stdout == "obeyed\n" or "PermissionError" in done.stderr, done.stderr
    return done.returncode == 0


def test_of_all_users_only_root_may_command_rauc(tmp_path: Path) -> None:
    with bus(tmp_path, ours=True) as address:
        assert not may_command(address, NOBODY, tmp_path)
        assert may_command(address, 0, tmp_path)


def test_debians_policy_alone_would_let_anybody(tmp_path: Path) -> None:
    """Else the test above would show nothing."""
    with bus(tmp_path, ours=False) as address:
        assert may_command(address, NOBODY, tmp_path)


def test_it_is_laid_where_the_bus_reads_it_after_debians() -> None:
    manifest = (REPOSITORY / "systemd/install.toml").read_text()
    assert 'from = ["systemd/dbus/madoguchi-rauc.conf"]\nto = "/etc/dbus-1/system.d/"' in manifest
