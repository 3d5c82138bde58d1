"""The kernel's files about the disk under a folder, as sysfs shows an eMMC with one ext4 partition."""

import os
from pathlib import Path


class EmulatedDisk:
    """sysfs: to be looked at in place of /sys. below: a folder; its file system counts as on this disk."""

    def __init__(self, below: Path) -> None:
        self.sysfs = below / "sys"
        device = below.stat().st_dev
        self._flash = self.sysfs / "devices" / "mmcblk0" / "device"
        self._ext4 = self.sysfs / "fs" / "ext4" / "mmcblk0p4"
        partition = self.sysfs / "devices" / "mmcblk0" / "mmcblk0p4"
        by_number = self.sysfs / "dev" / "block"
        for folder in (self._flash, self._ext4, partition, by_number):
            folder.mkdir(parents=True)
        (by_number / f"{os.major(device)}:{os.minor(device)}").symlink_to(partition)

    def errors(self, count: int) -> None:
        """What its file system has noted."""
        # Replaced whole, as sysfs shows it: a reader never meets half a file.
        fresh = self._ext4 / "fresh"
        fresh.write_text(f"{count}\n", encoding="ascii")
        fresh.replace(self._ext4 / "errors_count")

    def flash(self, life_time: str, pre_eol_info: str) -> None:
        """What its controller says."""
        (self._flash / "life_time").write_text(f"{life_time}\n", encoding="ascii")
        (self._flash / "pre_eol_info").write_text(f"{pre_eol_info}\n", encoding="ascii")
