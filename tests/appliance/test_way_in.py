"""What scripts/image/build lays over a tree: a store's own files, and the keys of those who may log in."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "scripts/image"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2sYQrCTj1Xk0mZGqkJ7l4w8dyEJ3aXo0Yk1vTq3B2N owner\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Of an image, as far as it matters here."""
    root = tmp_path / "tree"
    for folder in ("etc/systemd/system", "etc/madoguchi", "usr/lib", "root"):
        (root / folder).mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "etc/systemd/system/serial-getty@.service").symlink_to("/dev/null")
    (root / "etc/fstab").write_text((IMAGE / "files/etc/fstab").read_text())
    return root


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def seen(file: Path) -> tuple[int, int, int]:
    status = file.lstat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


def write(file: Path, text: str, mode: int = 0o644) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def test_a_layers_files_become_roots_with_the_modes_that_they_have(tmp_path: Path, tree: Path) -> None:
    layer = tmp_path / "layer"
    write(layer / "etc/store/secret", "text", 0o600)
    write(layer / "lib/store/program", "text", 0o755)
    for file in layer.rglob("*"):
        os.chown(file, 1000, 1000)
    done = run(IMAGE / "lay", layer, tree)
    assert (0, "") == (done.returncode, done.stderr)
    assert (0o600, 0, 0) == seen(tree / "etc/store/secret")
    assert (0o755, 0, 0) == seen(tree / "usr/lib/store/program")
    assert (tree / "lib").is_symlink()


def test_a_layer_that_only_its_owner_may_enter_closes_no_folder_of_the_machine(
    tmp_path: Path, tree: Path
) -> None:
    before = seen(tree), seen(tree / "etc")
    layer = tmp_path / "layer"
    write(layer / "etc/store.conf", "text")
    for folder in (layer, layer / "etc"):
        folder.chmod(0o700)
        os.chown(folder, 1000, 1000)
    assert 0 == run(IMAGE / "lay", layer, tree).returncode
    assert before == (seen(tree), seen(tree / "etc"))


def test_a_layers_unit_takes_the_place_of_one_that_the_image_has_masked(tmp_path: Path, tree: Path) -> None:
    layer = tmp_path / "layer"
    write(layer / "etc/systemd/system/serial-getty@.service", "[Unit]\n")
    assert 0 == run(IMAGE / "lay", layer, tree).returncode
    assert "[Unit]\n" == (tree / "etc/systemd/system/serial-getty@.service").read_text()


@pytest.mark.parametrize(
    "place", ["etc/madoguchi/kiosk.toml", "var/lib/madoguchi/own/key", "data/etc/kiosk.toml"]
)
def test_what_a_layer_would_lay_under_a_mounted_folder_is_refused(
    tmp_path: Path, tree: Path, place: str
) -> None:
    layer = tmp_path / "layer"
    write(layer / place, "text")
    done = run(IMAGE / "lay", layer, tree)
    assert 1 == done.returncode
    assert "which fstab mounts" in done.stderr
    assert not (tree / place).exists()


@pytest.mark.parametrize(
    "keys", [KEY, f"# of the works\n\n{KEY}", f'from="192.0.2.0/24" {KEY}', KEY.removesuffix(" owner\n")]
)
def test_the_owners_of_the_given_keys_may_log_in_as_root(tmp_path: Path, tree: Path, keys: str) -> None:
    write(tmp_path / "keys", keys)
    os.chown(tmp_path / "keys", 1000, 1000)
    done = run(IMAGE / "authorize", tmp_path / "keys", tree)
    assert (0, "") == (done.returncode, done.stderr)
    laid = tree / "root/.ssh/authorized_keys"
    assert keys == laid.read_text()
    assert [(0o600, 0, 0), (0o700, 0, 0), (0o700, 0, 0)] == [
        seen(at) for at in (laid, *list(laid.parents)[:2])
    ]


def test_no_password_lets_anybody_in_and_no_two_machines_have_one_host_key(
    tmp_path: Path, tree: Path
) -> None:
    write(tmp_path / "keys", KEY)
    assert 0 == run(IMAGE / "authorize", tmp_path / "keys", tree).returncode
    lines = set((tree / "etc/ssh/sshd_config.d/madoguchi.conf").read_text().splitlines())
    assert {
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "HostKey /data/ssh/host_key",
    } <= lines
    assert not list(tree.rglob("*host_key*"))


def test_a_machine_makes_its_host_key_once_whatever_a_power_cut_left(tmp_path: Path) -> None:
    unit = (IMAGE / "ssh/etc/systemd/system/ssh.service.d/madoguchi.conf").read_text()
    [command] = re.findall(r"^ExecStartPre=/bin/sh -c '(.*)'$", unit, re.MULTILINE)
    command = command.replace("/data/ssh", f"{tmp_path}/data/ssh")
    # ssh-keygen asks before it writes over a file.
    write(tmp_path / "ssh-keygen", "#!/bin/sh\n[ ! -e new ] && echo $$ >new && echo public >new.pub\n", 0o755)
    write(tmp_path / "data/ssh/new", "half a k")
    made = []
    for _ in range(2):
        done = run("sh", "-c", f"PATH={tmp_path}:$PATH; {command}")
        assert (0, "") == (done.returncode, done.stderr)
        made.append((tmp_path / "data/ssh/host_key").read_text())
    assert made[0] == made[1] != "half a k"
    assert [tmp_path / "data/ssh/host_key"] == list((tmp_path / "data/ssh").iterdir())
    assert (0o600, 0, 0) == seen(tmp_path / "data/ssh/host_key")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("", "no public key in it"),
        ("# nothing yet\n", "no public key in it"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n", "line 1 2: no public key"),
        (f"{KEY}ssh-dss AAAAB3NzaC1kc3M= old\n", "line 2: no public key"),
        (None, "no such file"),
    ],
)
def test_keys_that_are_none_are_refused_before_anything_is_made(
    tmp_path: Path, keys: str | None, said: str
) -> None:
    if keys is not None:
        write(tmp_path / "keys", keys)
    done = run(IMAGE / "build", tmp_path / "out", "--authorized-key", tmp_path / "keys")
    assert 1 == done.returncode
    assert f"authorize: {tmp_path / 'keys'}: {said}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_handbooks_layer_is_one_for_units_that_there_are(tmp_path: Path, tree: Path) -> None:
    told = (ROOT / "systemd/README.md").read_text().split("**A way in")[1].split("```")[1]
    lines = [line for line in told.strip().splitlines() if not line.startswith(("ssh-keygen", "scripts/"))]
    (tmp_path / "systemd").symlink_to(ROOT / "systemd")
    subprocess.run(["sh", "-euc", "\n".join(["umask 022", *lines])], cwd=tmp_path, check=True)
    assert 0 == run(IMAGE / "lay", tmp_path / "layer", tree).returncode
    drop_ins = list((tree / "etc/systemd/system").glob("*.service.d/*.conf"))
    assert 2 == len(drop_ins)
    for file in drop_ins:
        assert (ROOT / "systemd" / file.parent.name.removesuffix(".d")).is_file()
        assert re.fullmatch(r"\[Service\]\nIPAddressAllow=[0-9. ]+\n", file.read_text())
        assert (0o644, 0, 0) == seen(file)
    assert (0o644, 0, 0) == seen(tree / "etc/udev/rules.d/70-madoguchi.rules")
