"""A server held to its own ``/openapi.json`` by schemathesis.

It is asked what the document allows and what it does not, the same every time, half of it with real images.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as of

CHECKS = [
    not_a_server_error,
    of.status_code_conformance,
    of.content_type_conformance,
    of.response_schema_conformance,
    of.response_headers_conformance,
    of.negative_data_rejection,
    of.unsupported_method,
    of.allow_header_conformance,
]


@dataclass
class Conformance:
    """What was asked and found.

    Attributes:
        answers: By (operation, status), how many.
        faults: Of each answer that is not as the document says: the operation, what was found, and the request.
    """

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def conformance(address: str, images: Sequence[bytes], examples: int) -> Conformance:
    """Ask every operation so many times with each sort of request.

    Args:
        images: Image files that half of all texts in bodies are replaced by.
    """
    api, found = schemathesis.openapi.from_url(f"{address}/openapi.json"), Conformance()
    texts = [base64.b64encode(content).decode() for content in images]
    api.hook("map_body")(lambda _, body: _with_images(body, texts))
    for operation in (offered.ok() for offered in api.get_all_operations()):
        asks_for_something = bool(operation.body or operation.query)
        for mode in GenerationMode:
            if mode is GenerationMode.POSITIVE or asks_for_something:  # nothing can be wrong with a bare GET
                _ask(operation, mode, examples, found)
    return found


def _ask(operation: Any, mode: GenerationMode, examples: int, found: Conformance) -> None:
    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        answer = case.call()
        found.answers[operation.label, answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            found.faults += [f"{operation.label}: {fault}\n{str(case.body)[:300]}" for fault in group.exceptions]

    ask()


def _with_images(value: Any, texts: Sequence[str]) -> Any:
    if isinstance(value, str):
        return texts[len(value) // 2 % len(texts)] if len(value) % 2 == 0 else value
    if isinstance(value, list):
        return [_with_images(item, texts) for item in value]
    if isinstance(value, dict):
        return {key: item if key == "columns" else _with_images(item, texts) for key, item in value.items()}
    return value
