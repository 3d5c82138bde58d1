"""What differs between two builds is named, and of which day an image's packages are."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "scripts/image/build"
SNAPSHOT = "20261101T000000Z"
# Counts its calls, and makes a bare system of one package.
MMDEBSTRAP = """\
#!/bin/sh
for word; do case $word in *.tar.new) tar=$word ;; esac; done
echo call >>"$CALLS"
[ -z "$BROKEN" ] || exit 1
mkdir -p "$CALLS.tree/var/lib/dpkg"
printf 'Package: dpkg\\nVersion: %s\\n\\n' "$(wc -l <"$CALLS")" >"$CALLS.tree/var/lib/dpkg/status"
tar -C "$CALLS.tree" -cf "$tar" .
"""


def build(folder: Path, root: dict[str, str], **files: bytes) -> Path:
    """What a build leaves behind: a root of these members and these files, with their sums."""
    tree = folder / "tree"
    tree.mkdir(parents=True, exist_ok=True)
    for name, text in root.items():
        member = tree / name
        member.parent.mkdir(parents=True, exist_ok=True)
        member.write_text(text)
    (tree / "link").symlink_to(root.get("a file", "nowhere"))
    for member in [tree, *tree.rglob("*")]:
        os.utime(member, (1_700_000_000, 1_700_000_000), follow_symlinks=False)
    out = folder / "out"
    out.mkdir()
    command = ["mksquashfs", str(tree), str(out / "root.squashfs")]
    command += ["-quiet", "-no-progress", "-reproducible", "-no-xattrs"]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    write_sums(out)
    return out


def write_sums(out: Path) -> None:
    names = sorted(file.name for file in out.iterdir() if file.name != "SHA256SUMS")
    sums = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names}
    (out / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))


def reproduced(*outs: Path) -> tuple[int, list[str]]:
    command = [ROOT / "scripts/image/reproduced", *outs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_two_builds_that_are_the_same_are_said_to_be(tmp_path: Path) -> None:
    one, two = (build(tmp_path / name, {"a file": "same"}, vmlinuz=b"kernel") for name in ("one", "two"))
    assert (0, ["reproduced: 2 files, each the same byte for byte"]) == reproduced(one, two)


def test_each_file_that_differs_is_named_with_its_first_byte(tmp_path: Path) -> None:
    far = bytes(3 << 20)
    one = build(tmp_path / "one", {}, vmlinuz=far + b"one!", initrd=b"abc", only=b"", same=b"s")
    two = build(tmp_path / "two", {}, vmlinuz=far + b"onE!", initrd=b"abcdef", same=b"s")
    assert reproduced(one, two) == (
        1,
        [
            "initrd: differs from byte 3 on, 3 and 6 bytes long",
            f"only: only in {one}",
            f"vmlinuz: differs from byte {(3 << 20) + 2} on",
        ],
    )


def test_of_a_root_the_members_that_differ_are_named(tmp_path: Path) -> None:
    large = "x" * 3_000_000
    members = {
        "a file": "same",
        "usr/large": large,
        "usr/twin": large,
        "usr/empty": "",
        "usr/mode": "",
        "z": "z",
    }
    one = build(tmp_path / "one", members | {"gone": ""})
    (tmp_path / "two/tree/usr").mkdir(parents=True)
    (tmp_path / "two/tree/usr/mode").touch(0o600)
    two = build(
        tmp_path / "two", members | {"a file": "other", "usr/twin": large[:-1] + "y", "back\\ slash": "1"}
    )
    status, said = reproduced(one, two)
    assert 1 == status
    assert said[0].startswith("root.squashfs: differs from byte ")
    assert said[1:] == [
        "  a file: content",
        f"  back\\ slash: only in {two / 'root.squashfs'}",
        f"  gone: only in {one / 'root.squashfs'}",
        "  link: content same and other",
        "  usr/mode: mode 644 and 600",
        "  usr/twin: content",
    ]


def test_a_file_that_is_not_the_one_of_its_sum_is_no_proof(tmp_path: Path) -> None:
    one, two = (build(tmp_path / name, {}, vmlinuz=b"kernel") for name in ("one", "two"))
    (two / "vmlinuz").write_bytes(b"later")
    assert (1, [f"vmlinuz: in {two} it is not what its SHA256SUMS says"]) == reproduced(one, two)
    (two / "vmlinuz").unlink()
    assert (1, [f"vmlinuz: in {two} it is not what its SHA256SUMS says"]) == reproduced(one, two)


def test_what_is_no_build_is_refused(tmp_path: Path) -> None:
    assert (64, []) == reproduced(tmp_path, tmp_path)
    assert (64, []) == reproduced(build(tmp_path / "one", {}))


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Stand-ins for what makes an image; root, to the script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"mmdebstrap": MMDEBSTRAP, "id": "#!/bin/sh\necho 0\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def bare(programs: Path, out: Path, *options: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [BUILD, out, "--bare", *options],
        env=os.environ
        | {"PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(programs / "calls")}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def calls(programs: Path) -> int:
    return len((programs / "calls").read_text().splitlines())


def test_each_build_says_of_which_day_its_packages_are_and_how_to_get_newer_ones(
    programs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    bare(programs, out)
    [base] = out.glob("base-*.tar")
    os.utime(base, (1_700_000_000, 1_700_000_000))
    status, said = bare(programs, out, TZ="UTC")
    assert (0, 1) == (status, calls(programs))
    assert "the bare system is of 2023-11-14, with the packages of that day: a newer one by --renew" in said
    assert "dpkg=1\n" == (out / "packages.txt").read_text()

    status, said = bare(programs, out, "--renew", TZ="UTC")
    assert (0, 2) == (status, calls(programs))
    assert "2023-11-14" not in said
    assert "dpkg=2\n" == (out / "packages.txt").read_text()


def test_a_bare_system_that_cannot_be_renewed_leaves_the_former_one(programs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bare(programs, out)
    [base] = out.glob("base-*.tar")
    was = base.read_bytes()
    status, _ = bare(programs, out, "--renew", BROKEN="1")
    assert (1, 2) == (status, calls(programs))
    assert was == base.read_bytes()


def test_packages_of_a_snapshot_are_said_to_be_of_its_moment(programs: Path, tmp_path: Path) -> None:
    _, said = bare(programs, tmp_path / "out", SNAPSHOT=SNAPSHOT)
    assert f"with the packages of {SNAPSHOT}: a newer one by another SNAPSHOT" in said
