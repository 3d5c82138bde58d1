"""Who can read the keys of an installed kiosk, asked as each of its users in a tree that was installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_install import bare, install

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")

KIOSK = "madoguchi"
OTHERS = ("madoguchi-screen", "madoguchi-console", "madoguchi-worker", "lp")
SECRETS = (
    "var/lib/madoguchi/own/kiosk.key",
    "var/lib/madoguchi/own/kiosk.pem",
    "var/lib/madoguchi/journal.db",
    "etc/madoguchi/journal.key",
)


@pytest.fixture(scope="module")
def machine() -> Iterator[Path]:
    """An installed tree with the folders of tmpfiles.d, open from above, and a kiosk's own files."""
    root = Path(tempfile.mkdtemp(prefix="madoguchi-tree-"))
    try:
        root.chmod(0o755)
        assert 0 == install(bare(root)).returncode
        rules = root / "etc/tmpfiles.d/madoguchi.conf"
        subprocess.run(["systemd-tmpfiles", f"--root={root}", "--create", str(rules)], check=True)
        number = users(root)[KIOSK]
        for name in SECRETS[:3]:
            (root / name).write_bytes(b"secret")
            os.chown(root / name, number, number)
            (root / name).chmod(0o644)  # the folder alone must do
        (root / "etc/madoguchi/kiosk.toml").chmod(0o644)
        yield root
    finally:
        shutil.rmtree(root)


def users(root: Path) -> dict[str, int]:
    lines = (root / "etc/passwd").read_text(encoding="utf-8").splitlines()
    return {line.split(":")[0]: int(line.split(":")[2]) for line in lines}


def groups(root: Path, user: str) -> list[int]:
    lines = [line.split(":") for line in (root / "etc/group").read_text(encoding="utf-8").splitlines()]
    return [int(number) for name, _, number, members in lines if name == user or user in members.split(",")]


def can_read(root: Path, user: str, name: str) -> bool:
    """Tried as that user, with the groups that the tree gives him."""
    number = users(root)[user]
    done = subprocess.run(
        ["/bin/cat", str(root / name)],
        user=number,
        group=number,
        extra_groups=groups(root, user),
        cwd="/",
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.mark.parametrize("user", OTHERS)
def test_no_other_user_of_the_machine_reads_a_key_or_the_journal(machine: Path, user: str) -> None:
    assert can_read(machine, user, "etc/madoguchi/kiosk.toml"), "the tree itself is open"
    assert [] == [name for name in SECRETS if can_read(machine, user, name)]


def test_the_kiosk_reads_its_own_key_and_not_the_journals_which_systemd_hands_it(machine: Path) -> None:
    assert can_read(machine, KIOSK, "var/lib/madoguchi/own/kiosk.key")
    assert not can_read(machine, KIOSK, "etc/madoguchi/journal.key")


def test_the_folder_of_the_key_is_its_users_alone(machine: Path) -> None:
    own = (machine / "var/lib/madoguchi/own").stat()
    assert (users(machine)[KIOSK], 0o700) == (own.st_uid, own.st_mode & 0o7777)


def test_what_root_keeps_of_updates_is_not_the_kiosks_to_write(machine: Path) -> None:
    """The floor of versions: whoever could lower it could bring an old version back."""
    kept = (machine / "var/lib/madoguchi-updates").stat()
    assert (0, 0o755) == (kept.st_uid, kept.st_mode & 0o7777)
