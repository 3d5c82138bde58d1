"""What each unit's restrictions let a process do: tests/appliance/attempts, run under a copy of the unit."""

import re
from collections.abc import Mapping
from pathlib import Path

UNITS = Path(__file__).resolve().parents[2] / "systemd"
RESTRICTION = re.compile(
    r"(?!(Exec(Start|Stop)\w*|Type|NotifyAccess|Watchdog\w+|Restart\w*|Standard\w+|TTY\w+|SendSIGHUP|Timeout\w+"
    r"|KillMode|SuccessExitStatus|RemainAfterExit|RuntimeDirectoryPreserve)=)\w+="
)
"""A line of [Service] that is not about the program itself."""
ROOTS = frozenset({"shadow", "journal-key", "other-processes", "command-rauc"})
"""Root without any of its powers still owns files; it may change none of them. RAUC obeys root alone."""
BOOT_CHOICE = ROOTS | {"disk"}
"""Reads the boot choice, which is a partition."""

ALLOWED: Mapping[str, frozenset[str]] = {
    "madoguchi.service": frozenset({"device-key", "journal"}),
    "madoguchi-console@.service": frozenset(),
    "madoguchi-worker@.service": frozenset(),
    "madoguchi-cups.service": frozenset(),
    "madoguchi-sound.service": frozenset(),
    # Chromium: its own sandbox, its machine code, its children; sway asks udev by netlink.
    "madoguchi-screen.service": frozenset(
        {
            "made-executable",
            "write-and-execute",
            "namespace",
            "netlink",
            "other-processes",
            "program-of-its-own",
        }
    ),
    "madoguchi-first-boot.service": ROOTS,
    "madoguchi-pcscd-restart.service": ROOTS,
    "madoguchi-cups-restart.service": ROOTS,
    "madoguchi-screen-restart.service": ROOTS,
    # Overwrites both.
    "madoguchi-erase.service": ROOTS | {"device-key", "journal"},
    "madoguchi-slot.service": BOOT_CHOICE,
    "madoguchi-update.service": BOOT_CHOICE,
    "madoguchi-mark-good.service": BOOT_CHOICE,
    "madoguchi-trial.service": BOOT_CHOICE,
    "madoguchi-try-slot.service": ROOTS,
}
"""What is not refused, by unit."""


def copy_of(unit: str, program: str) -> str:
    """The unit with every restriction and another program."""
    kept, section = [], ""
    for line in (UNITS / unit).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and RESTRICTION.match(line):
            kept.append(line)
    return "\n".join(
        [
            "[Service]",
            *kept,
            "Type=oneshot",
            # The real one has it, too.
            "RuntimeDirectoryPreserve=yes",
            f"ExecStart={program}",
            "StandardInput=null",
            "StandardOutput=file:/run/rig-attempts",
            "StandardError=file:/run/rig-complaints",
            "",
        ]
    )


def said_allowed(lines: str) -> frozenset[str]:
    """Of what the attempts said. Raises ValueError if they did not come to their end."""
    if "ATTEMPT end" not in lines:
        raise ValueError(f"the attempts ended early: {lines[-500:]}")
    return frozenset(re.findall(r"^ATTEMPT (\S+) allowed$", lines, re.MULTILINE))
