"""A kiosk whose memory could reach a disk does not start, unless it stands on a bench."""

from pathlib import Path

import pytest

from firmware.errors import ConfigError
from firmware.shell.swap import refuse_swap

HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
FILE = "/var/swap                               file\t\t102396\t\t0\t\t-2\n"
ZRAM = "/dev/zram0                              partition\t1000000\t\t0\t\t100\n"
UNIT = "system.slice/madoguchi.service"


def machine(root: Path, swaps: str, swap_max: str | None = None, group: str = UNIT) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/swaps").write_text(HEADER + swaps)
    (root / "proc/self/cgroup").write_text(f"0::/{UNIT}\n")
    (root / "sys/fs/cgroup" / UNIT).mkdir(parents=True)
    if swap_max is not None:
        (root / "sys/fs/cgroup" / group / "memory.swap.max").write_text(f"{swap_max}\n")
    return root


@pytest.mark.parametrize(
    ("swaps", "swap_max", "group"),
    [
        ("", None, UNIT),
        (ZRAM, None, UNIT),
        (FILE, "0", UNIT),
        (FILE, "0", "system.slice"),
    ],
    ids=["no swap", "compressed memory", "none for the unit", "none for its slice"],
)
def test_memory_that_stays_in_memory_is_well(
    tmp_path: Path, swaps: str, swap_max: str | None, group: str
) -> None:
    assert "" == refuse_swap(allowed=False, root=machine(tmp_path, swaps, swap_max, group))


@pytest.mark.parametrize("swap_max", [None, "max", "1048576"])
def test_memory_that_could_reach_a_disk_is_refused_by_its_name(tmp_path: Path, swap_max: str | None) -> None:
    root = machine(tmp_path, ZRAM + FILE, swap_max)
    with pytest.raises(ConfigError, match=r"swap is on \(/var/swap\)"):
        refuse_swap(allowed=False, root=root)
    assert "/var/swap" == refuse_swap(allowed=True, root=root)


def test_a_kernel_without_swap_is_well(tmp_path: Path) -> None:
    assert "" == refuse_swap(allowed=False, root=tmp_path)


def test_swap_without_control_groups_is_refused(tmp_path: Path) -> None:
    root = machine(tmp_path, FILE)
    (root / "proc/self/cgroup").unlink()
    with pytest.raises(ConfigError):
        refuse_swap(allowed=False, root=root)
