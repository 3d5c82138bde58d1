"""Two slots: every boot choice under every act leaves a system that starts, and versions never go back."""

import itertools

import pytest

from firmware.compose.boot_sector import newest, sectors_after
from firmware.core.facts import DocumentPrinterLevel, HopperLevel, Level, ReceiptPrinterLevel, ScreenLevel
from firmware.core.rules import unfit
from firmware.core.terms import Page
from firmware.core.updates import (
    PASSING,
    TRIES,
    WELL_SECONDS,
    BootChoice,
    Bundle,
    Slot,
    Standing,
    Trial,
    UpdateRefusal,
    autoboot,
    faults,
    marked,
    may_serve,
    refusal,
    standing,
    started,
    taken_as_primary,
    trial,
    version_of,
)
from tests.unit.test_core_storyboard import GOOD, RULES

A, B = Slot.A, Slot.B
CHOICES = [
    BootChoice(primary, frozenset(good), tries)
    for primary in Slot
    for good in ((), (A,), (B,), (A, B))
    for tries in range(TRIES + 1)
]
NOTHING = b"\0" * 512


def named(choice: BootChoice) -> str:
    """The same name in each process: the text of a set has no order of its own."""
    good = "".join(sorted(slot.value for slot in choice.good)) or "none"
    return f"{choice.primary.value}-good-{good}-tries-{choice.tries}"


@pytest.mark.parametrize("choice", CHOICES, ids=named)
def test_a_start_never_adds_a_try_and_never_leaves_a_good_slot_for_a_bad_one(choice: BootChoice) -> None:
    slot, after = started(choice)
    assert after.tries <= choice.tries
    assert after.good == choice.good
    if choice.good:
        assert slot in choice.good or (slot is choice.primary and choice.tries > 0)
        # However often it starts, it ends in a good one, and stays there.
        for _ in range(TRIES + 1):
            slot, after = started(after)
        assert slot in choice.good
        assert (slot, after) == started(after)


def reachable() -> set[BootChoice]:
    """Every choice that a machine comes to by starts, writing the slot that does not run, and marks."""
    seen, new = set[BootChoice](), {BootChoice()}
    while new:
        seen |= new
        found = set()
        for choice in new:
            running, after = started(choice)
            found |= {after, marked(after, running, good=True)}
            if running in after.good:  # else nothing is installed: UpdateRefusal.TRIAL
                writing = marked(after, running.other, good=False)
                found |= {writing, taken_as_primary(writing, running.other)}
        new = found - seen
    return seen


def test_from_the_factory_on_no_act_in_any_order_leaves_a_machine_without_a_good_slot() -> None:
    found = reachable()
    assert len(found) > 2 * TRIES
    for choice in found:
        assert choice.good, choice
        running, after = started(choice)
        if running in after.good:
            # What is written over is bad before its first byte changes: cut there, the running one starts.
            writing = marked(after, running.other, good=False)
            assert not writing.bootable(running.other)
            assert (running, writing) == started(writing)


def test_a_new_slot_that_nobody_marks_is_started_three_times_and_then_the_former_one() -> None:
    choice = taken_as_primary(BootChoice(good=frozenset({A, B})), B)
    slots = []
    for _ in range(TRIES + 2):
        slot, choice = started(choice)
        slots.append(slot)
    assert [B, B, B, A, A] == slots


def test_a_new_slot_that_is_marked_stays_and_the_former_one_is_still_there() -> None:
    slot, choice = started(taken_as_primary(BootChoice(), B))
    choice = marked(choice, slot, good=True)
    assert (B, choice) == started(choice)
    assert choice.bootable(A)


@pytest.mark.parametrize("choice", CHOICES, ids=named)
def test_a_write_of_the_choice_torn_at_any_byte_leaves_the_former_one(choice: BootChoice) -> None:
    former = BootChoice(B, frozenset({B}))
    sectors = [NOTHING, NOTHING]
    for one in (BootChoice(), former):
        at, sector = sectors_after(one, (sectors[0], sectors[1]))
        sectors[at] = sector
    assert former == newest((sectors[0], sectors[1]))[0]
    at, sector = sectors_after(choice, (sectors[0], sectors[1]))
    old = sectors[at]
    for cut in range(0, 512, 7):
        torn = list(sectors)
        torn[at] = sector[:cut] + old[cut:]
        assert newest((torn[0], torn[1]))[0] in {former, choice}
    sectors[at] = sector
    assert choice == newest((sectors[0], sectors[1]))[0]


@pytest.mark.parametrize(
    "sectors", [(NOTHING, NOTHING), (b"", b""), (b"\xff" * 512, b"madoguchi-boot 1 " * 30)]
)
def test_a_disk_without_a_choice_starts_slot_a(sectors: tuple[bytes, bytes]) -> None:
    assert (BootChoice(), 0) == newest(sectors)
    assert A is started(newest(sectors)[0])[0]


@pytest.mark.parametrize("choice", CHOICES, ids=named)
def test_the_pi_stays_with_a_good_slot_and_tries_the_other_only_once(choice: BootChoice) -> None:
    text = autoboot(choice, {A: 2, B: 3})
    stays = 2 if choice.primary is A else 3
    if choice.primary not in choice.good:
        stays = 5 - stays
    assert f"[all]\ntryboot_a_b=1\nboot_partition={stays}\n[tryboot]\nboot_partition={5 - stays}\n" == text


VERSIONS = ["0.9.9", "0.10.0", "1.0.0", "1.0.1"]


@pytest.mark.parametrize(
    ("offered", "installed", "floor"), list(itertools.product(VERSIONS, VERSIONS, ["", *VERSIONS]))
)
def test_no_version_below_the_installed_one_or_one_that_was_ever_good_is_taken(
    offered: str, installed: str, floor: str
) -> None:
    said = refusal(Bundle(offered, "pi", (1,)), compatible="pi", installed=installed, floor=floor, journal=1)
    places = [VERSIONS.index(each) for each in (offered, installed, floor or "0.9.9")]
    if places[0] < places[1]:
        assert UpdateRefusal.OLDER is said
    elif places[0] < places[2]:
        assert UpdateRefusal.BELOW_FLOOR is said
    else:
        assert said is None


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        (Bundle("1.0.0", "other", (1,)), UpdateRefusal.OTHER_MACHINE),
        (Bundle("", "pi", (1,)), UpdateRefusal.VERSION),
        (Bundle("1.0", "pi", (1,)), UpdateRefusal.VERSION),
        (Bundle("1.0.0-rc1", "pi", (1,)), UpdateRefusal.VERSION),
        (Bundle("१.0.0", "pi", (1,)), UpdateRefusal.VERSION),
        (Bundle("1.0.0", "pi"), UpdateRefusal.JOURNAL),
        (Bundle("1.0.0", "pi", (2, 3)), UpdateRefusal.JOURNAL),
        (Bundle("1.0.0", "pi", (1, 2)), None),
    ],
)
def test_what_a_manifest_must_say(bundle: Bundle, expected: UpdateRefusal | None) -> None:
    assert expected is refusal(bundle, compatible="pi", installed="0.1.0", floor="", journal=1)


def test_versions_are_compared_as_numbers() -> None:
    assert (0, 10, 2) == version_of("0.10.2")
    assert version_of("0.10.2\n") is None


@pytest.mark.parametrize("running", Slot)
@pytest.mark.parametrize("choice", CHOICES, ids=named)
@pytest.mark.parametrize("pending", [None, *Slot])
def test_only_a_system_that_nobody_has_marked_is_on_trial(
    running: Slot, choice: BootChoice, pending: Slot | None
) -> None:
    now = standing(running, choice, pending)
    assert (now is Standing.TRIAL) is (running not in choice.good)
    assert may_serve(now) is (running in choice.good)
    if running in choice.good:
        wanted = {None: Standing.STEADY, running: Standing.CONFIRMED, running.other: Standing.ROLLED_BACK}
        assert wanted[pending] is now


def test_a_part_that_was_broken_before_or_a_line_that_is_down_costs_no_update_its_place() -> None:
    assert frozenset() == faults(PASSING | {"printer"}, frozenset({"printer"}))
    assert frozenset({"reader"}) == faults(frozenset({"reader", "hours"}), frozenset({"printer"}))


def test_a_worn_disk_is_no_fault_of_an_update_unless_only_the_new_system_shows_it() -> None:
    assert "journal" not in PASSING
    assert frozenset() == faults(frozenset({"journal"}), frozenset({"journal"}))
    assert frozenset({"journal"}) == faults(frozenset({"journal", "printer"}), frozenset({"printer"}))


def test_a_new_system_must_be_well_for_a_while() -> None:
    assert Trial.WAITS is trial(frozenset(), WELL_SECONDS - 0.1)
    assert Trial.FIT is trial(frozenset(), WELL_SECONDS)
    assert Trial.WAITS is trial(frozenset({"reader"}), 3600.0)


WELL = GOOD.with_level(ScreenLevel(Page.DRAWS)).with_level(ReceiptPrinterLevel(ready=True))


@pytest.mark.parametrize(
    ("level", "worker", "lacks"),
    [
        (None, True, set()),
        (ScreenLevel(), True, {"screen"}),
        (ReceiptPrinterLevel(), True, {"receipt"}),
        (None, False, {"worker"}),
        (DocumentPrinterLevel(), True, {"printer"}),
        (HopperLevel(), True, {"hopper"}),
        (HopperLevel(working=True, coins=0), True, set()),
    ],
)
def test_an_update_that_takes_a_part_away_is_not_fit_and_a_machine_that_never_had_it_excuses_it(
    level: Level | None, worker: bool, lacks: set[str]
) -> None:
    found = unfit(WELL if level is None else WELL.with_level(level), RULES, worker=worker)
    assert lacks == faults(found, frozenset())
    assert set() == faults(found, found)
