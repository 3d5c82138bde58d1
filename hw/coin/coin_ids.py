"""Coin ids: what an acceptor says that its positions take. Source: ccTalk part 3, header 184."""

import re

from firmware.core.terms import Yen

POSITIONS = range(1, 17)
_YEN_COIN = re.compile(rb"JP([0-9]{3})[A-Z]")


def coin_yen(coin_id: bytes) -> Yen | None:
    """The value behind a coin id (header 184), None unless it is a yen coin: `JP500B` is 500 yen.

    The last letter tells issues apart: both 500-yen coins in circulation may have a position each.
    """
    match = _YEN_COIN.fullmatch(coin_id)
    return int(match[1]) or None if match else None


def is_programmed(coin_id: bytes) -> bool:
    """Whether the position can take anything: `......`, `------`, blanks and zeros stand for nothing."""
    return bool(coin_id.strip(b".- \0"))
