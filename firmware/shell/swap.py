"""Whether this process's memory, with what a person typed, could be written to a disk (R16)."""

from pathlib import Path

from firmware.errors import ConfigError

_HEADER_LINES = 1
_COMPRESSED_MEMORY = "/dev/zram"


def refuse_swap(allowed: bool, *, root: Path = Path("/")) -> str:
    """Where memory could be swapped to, empty if nowhere. Raises ConfigError if there is such a place and it
    is not allowed.

    root: where /proc and /sys stand. Swap in compressed memory is no disk, and MemorySwapMax=0 of the unit
    holds where the kernel counts memory: Raspberry Pi OS does not unless told (cgroup_enable=memory).
    """
    areas = swap_areas(root)
    if not areas or not _may_be_swapped(root):
        return ""
    if not allowed:
        raise ConfigError(
            f"swap is on ({', '.join(areas)}): a person's data could reach the disk. Turn it off, or have "
            "the unit's MemorySwapMax=0 count (cgroup_enable=memory); [kiosk] allow_swap is for a bench"
        )
    return ", ".join(areas)


def swap_areas(root: Path = Path("/")) -> list[str]:
    """Files and partitions that memory is swapped to, without compressed memory. Source: proc(5)."""
    try:
        lines = (root / "proc/swaps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # a kernel without swap has no such file
        return []
    named = [line.split()[0] for line in lines[_HEADER_LINES:] if line.strip()]
    return [name for name in named if not name.startswith(_COMPRESSED_MEMORY)]


def _may_be_swapped(root: Path) -> bool:
    """False where a control group that this process is in has no swap. Source: cgroup-v2, memory.swap.max."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return True
    groups = root / "sys/fs/cgroup"
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    for group in (groups / own, *(groups / own).parents):
        if group == groups or groups not in group.parents:
            return True
        try:
            if (group / "memory.swap.max").read_text(encoding="ascii").strip() == "0":
                return False
        except OSError:
            continue
    return True
