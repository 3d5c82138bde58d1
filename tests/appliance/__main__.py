"""The image in an emulated machine: python -m tests.appliance COMMAND

    layer DIR [--gpio-sim KO]       what `scripts/image/build OUT --layer DIR` lays over the tree for this
    visit IMAGE                     boots it, makes one visit, compares the books and what the machine says
    pins IMAGE --presses N          keypad and panel on a GPIO chip of the kernel (layer --gpio-sim)
    cuts IMAGE --cuts N --seed S    cuts the power of the machine N times, each time in a visit
    shocks IMAGE [NAME...]          pulls plugs, fills the disk, lets programs hang: tests/appliance/shocks.py
    display IMAGE                   the picture, a finger, the nightly browser (`build --display`)
    sealed IMAGE                    a machine with a TPM: its key moves in (`build --with tpm`)
    disks IMAGE --cuts N --seed S   one visit, and N cuts of its disk; --careless: with a journal that does
                                    not wait for its disk
    ending IMAGE --cuts N --seed S  one visit, and the machine's last day: erased by an order, cut meanwhile
    all IMAGE --seed S              what scripts/test_appliance runs: what the machine says of itself, a
                                    visit, a technician's order, plugs pulled, clock and disk gone wrong, cuts
                                    of the disk, two of the machine, a technician's reboot, hung daemon and
                                    kernel. Without pins, sealed, ending, and the shocks
                                    coins-unplugged-while-paying, pins-gone, started-a-year-behind,
                                    plugged-in-late, slot-said-late
    short IMAGE --seed S            what every run of scripts/test has: a visit that is cut, the start after
                                    it, then as `all` up to the cuts of the disk, besides the coin line pulled
                                    while somebody pays, and a hung daemon

--keep DIR leaves disk, console and pages there. Times and findings are JSON on standard output; the exit
status is 0 only if nothing was lost.
"""

import argparse
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

from tests.appliance import scenarios
from tests.appliance.report import Report
from tests.appliance.shocks import SHOCKS
from tests.appliance.store import write_layer

DOING: dict[str, Callable[[argparse.Namespace, Report], Coroutine[None, None, None]]] = {
    "visit": scenarios.visit,
    "pins": scenarios.pins,
    "cuts": scenarios.cuts,
    "shocks": scenarios.shocks,
    "display": scenarios.display,
    "sealed": scenarios.sealed,
    "disks": scenarios.disks,
    "ending": scenarios.ending,
    "all": scenarios.everything,
    "short": scenarios.short,
}


def main() -> int:
    said = _parser().parse_args()
    if said.command == "layer":
        write_layer(said.to, said.gpio_sim)
        return 0
    report = Report()
    return report.run(DOING[said.command](said, report))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="the image in an emulated machine")
    commands = parser.add_subparsers(dest="command", required=True)
    layer = commands.add_parser("layer", help="write the layer that these tests lay over an image")
    layer.add_argument("to", type=Path, metavar="DIR")
    layer.add_argument(
        "--gpio-sim", type=Path, metavar="KO", help="of tests/appliance/board/build, for its kernel"
    )
    for name, command in DOING.items():
        one = commands.add_parser(name, help=(command.__doc__ or "").splitlines()[0])
        one.add_argument("image", type=Path, help="what scripts/image/build made")
        one.add_argument("--keep", type=Path, metavar="DIR", help="leave disk, console and pages there")
        one.add_argument("--seed", type=int, default=1, help="draws points and what a disk loses")
        one.add_argument(
            "--cuts", type=int, default={"disks": 400, "cuts": 3, "short": 16}.get(name, 40), metavar="N"
        )
        if name == "pins":
            one.add_argument("--presses", type=int, default=200, metavar="N")
        if name == "shocks":
            one.add_argument(
                "names", nargs="*", choices=[*SHOCKS, []], metavar="NAME", help=", ".join(SHOCKS)
            )
        if name == "disks":
            one.add_argument(
                "--careless", action="store_true", help="synchronous=NORMAL: some cuts must lose"
            )
    return parser


if __name__ == "__main__":
    sys.exit(main())
