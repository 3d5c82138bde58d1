"""A maintenance order opens one session at one kiosk for one time; whatever else is pasted opens none."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.console.orders import OrderKeys
from firmware.core.terms import Role
from firmware.errors import ConfigError, OrderInvalid
from tests.municipality.maintenance import ISSUER, Issuer, new_issuer

KIOSK = "urn:kiosk:demo-0001"
NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
MINE = new_issuer()
LONGEST = timedelta(hours=24)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> OrderKeys:
    path = tmp_path_factory.mktemp("keys") / "orders.jwks"
    path.write_text(MINE.jwks, encoding="utf-8")
    return OrderKeys(path, issuer=ISSUER, kiosk=KIOSK, longest=LONGEST)


def order(issuer: Issuer = MINE, **said: Any) -> str:
    return issuer.order(said.pop("kiosk", KIOSK), now=said.pop("now", NOW.timestamp()), **said)


def test_a_good_order_says_who_may_do_what_until_when(keys: OrderKeys) -> None:
    read = keys.read(f"  {order(jti='order-00000001', roles=['cash', 'look', 'cash'])}\n", now=NOW, nonce="")
    assert ("order-00000001", "tech-17", (Role.CASH, Role.LOOK)) == (read.order_id, read.by, read.roles)
    assert (NOW, NOW + timedelta(hours=8)) == (read.issued, read.ends)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: "", "form"),
        (lambda: "status", "form"),
        (lambda: "a.b.c", "form"),
        (lambda: "x" * 5000, "form"),
        (lambda: order(header={"typ": "JWT"}), "form"),
        (lambda: order(header={"typ": None}), "form"),
        (lambda: order(header={"kid": "another"}), "key"),
        (lambda: order(header={"kid": None}), "form"),
        (lambda: order(new_issuer()), "signature"),
        (lambda: order()[:-4] + "AAAA", "signature"),
        (lambda: order(header={"alg": "none"}), "contents"),
        (lambda: order(header={"alg": "HS256"}), "contents"),
        (lambda: order(kiosk="urn:kiosk:demo-0002"), "other-kiosk"),
        (lambda: order(aud=[KIOSK, "urn:kiosk:demo-0002"]), "other-kiosk"),
        (lambda: order(aud=None), "contents"),
        (lambda: order(iss="urn:somebody"), "issuer"),
        (lambda: order(jti=None), "contents"),
        (lambda: order(jti="../x"), "contents"),
        (lambda: order(sub="山田太郎"), "contents"),
        (lambda: order(roles=[]), "contents"),
        (lambda: order(roles=["root"]), "contents"),
        (lambda: order(exp=None), "contents"),
        (lambda: order(exp="tomorrow"), "contents"),
        (lambda: order(exp=10**15), "contents"),
        (lambda: order(seconds=0), "duration"),
        (lambda: order(seconds=86_401), "duration"),
        (lambda: order(now=NOW.timestamp() - 8 * 3600), "expired"),
        (lambda: order(now=NOW.timestamp() + 61), "not-yet"),
        (lambda: order(nonce="0123456789abcdef"), "nonce"),
    ],
)
def test_what_is_no_order_here_and_now_says_why(
    keys: OrderKeys, make: Callable[[], str], reason: str
) -> None:
    with pytest.raises(OrderInvalid) as refused:
        keys.read(make(), now=NOW, nonce="")
    assert reason == refused.value.reason


def test_an_order_signed_with_the_public_key_as_a_secret_is_refused(keys: OrderKeys) -> None:
    """CVE-2022-29217 and its kin: the algorithm is ours to say, not the order's."""
    said = order(header={"alg": "HS256"}).rpartition(".")[0]
    public = json.loads(MINE.jwks)["keys"][0]["x"]
    mark = hmac.digest(base64.urlsafe_b64decode(public + "="), said.encode(), hashlib.sha256)
    forged = f"{said}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"
    with pytest.raises(OrderInvalid):
        keys.read(forged, now=NOW, nonce="")


@pytest.mark.parametrize(
    ("shown", "carried", "reason"),
    [
        ("n1", "n1", ""),
        ("n1", "n2", "nonce"),
        ("n1", None, "nonce"),
        ("", None, "clock"),
        ("", "n1", "nonce"),
    ],
)
def test_without_a_trusted_clock_only_an_order_made_for_this_moment_opens(
    keys: OrderKeys, shown: str, carried: str | None, reason: str
) -> None:
    """Its times say nothing then: an order of years ago must not do, one for the nonce shown must."""
    text = order(now=NOW.timestamp() - 10**8, nonce=carried)
    if not reason:
        assert timedelta(hours=8) == (read := keys.read(text, now=None, nonce=shown)).ends - read.issued
        return
    with pytest.raises(OrderInvalid) as refused:
        keys.read(text, now=None, nonce=shown)
    assert reason == refused.value.reason


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda octets: octets.decode("latin-1")))
def test_whatever_is_pasted_is_refused_and_nothing_else_happens(keys: OrderKeys, text: str) -> None:
    with pytest.raises(OrderInvalid):
        keys.read(text, now=NOW, nonce="")


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AAAA"}]}']
)
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "orders.jwks"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"console\.order_keys: .*orders\.jwks"):
        OrderKeys(path, issuer=ISSUER, kiosk=KIOSK, longest=LONGEST)
