"""The board's outside, served on a unix socket: one JSON object a line, one answer a line.

{"press": [row_pin, column_pin], "milliseconds": 80, "rows": [pins]}   close, hold, open, with bounce
{"hold": [row_pin, column_pin]}  {"release": [row_pin, column_pin]}
{"drive": pin, "level": 0 | 1 | null}
{"play": pin, "edges": [[seconds, level], …]}          stamped as by a kernel, told at their end
{"read": [pins]}                                       {"levels": {pin: level}}
{"until_driven": [pins], "level": 0 | 1, "seconds": s}  answered once the kiosk drives them all so
{"watch": [pins]}                                      {"levels": {pin: level}} at once and after each change
"""

import json
import queue
import socketserver
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.simulators.gpio.contacts import Contacts
from tests.simulators.gpio.outside import Levels, Outside

LOOKS, LOOK_SECONDS = 20, 0.05
"""A keypad that is closed, or whose look nobody saw, is not waited for any longer.

In short waits: whatever stops this process for a while takes one of them, and the keypad has the others.
"""


def until_looked(board: Outside, asleep: Callable[[], bool]) -> None:
    """Wait until the keypad has seen what has just moved: it looks, and is asleep again."""
    for wanted in (lambda: not asleep(), asleep):
        any(board.wait_until(wanted, LOOK_SECONDS) for _ in range(LOOKS))


class PinServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves a board; each connection in a thread of its own, so that a held key blocks nobody.

    levels_file: what is driven from outside is kept here. The outside world does not forget when the
    machine loses its power: the next process on the same socket starts with it.
    """

    daemon_threads = True

    def __init__(self, socket_path: Path, board: Outside, levels_file: Path) -> None:
        socket_path.unlink(missing_ok=True)
        super().__init__(str(socket_path), _Connection)
        self.board = board
        self.contacts = Contacts(board)
        self._levels_file = levels_file
        self._writing = threading.Lock()

    def restore(self, levels_at_start: Levels) -> None:
        """Drive levels_at_start, or what was driven when the last process ended."""
        levels = levels_at_start
        if self._levels_file.exists():
            levels = {int(pin): level for pin, level in json.loads(self._levels_file.read_text()).items()}
        for pin, level in levels.items():
            self.board.drive(pin, level)

    def drive(self, pin: int, level: bool | None) -> None:
        """Drive a pin and keep that for the next process."""
        self.board.drive(pin, level)
        with self._writing:
            new_file = self._levels_file.with_suffix(".new")
            new_file.write_text(json.dumps(self.board.driven()))
            new_file.replace(self._levels_file)

    def start(self) -> None:
        """Serve in a daemon thread until the process ends or `stop`."""
        threading.Thread(target=self.serve_forever, args=(0.05,), name="pins", daemon=True).start()

    def stop(self) -> None:
        """End serving and close the socket."""
        self.shutdown()
        self.server_close()


class _Connection(socketserver.StreamRequestHandler):
    server: PinServer

    def handle(self) -> None:
        try:
            for line in self.rfile:
                self._answer(json.loads(line))
        except ConnectionError:
            return

    def _answer(self, request: dict[str, Any]) -> None:
        contacts = self.server.contacts
        match request:
            case {"press": [row, column], "milliseconds": milliseconds, "rows": rows}:
                contacts.close(row, column)
                self._hold(milliseconds / 1000, rows)
                contacts.open(row, column)
                self._send({})
            case {"hold": [row, column]}:
                contacts.close(row, column)
                self._send({})
            case {"release": [row, column]}:
                contacts.open(row, column)
                self._send({})
            case {"drive": pin, "level": level}:
                self.server.drive(pin, None if level is None else bool(level))
                self._send({})
            case {"play": pin, "edges": edges}:
                self._play(pin, edges)
                self._send({})
            case {"read": pins}:
                self._send_levels(pins)
            case {"until_driven": pins, "level": level, "seconds": seconds}:
                driven = self.server.board.wait_until(lambda: self._drives(pins, bool(level)), seconds)
                self._send({} if driven else {"error": "not driven in time"})
            case {"watch": pins}:
                self._watch(frozenset(pins))
            case _:
                self._send({"error": "unknown request"})

    def _hold(self, seconds: float, rows: list[int]) -> None:
        """So long, and on a busy machine until the keypad has looked and is asleep again."""
        until = time.monotonic() + seconds
        until_looked(self.server.board, lambda: self._drives(rows, False))
        time.sleep(max(0.0, until - time.monotonic()))

    def _drives(self, pins: list[int], level: bool) -> bool:
        return all(self.server.board.driven_by_kiosk(pin) is level for pin in pins)

    def _play(self, pin: int, edges: list[tuple[float, int]]) -> None:
        begin = time.monotonic()
        time.sleep(edges[-1][0])
        self.server.board.play(pin, [(begin + at, bool(level)) for at, level in edges])

    def _watch(self, pins: frozenset[int]) -> None:
        changes: queue.SimpleQueue[Levels] = queue.SimpleQueue()
        unwatch = self.server.board.watch(changes.put)
        try:
            self._send_levels(pins)
            while True:
                changed = {pin: int(level) for pin, level in changes.get().items() if pin in pins}
                if changed:
                    self._send({"levels": changed})
        finally:
            unwatch()

    def _send_levels(self, pins: Iterable[int]) -> None:
        self._send({"levels": {pin: int(self.server.board.level(pin)) for pin in pins}})

    def _send(self, answer: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")
