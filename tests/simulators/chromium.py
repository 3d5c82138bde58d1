"""Debian's Chromium as the tests start it: it asks nobody outside for anything."""

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
