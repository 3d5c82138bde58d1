"""The kiosk's side of the protocol without a wire: reading answers, naming faults."""

import asyncio
import errno
import json
import socket
import ssl
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core.terms import CertificateKind, Refusal
from firmware.errors import MunicipalityAnswerInvalid
from firmware.logbook import EventId, line
from firmware.municipality import messages
from firmware.municipality.client import SURELY_NOT_DONE
from firmware.municipality.messages import b64u, decode, problem_code, unb64u
from firmware.municipality.tls import word_for

ANSWERS = [
    messages.HeartbeatAnswer,
    messages.OpenSessionAnswer,
    messages.ToBeSigned,
    messages.AuthenticateAnswer,
    messages.ReserveAnswer,
    messages.ReleaseAnswer,
    messages.OrderAnswer,
    messages.Problem,
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["offers", "state"]), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("answer", ANSWERS)
@settings(max_examples=40)
@given(body=st.binary(max_size=200) | JSON.map(lambda message: json.dumps(message).encode()))
def test_whatever_arrives_is_an_answer_or_a_named_fault(answer: type[msgspec.Struct], body: bytes) -> None:
    try:
        assert isinstance(decode("name", body, answer), answer)
    except MunicipalityAnswerInvalid as fault:
        message, _, field = str(fault).partition(": ")
        assert "name" == message
        line(EventId.MUNICIPALITY_ANSWER_INVALID, datetime.now(UTC), {"reason": field.replace("#", ".")})


@pytest.mark.parametrize(
    "secret", ["見本　一人", "0123456789ABCDEF", "x` - at `$.y"], ids=["name", "number", "quoting"]
)
def test_a_fault_never_repeats_a_value_of_the_answer(secret: str) -> None:
    lines = [{"kind": "juminhyo", "fee_yen": 300, "max_copies": 1, "household": secret}]
    body = json.dumps({"session_id": "s", "person_ref": "p" * 22, "offers": lines, "refusals": []}).encode()
    with pytest.raises(MunicipalityAnswerInvalid) as caught:
        decode("authenticate", body, messages.AuthenticateAnswer)
    assert ("authenticate: offers.0.household", None) == (str(caught.value), caught.value.__cause__)


@pytest.mark.parametrize("secret", ["見本　一人", "juminhyo` - at `$.見本", "` - at `$._private`"])
def test_a_fault_never_repeats_a_wrong_word_of_the_answer(secret: str) -> None:
    body = json.dumps({"kind": secret, "code": "deceased"}).encode()
    with pytest.raises(MunicipalityAnswerInvalid) as caught:
        decode("authenticate", body, messages.RefusalAnswer)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["見本　一人", "_", "_hidden", "x" * 41, "x` - at `$.見本", "a` - at `$.[x", "a` - at `$.]"]
)
def test_an_unknown_field_of_any_name_can_be_logged(name: str) -> None:
    with pytest.raises(MunicipalityAnswerInvalid) as caught:
        decode("name", json.dumps({name: 1}).encode(), messages.HeartbeatAnswer)
    line(
        EventId.MUNICIPALITY_ANSWER_INVALID,
        datetime.now(UTC),
        {"reason": str(caught.value).removeprefix("name: ")},
    )


@pytest.mark.parametrize("order_id", ["", "a" * 15, "a" * 65, "見" * 16, "a b" * 8, "-" + "a" * 31])
def test_an_order_of_no_sayable_name_is_an_invalid_answer(order_id: str) -> None:
    order = {"order_id": order_id, "state": "RELEASED", "total_yen": 300, "number": "1"}
    ends = dict.fromkeys(["receipt_no", "paid_yen", "refunded_yen", "owed_yen"])
    body = json.dumps({"orders": [order | ends]}).encode()
    with pytest.raises(MunicipalityAnswerInvalid, match=r"open_orders: orders\.0\.order_id"):
        decode("open_orders", body, messages.OpenOrdersAnswer)


@given(st.binary(max_size=64))
def test_base64url_without_padding_survives_the_round_trip(octets: bytes) -> None:
    assert octets == unb64u("name", "field", b64u(octets))


@pytest.mark.parametrize("text", ["A", "AAAAA"])
def test_what_is_not_base64url_names_message_and_field(text: str) -> None:
    with pytest.raises(MunicipalityAnswerInvalid, match="release: authority"):
        unb64u("release", "authority", text)


def test_a_refusal_with_every_word_of_the_protocol_is_read() -> None:
    for refusal in Refusal:
        body = json.dumps({"kind": "inkan", "code": refusal.value}).encode()
        assert messages.RefusalAnswer(CertificateKind.INKAN, refusal) == decode(
            "name", body, messages.RefusalAnswer
        )


def test_a_problem_may_carry_more_than_is_read_but_needs_its_content_type() -> None:
    body = b'{"type":"about:blank","title":"x","status":403,"code":"order_ended","instance":"/1"}'
    assert "order_ended" == problem_code("release", is_problem=True, body=body)
    with pytest.raises(MunicipalityAnswerInvalid, match="release: status"):
        problem_code("release", is_problem=False, body=body)


def test_no_refusal_of_the_city_is_taken_for_a_fault_of_the_protocol() -> None:
    assert SURELY_NOT_DONE.isdisjoint(refusal.value for refusal in Refusal)


def verification_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "refused")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (verification_error(9), "server-certificate-not-yet-valid"),
        (verification_error(10), "server-certificate-expired"),
        (verification_error(20), "server-certificate-untrusted"),
        (verification_error(62), "server-certificate-other-name"),
        (ssl.SSLError(1, "alert"), "tls-refused"),
        (socket.gaierror(-2, "unknown"), "name-not-found"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "econnrefused"),
        (TimeoutError(), "time-out"),
        (asyncio.IncompleteReadError(b"", 1), "no-answer"),
        (None, "no-answer"),
    ],
)
def test_a_failed_connection_has_one_word_for_the_log(cause: BaseException | None, expected: str) -> None:
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = cause
    assert [expected, expected] == [word_for(cause), word_for(wrapped)]
