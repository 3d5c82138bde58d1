"""Anything at all at the doors of the program: only the errors that are named come out."""

import base64
import contextlib
import json
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli_w
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware import settings as configuration
from firmware.core.terms import CertificateKind, OrderId, Subjects
from firmware.documents.frames import body_bytes, to_answer, to_request
from firmware.documents.refusals import DocumentRefused
from firmware.documents.sealed import Asked, open_contents
from firmware.errors import ConfigError, MunicipalityAnswerInvalid
from firmware.municipality import messages
from firmware.municipality.challenge import Expected, message_to_sign
from firmware.ports import OrderRequest

CONFIG = Path(__file__).parents[2] / "config"
MACHINE = tomllib.loads((CONFIG / "kiosk.toml").read_text(encoding="utf-8"))
QUICK = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ANSWERS: tuple[type[msgspec.Struct], ...] = (
    messages.HeartbeatAnswer,
    messages.OpenSessionAnswer,
    messages.ToBeSigned,
    messages.AuthenticateAnswer,
    messages.ReserveAnswer,
    messages.ReleaseAnswer,
    messages.OrderAnswer,
    messages.Problem,
)
DEEP = b"[" * 100_000

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def objects(names: list[str]) -> st.SearchStrategy[bytes]:
    """JSON objects that have mostly the right names and mostly the wrong values."""
    made = st.dictionaries(st.sampled_from(names) | st.text(max_size=8), values, max_size=len(names))
    return made.map(lambda made: json.dumps(made).encode()) | st.binary(max_size=200)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.__name__)
@QUICK
@given(data=st.data())
def test_an_answer_of_the_municipality_is_read_or_named_invalid(
    answer: type[msgspec.Struct], data: st.DataObject
) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(answer)]
    body = data.draw(objects(names))
    with contextlib.suppress(MunicipalityAnswerInvalid):
        assert isinstance(messages.decode("any", body, answer), answer)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.__name__)
@pytest.mark.parametrize("body", [DEEP, b'{"code": "a", "more": ' + DEEP], ids=["list", "unread field"])
def test_an_answer_nested_without_end_is_invalid_and_ends_no_task(
    answer: type[msgspec.Struct], body: bytes
) -> None:
    with pytest.raises(MunicipalityAnswerInvalid, match="any: "):
        messages.decode("any", body, answer)


@QUICK
@given(data=st.data())
def test_a_challenge_with_any_times_and_binaries_is_signed_or_named_invalid(data: st.DataObject) -> None:
    tbs = {
        "v": 1,
        "aud": "a",
        "session": "s",
        "kiosk": "k",
        "kem": "y",
        "catalog": "c",
        "purpose": "cert-issuance",
        "device_x5t#S256": "d",
        "server_x5t#S256": "e",
        "nonce": data.draw(st.from_regex(r"[A-Za-z0-9_-]{1,50}", fullmatch=True)),
        "iat": data.draw(st.integers()),
        "exp": data.draw(st.integers()),
    }
    expected = Expected("a", "s", "k", "d", "e", "y")
    with contextlib.suppress(MunicipalityAnswerInvalid):
        message_to_sign(json.dumps(tbs).encode(), expected, datetime.now(UTC), 5.0)


@pytest.mark.parametrize("read", [to_request, to_answer])
@QUICK
@given(body=objects(["frame", "sealed", "order_id", "kind", "public_key", "pages", "sheets", "reason"]))
def test_a_frame_between_daemon_and_worker_is_read_or_refused(
    read: Callable[[bytes], object], body: bytes
) -> None:
    with contextlib.suppress(DocumentRefused):
        read(body)


@QUICK
@given(header=st.binary(min_size=4, max_size=4))
def test_a_frame_says_a_length_that_fits_into_memory_or_is_refused(header: bytes) -> None:
    with contextlib.suppress(DocumentRefused):
        assert 0 <= body_bytes(header) <= 16 * 1024 * 1024


@QUICK
@given(key=st.binary(max_size=120), nonce=st.binary(max_size=16), ciphertext=st.binary(max_size=64))
def test_an_envelope_that_nobody_sealed_is_refused(key: bytes, nonce: bytes, ciphertext: bytes) -> None:
    request = OrderRequest(OrderId("order"), CertificateKind.INKAN, Subjects.SELF, frozenset(), 1)
    asked = Asked(request, "session", "kiosk", "person")
    envelope = {"v": 1, "key": _b64u(key), "nonce": _b64u(nonce), "ciphertext": _b64u(ciphertext)}
    with pytest.raises(DocumentRefused):
        open_contents(json.dumps(envelope).encode(), X25519PrivateKey.generate(), asked)


def _b64u(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _places(table: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    return [
        place
        for key, value in table.items()
        for place in (
            [(*path, key), *_places(value, (*path, key))] if isinstance(value, dict) else [(*path, key)]
        )
    ]


toml_values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=12)
    | st.datetimes()
    | st.sampled_from(["", "/", "../..", "\0", "24:00", "1" * 300]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=6), inner, max_size=2)
    ),
    max_leaves=4,
)


@QUICK
@given(place=st.sampled_from(_places(MACHINE)), value=toml_values)
def test_any_value_in_the_configuration_loads_or_is_named(
    tmp_path: Path, place: tuple[str, ...], value: object
) -> None:
    table = tomllib.loads((CONFIG / "kiosk.toml").read_text(encoding="utf-8"))
    section: dict[str, Any] = table
    for key in place[:-1]:
        section = section[key]
    section[place[-1]] = value
    (tmp_path / "shibukawa.toml").write_bytes((CONFIG / "shibukawa.toml").read_bytes())
    file = tmp_path / "kiosk.toml"
    file.write_text(tomli_w.dumps(table), encoding="utf-8")
    with contextlib.suppress(ConfigError):
        configuration.load(file)
