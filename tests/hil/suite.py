"""Which tests of a contract suite run on a real part: the very functions, with hands at the other end."""

from collections.abc import Callable, Mapping
from types import ModuleType


def on_rig(suite: ModuleType) -> Mapping[str, Callable[..., object]]:
    """The marked tests of this suite by their names; each takes its fixtures where it is put."""
    found = {
        name: test
        for name, test in vars(suite).items()
        if any(mark.name == "on_rig" for mark in getattr(test, "pytestmark", ()))
    }
    assert found, f"{suite.__name__} has no test that a rig could run"
    return found
