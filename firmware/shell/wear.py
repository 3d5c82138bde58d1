"""What the kernel knows of the disk under a folder: errors of its file system, and how worn its flash is."""

import os
from dataclasses import dataclass
from pathlib import Path

_LAST_TENTH = 11
_RESERVE_URGENT = 3


@dataclass(frozen=True, slots=True)
class Wear:
    """errors: those the file system has noted since its last check (ext4, sysfs `errors_count`).

    used_percent: of the flash's life, upwards to the next ten; 110 where it has outlived it; None where the
    disk does not say, as SD cards do not. reserve_gone: its spare blocks are nearly used up. Both as an eMMC
    says (JEDEC JESD84-B51, DEVICE_LIFE_TIME_EST_TYP_A and _B, PRE_EOL_INFO).
    """

    errors: int = 0
    used_percent: int | None = None
    reserve_gone: bool = False

    def failing(self, *, worn_percent: int) -> bool:
        """No money should be put at stake on it any more."""
        worn = self.used_percent is not None and self.used_percent > worn_percent
        return self.errors > 0 or self.reserve_gone or worn


def wear_under(folder: Path, *, sysfs: Path = Path("/sys")) -> Wear:
    """Of the disk that holds this folder, as far as anybody tells. Raises OSError without the folder."""
    device = folder.stat().st_dev
    partition = (sysfs / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}").resolve()
    disk = next(
        (one for one in (partition, partition.parent) if (one / "device" / "life_time").exists()), None
    )
    errors = _numbers(sysfs / "fs" / "ext4" / partition.name / "errors_count", base=10)
    if disk is None:
        return Wear(errors=sum(errors))
    lives = [life for life in _numbers(disk / "device" / "life_time", base=16) if 0 < life <= _LAST_TENTH]
    reserve = _numbers(disk / "device" / "pre_eol_info", base=16)
    return Wear(
        errors=sum(errors),
        used_percent=10 * max(lives) if lives else None,
        reserve_gone=_RESERVE_URGENT in reserve,
    )


def _numbers(file: Path, *, base: int) -> list[int]:
    try:
        return [int(word, base) for word in file.read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []
