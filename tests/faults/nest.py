"""Runs pytest again and again in one folder, each time in a process of its own with the libraries in place.

Usage: python -m tests.faults.nest, in a copy of the sources. Each line of standard input is JSON, a list of
pytest's words; the answer is a line of JSON, [exit status, output]. Starting pytest and its plugins costs
more than most of the tests. Of the copy nothing is imported beforehand: each run reads the sources as they
stand then.
"""

import importlib
import json
import os
import sys
import tempfile
from importlib.metadata import entry_points

import pytest

LIBRARIES = (
    *(
        "aiohttp",
        "aiohttp.test_utils",
        "aiohttp.web",
        "asyncio",
        "cbor2",
        "cryptography.x509",
        "jwt",
        "msgspec",
    ),
    *("cryptography.hazmat.primitives.asymmetric.ec", "cryptography.hazmat.primitives.asymmetric.rsa"),
    *("cryptography.hazmat.primitives.serialization.pkcs12", "hypothesis.strategies", "hypothesis.stateful"),
    *(
        "gpiozero",
        "lgpio",
        "numpy",
        "PIL.Image",
        "PIL.ImageDraw",
        "prometheus_client",
        "prompt_toolkit",
        "psutil",
    ),
    *(
        "pypdf",
        "pypdfium2",
        "reportlab.pdfgen.canvas",
        "segno",
        "serial",
        "smartcard.scard",
        "sqlite3",
        "yarl",
    ),
    *("fontTools.ttLib", "reportlab.pdfbase.ttfonts", "unittest.mock", "xml.etree.ElementTree"),
)
"""What the tests and the sources use. A library that is not here costs time, no more."""

SOURCES = {"firmware", "hw"}
ALREADY_IMPORTED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""pytest cannot rewrite a plugin that is there before it; none of ours has asserts of interest."""


def main() -> int:
    """Answer until standard input ends; in a run's own process, its exit status."""
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    for name in LIBRARIES:
        importlib.import_module(name)
    for line in sys.stdin:
        if early := SOURCES & set(sys.modules):
            raise RuntimeError(f"imported before the fault was planted: {', '.join(sorted(early))}")
        with tempfile.TemporaryFile("w+b") as said:
            runner = os.fork()
            if not runner:
                _speak_into(said.fileno())
                return pytest.main([*ALREADY_IMPORTED, *json.loads(line)])
            status = os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1])
            said.seek(0)
            print(json.dumps([status, said.read().decode(errors="replace")]), flush=True)
    return 0


def _speak_into(output: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


if __name__ == "__main__":
    sys.exit(main())
