"""An image that cannot be made: a mirror out of reach skips its tests and is named, all else fails them."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FETCH = "E: Failed to fetch http://mirror.example/debian/pool/main/h/hello/hello_2.10-3_amd64.deb  "
NO_PAGE = "2026-11-26T15:35:26,231 Could not fetch URL http://index.example/simple/attrs/: "
NO_VERSION = "ERROR: No matching distribution found for attrs==25.4.0"
SKIPPED, FAILED = 77, 1

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes an image")


def reason(said: str) -> Any:
    loader = SourceFileLoader("out_of_reach", str(ROOT / "scripts/image/out_of_reach"))
    module = module_from_spec(spec_from_loader("out_of_reach", loader))  # type: ignore[arg-type]
    loader.exec_module(module)
    return module.out_of_reach(said)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (FETCH + "Temporary failure resolving 'mirror.example'", "mirror.example/debian/pool"),
        (FETCH + "404  Not Found [IP: 192.0.2.1 80]", "404  Not Found"),
        (FETCH + "Could not connect to 192.0.2.1:80 (192.0.2.1). - connect (111: Connection refused)", "111"),
        (
            "W: Failed to fetch http://a.example/dists/x/InRelease  Timeout\nE: Unable to locate package x",
            "dists/x/InRelease: Timeout",
        ),
        ("E: Version '1.3.0-1' for 'tpm2-openssl' was not found", "no tpm2-openssl 1.3.0-1"),
        (NO_PAGE + "404 Client Error: Not Found - skipping\n" + NO_VERSION, "simple/attrs/: 404"),
        (NO_VERSION, "no attrs 25.4.0"),
        (
            "  ERROR: HTTP error 404 while getting http://index.example/attrs-25.4.0-py3-none-any.whl#sha256=12",
            "attrs-25.4.0-py3-none-any.whl: 404",
        ),
        (
            "pip._vendor.urllib3.exceptions.E: HTTPSConnectionPool(host='index', port=443): Read timed out",
            "index:443: Read timed out",
        ),
    ],
)
def test_a_package_that_cannot_be_fetched_is_out_of_reach_and_its_place_is_named(
    said: str, named: str
) -> None:
    assert named in reason(said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "E: Unable to locate package chromum",
        FETCH + "Error writing to file - write (28: No space left on device)",
        "E: Sub-process dpkg returned an error code (1)\nE: setup failed: E: apt-get install failed",
        # One of many mirrors is silent, and that was not what went wrong.
        "W: Failed to fetch http://other.example/dists/x/InRelease  Timeout\ndpkg: error processing cups",
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
        "error: command 'gcc' failed with exit code 1\nERROR: Failed building wheel",
        # The index has that version, for other machines.
        f"Skipping link: none of the tags are right: http://index/attrs-25.4.0-win32.whl\n{NO_VERSION}",
        NO_PAGE.replace("attrs", "cryptography") + "404 - skipping\nERROR: Failed building wheel for pyscard",
    ],
)
def test_what_went_wrong_here_is_not_out_of_reach(said: str) -> None:
    assert reason(said) is None


@pytest.fixture
def closed() -> Iterator[str]:
    """An address at which nobody answers, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


class Checkout:
    """This one, with programs and scripts of its own before the others: nothing is installed or made."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.programs, self.cache = folder / "tree", folder / "programs", folder / "cache"
        (self.tree / "scripts").mkdir(parents=True)
        self.programs.mkdir()
        for place in (self.tree, self.tree / "scripts"):
            for file in (ROOT / place.relative_to(self.tree)).iterdir():
                if file.name not in ("scripts", ".git"):
                    (place / file.name).symlink_to(file)
        self.script("setup", "")
        self.script("wheels", 'echo much && mkdir -p "$1" && touch "$1/requirements.txt"')
        self.program("dpkg-query", "printf installed")
        self.program("dpkg", '[ "$1" = --print-architecture ] && echo amd64')

    def script(self, name: str, text: str) -> None:
        (self.tree / "scripts" / name).unlink()
        self._write(self.tree / "scripts" / name, text)

    def program(self, name: str, text: str) -> None:
        self._write(self.programs / name, text)

    def _write(self, file: Path, text: str) -> None:
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def make_image(self, **environment: str) -> subprocess.CompletedProcess[str]:
        search = f"{self.programs}:{os.environ['PATH']}"
        own = {"PATH": search, "XDG_CACHE_HOME": str(self.cache), "PYTHONDONTWRITEBYTECODE": "1"}
        own["no_proxy"] = "127.0.0.1"
        return subprocess.run(
            [self.tree / "scripts/test_appliance", "--image"],
            env={**os.environ, **own, **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def last(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.splitlines()[-1]


@as_root
def test_a_debian_mirror_that_does_not_answer_skips_the_image_and_is_named(
    checkout: Checkout, closed: str, tmp_path: Path
) -> None:
    (tmp_path / "lists/partial").mkdir(parents=True)
    (tmp_path / "sources.list").write_text(f"deb http://{closed}/debian bookworm main\n")
    places = f"-o Dir::Etc::sourcelist={tmp_path}/sources.list -o Dir::Etc::sourceparts=/dev/null"
    places += f" -o Dir::State::lists={tmp_path}/lists -o APT::Sandbox::User=root"
    places += " -o Acquire::Retries=0 -o Acquire::http::Proxy=DIRECT"
    # What mmdebstrap does first.
    checkout.program("mmdebstrap", f"LC_ALL=C.UTF-8 apt-get update --error-on=any {places} >&2 || exit 25")
    done = checkout.make_image()
    assert SKIPPED == done.returncode, done.stderr
    assert last(done).startswith(f"test_appliance: skipped: http://{closed}/debian/dists/bookworm/")
    assert "" == done.stdout, "where the image lies is all that is said there"
    assert "Could not connect" in last(done)


@as_root
def test_a_recipe_that_fails_fails_the_image_and_says_how(checkout: Checkout) -> None:
    checkout.program("mmdebstrap", 'echo "E: command failed: some hook" >&2; exit 25')
    done = checkout.make_image()
    assert FAILED == done.returncode, done.stderr
    assert "E: command failed: some hook" in done.stderr
    assert "skipped" not in done.stderr


@as_root
@pytest.mark.parametrize("status", [75, 77])
def test_an_exit_status_alone_skips_nothing(checkout: Checkout, status: int) -> None:
    checkout.program("mmdebstrap", "exit 0")
    checkout.program("mv", f"exit {status}")
    done = checkout.make_image()
    assert FAILED == done.returncode, done.stderr
    assert "test_appliance: the image cannot be made" == last(done)


@as_root
def test_a_package_index_that_does_not_answer_skips_the_image_and_is_named(
    checkout: Checkout, closed: str
) -> None:
    checkout.script("wheels", "")
    shutil.copy(ROOT / "scripts/wheels", checkout.tree / "scripts/wheels")
    index = {"PIP_INDEX_URL": f"http://{closed}/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    done = checkout.make_image(**index, PIP_FIND_LINKS="", PIP_EXTRA_INDEX_URL="", PIP_NO_INDEX="0")
    assert SKIPPED == done.returncode, done.stderr
    assert last(done).startswith(f"test_appliance: skipped: http://{closed}/simple/")


@as_root
def test_a_wheel_that_does_not_compile_fails_the_image(checkout: Checkout) -> None:
    checkout.script("wheels", 'echo "ERROR: Failed building wheel for pyscard" >&2; exit 1')
    done = checkout.make_image()
    assert FAILED == done.returncode, done.stderr
    assert "Failed building wheel for pyscard" in done.stderr


@as_root
@pytest.mark.parametrize(
    ("said", "status"),
    [("E: Failed to fetch http://mirror.example/qemu.deb  Timeout", SKIPPED), ("dpkg: error: qemu", FAILED)],
)
def test_an_emulator_that_cannot_be_installed_skips_only_where_it_cannot_be_fetched(
    checkout: Checkout, said: str, status: int
) -> None:
    checkout.program("dpkg-query", "exit 1")
    checkout.program("apt-get", f'[ "$1" = update ] || {{ echo "{said}" >&2; exit 100; }}')
    done = checkout.make_image()
    assert status == done.returncode, done.stderr
    assert said in done.stderr
