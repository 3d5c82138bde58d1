"""Both sides of the wire held against the protocol's text, and the text against both.

MADOGUCHI_FUZZ=N lets schemathesis ask N times for each message instead of a few.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from firmware.errors import MunicipalityAnswerInvalid
from firmware.municipality import messages
from tests.contract.norm_draft import answers, requests, schemas_of
from tests.municipality import wire
from tests.municipality.application import Service, application
from tests.municipality.norm import norm, operations, values
from tests.municipality.operator import Metrics
from tests.municipality.test_server import ROOT, pki

__all__ = ["pki"]  # the fixture

FUZZ = int(os.environ.get("MADOGUCHI_FUZZ", "15"))
REQUESTS, ANSWERS = requests(), answers()
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
quick = settings(max_examples=FUZZ, deadline=None, suppress_health_check=list(HealthCheck))


def plain(value: Any) -> Any:
    """A schema without words for readers."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: plain(item) for key, item in value.items() if key != "description"}


def test_the_text_is_openapi_3_1_with_every_reference_in_place() -> None:
    text = norm()
    assert text["openapi"].startswith("3.1.")
    for name, schema in text["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema.get("additionalProperties") is not True, name
    references = set(_references(text))
    assert references
    for reference in references:
        found: Any = text
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_the_backend_reads_what_the_text_says_and_nothing_else() -> None:
    schemas = norm()["components"]["schemas"]
    for name, schema in schemas_of(wire, REQUESTS).items():
        assert plain(schemas[name]) == plain(schema), name


def test_the_kiosk_reads_what_the_text_says_and_nothing_else() -> None:
    schemas = norm()["components"]["schemas"]
    for name, schema in schemas_of(messages, ANSWERS).items():
        assert plain(schemas[name]) == plain(schema), name


def test_the_kiosk_writes_the_fields_that_the_backend_reads() -> None:
    schemas = norm()["components"]["schemas"]
    for name in REQUESTS:
        written = {field.encode_name for field in msgspec.structs.fields(getattr(messages, name))}
        assert written == set(schemas[name]["properties"]), name


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_of_the_text_is_understood_by_the_kiosk(name: str) -> None:
    @quick
    @given(values({"$ref": name}))
    def understood(answer: Any) -> None:
        messages.decode(name, json.dumps(answer).encode(), getattr(messages, name))

    understood()


@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_else_is_answered_is_a_named_fault(name: str) -> None:
    """Fields left out, added or turned into something else: never an exception of another kind."""

    @quick
    @given(values({"$ref": name}), st.data())
    def named(answer: dict[str, Any], data: st.DataObject) -> None:
        field = data.draw(st.sampled_from([*sorted(answer), "more"]))
        value = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none())
        changed = data.draw(
            st.just({k: v for k, v in answer.items() if k != field})
            | value.map(lambda drawn: answer | {field: drawn})
        )
        body = json.dumps(changed).encode()
        cut = data.draw(st.integers(0, len(body)))
        for received in (body, body[:cut]):
            with suppress(MunicipalityAnswerInvalid):
                messages.decode(name, received, getattr(messages, name))

    named()


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_of_the_text_is_read_by_the_backend(name: str) -> None:
    @quick
    @given(values({"$ref": name}))
    def read(request: Any) -> None:
        wire.decode(json.dumps(request).encode(), getattr(wire, name))

    read()


@pytest.fixture(scope="module")
def backend(pki: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a backend in a process of its own."""
    database = tmp_path_factory.mktemp("norm") / "m.sqlite"
    command = [sys.executable, "-m", "tests.municipality", "--pki", str(pki), "--db", str(database)]
    with subprocess.Popen(
        [*command, "--now", "2026-11-22T12:00:00+09:00"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.mark.parametrize("name", sorted(operations()))
def test_no_request_good_or_bad_leaves_the_text(name: str, backend: str, pki: Path) -> None:
    method, path, _ = operations()[name]
    operation = schemathesis.openapi.from_dict(norm())[path][method]
    device = (str(pki / "kiosk" / "certificate.pem"), str(pki / "kiosk" / "key.pem"))

    @quick
    @given(operation.as_strategy() | operation.as_strategy(generation_mode=_NEGATIVE))
    def follows(case: Any) -> None:
        response = case.call(base_url=backend, cert=device, verify=str(pki / "server_ca.pem"))
        case.validate_response(response, checks=CHECKS)

    follows()


_NEGATIVE = schemathesis.GenerationMode.NEGATIVE


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def test_the_backend_serves_every_path_of_the_text_and_no_other() -> None:
    app = application(cast("Service", SimpleNamespace(metrics=Metrics())))
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    named = {(method, path) for method, path, _ in operations().values()}
    est = {("POST", "/.well-known/est/simplereenroll"), ("GET", "/.well-known/est/cacerts")}
    assert named | est == served
