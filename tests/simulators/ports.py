"""A port to be taken later, by a program that must be told which."""

import secrets
import socket

FIRST, COUNT = 20_000, 10_000
"""Below those that the kernel gives to whoever takes any: a test beside this one has that all the time."""


def free_port() -> int:
    """A port that nobody has now, nor gets without asking for this one."""
    while True:
        port = FIRST + secrets.randbelow(COUNT)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
