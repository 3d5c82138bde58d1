"""The table is total, core is pure, and dependencies point one way."""

import ast
from pathlib import Path

import pytest

from firmware.core import session

ROOT = Path(__file__).parents[2]

PURE = frozenset({"collections", "dataclasses", "datetime", "enum", "itertools", "typing", "firmware.core"})


def test_every_cell_of_the_table_is_decided_once() -> None:
    decided = {(state, event) for state, row in session.TABLE.items() for event in row}
    ignored = {(state, event) for state, row in session.IGNORED.items() for event in row}
    every = {(state, event) for state in session.STATES for event in session.EVENTS}
    assert set() == decided & ignored
    assert every == decided | ignored


def test_every_state_has_its_guard() -> None:
    assert set(session.STATES) == set(session.GUARDS)


def imports(path: Path) -> set[str]:
    """Every module a file imports, `from x import y` as x.y when y is a module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names):
                found.add(module)
                found |= {
                    f"{module}.{alias.name}"
                    for alias in names
                    if (ROOT / module.replace(".", "/") / f"{alias.name}.py").exists()
                    or (ROOT / module.replace(".", "/") / alias.name / "__init__.py").exists()
                }
            case _:
                pass
    return found


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files("firmware/core"), ids=lambda p: p.stem)
def test_core_imports_values_only(path: Path) -> None:
    foreign = {m for m in imports(path) if not within(m, tuple(PURE))}
    assert set() == foreign


@pytest.mark.parametrize("path", files("firmware/core"), ids=lambda p: p.stem)
def test_core_asks_no_clock_and_does_no_io(path: Path) -> None:
    forbidden = {"now", "today", "utcnow", "open", "print", "sleep", "input"}
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert set() == called & forbidden


ALLOWED_FROM_FIRMWARE = {
    "hw": (
        "firmware.ports",
        "firmware.errors",
        "firmware.logbook",
        "firmware.core.terms",
        "firmware.core.events",
        "firmware.core.facts",
    ),
    "firmware/municipality": (
        "firmware.core",
        "firmware.ports",
        "firmware.errors",
        "firmware.logbook",
        "firmware.key_set",
        "firmware.whole_file",
        "firmware.rounds",
    ),
    "firmware/documents": ("firmware.core", "firmware.ports", "firmware.errors", "firmware.logbook"),
    "firmware/screen": ("firmware.core", "firmware.ports", "firmware.errors", "firmware.logbook"),
    "firmware/console": (
        "firmware.core",
        "firmware.ports",
        "firmware.errors",
        "firmware.logbook",
        "firmware.key_set",
    ),
    "firmware/shell": (
        "firmware.core",
        "firmware.ports",
        "firmware.errors",
        "firmware.logbook",
        "firmware.whole_file",
        "firmware.rounds",
    ),
    "tests/simulators": (),
    "tests/municipality": (),
}


@pytest.mark.parametrize("folder", ALLOWED_FROM_FIRMWARE)
def test_dependencies_point_one_way(folder: str) -> None:
    own = folder.replace("/", ".")
    wrong = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in files(folder)
        for module in imports(path)
        if within(module, ("firmware", "hw"))
        and module not in {"firmware", "firmware.core"}
        and not within(module, (own, *ALLOWED_FROM_FIRMWARE[folder]))
    }
    assert set() == wrong


@pytest.mark.parametrize("folder", ["hw/card", "hw/keypad", "hw/coin", "hw/printer", "hw/panel"])
def test_a_device_never_imports_another(folder: str) -> None:
    own = folder.replace("/", ".")
    shared = tuple(f"hw.{path.stem}" for path in (ROOT / "hw").glob("*.py"))
    wrong = {
        module
        for path in files(folder)
        for module in imports(path)
        if within(module, ("hw",)) and module != "hw" and not within(module, (own, *shared))
    }
    assert set() == wrong


def test_only_the_command_line_imports_compose() -> None:
    users = {
        str(path.relative_to(ROOT))
        for folder in ("firmware", "hw")
        for path in files(folder)
        if any(within(module, ("firmware.compose",)) for module in imports(path))
    }
    mine = {str(path.relative_to(ROOT)) for path in files("firmware/compose")}
    assert users <= {"firmware/__main__.py", *mine}


def test_only_compose_knows_both_rules_and_wires() -> None:
    both = {
        str(path.relative_to(ROOT))
        for path in files("firmware")
        if any(within(module, ("hw",)) for module in imports(path))
    }
    expected = {f"firmware/compose/{name}.py" for name in ("card_test", "kiosk", "telling", "worker")}
    assert expected == both
