"""The display as in a store but without a panel: sway takes its configuration and shows the page whole."""

import asyncio
import json
import os
import pwd
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware.core.screens import Legend, Screen, ScreenId
from firmware.core.terms import Language
from firmware.logbook import EventId, FieldValue
from firmware.screen.server import ScreenServer
from firmware.screen.texts import Texts
from tests.unit.test_screen_storyboard import AMOUNTS, MESSAGES, NAMES

SCREEN = Path(__file__).parents[2] / "systemd" / "screen"
HEADLESS = {"WLR_BACKENDS": "headless", "WLR_LIBINPUT_NO_DEVICES": "1", "WLR_RENDERER": "pixman"}
NOBODY = pwd.getpwnam("nobody")


def log(_event: EventId, /, **_fields: FieldValue) -> None:
    """Nobody reads it."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """The runtime directory of the user of the display: sway refuses to run as root."""
    with tempfile.TemporaryDirectory(prefix="madoguchi-sway-") as made:
        if os.geteuid() == 0:
            os.chown(made, NOBODY.pw_uid, NOBODY.pw_gid)
        yield Path(made)


async def run(folder: Path, *command: str, **environment: str) -> asyncio.subprocess.Process:
    """Without a panel, as the user of the display, in a process group of its own."""
    become: dict[str, Any] = {}
    if os.geteuid() == 0:
        become = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []}
    return await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        | HEADLESS
        | environment,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        **become,
    )


def readable(path: Path, text: str, mode: int = 0o644) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


async def faults(folder: Path, text: str) -> list[str]:
    """What sway finds wrong with this configuration."""
    checking = await run(folder, "sway", "--validate", "--config", str(readable(folder / "sway.conf", text)))
    said, _ = await checking.communicate()
    return [line for line in said.decode().splitlines() if "Error on line" in line]


async def test_sway_takes_every_line_of_the_shipped_configuration(folder: Path) -> None:
    shipped = (SCREEN / "sway.conf").read_text(encoding="utf-8")
    assert [] == await faults(folder, shipped)
    assert 1 == len(await faults(folder, shipped + "bogus line\n"))


async def test_the_page_fills_the_panel_and_draws(folder: Path) -> None:
    """The shipped session but for Chromium's sandbox, which needs more than a test has."""
    server = ScreenServer(
        host="127.0.0.1",
        port=0,
        texts=Texts.load(MESSAGES, NAMES, AMOUNTS),
        pressed=lambda _key, _is_shown: None,
        log=log,
        keepalive_seconds=0.5,
        silence_seconds=1.6,
    )
    await server.start()
    server.show(Screen(ScreenId.IDLE, legend=Legend(confirm="start")), Language.JA)
    browser = (SCREEN / "browser").read_text(encoding="utf-8").replace("--kiosk", "--no-sandbox --kiosk")
    shipped = (SCREEN / "sway.conf").read_text(encoding="utf-8")
    started = readable(folder / "browser", browser, 0o755)
    config = shipped.replace("/usr/lib/madoguchi/screen/browser", str(started))
    assert config != shipped
    sway = await run(
        folder,
        "sway",
        "--config",
        str(readable(folder / "sway.conf", config)),
        RUNTIME_DIRECTORY=str(folder),
        MADOGUCHI_SCREEN=server.url,
    )
    reading = asyncio.create_task(sway.communicate())
    try:
        async with asyncio.timeout(90):
            while server.page_silent_seconds() is None:  # noqa: ASYNC110 - told by another process
                await asyncio.sleep(0.2)
        [socket] = await asyncio.to_thread(lambda: list(folder.glob("sway-ipc.*.sock")))
        asking = await run(folder, "swaymsg", "--socket", str(socket), "--type", "get_tree", "--raw")
        nodes = list(_below(json.loads((await asking.communicate())[0])))
        panel = next(node["rect"] for node in nodes if node.get("name") == "HEADLESS-1")
        [window] = [node for node in nodes if node.get("app_id")]
        assert (panel, 1) == (window["rect"], window["fullscreen_mode"])
    finally:
        os.killpg(sway.pid, signal.SIGKILL)
        await reading
        await server.close()


def _below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in (*node["nodes"], *node["floating_nodes"]):
        yield from _below(child)
