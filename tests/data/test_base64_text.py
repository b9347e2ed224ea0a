"""Image files as text."""

from __future__ import annotations

import pytest

from finetune.data.base64_text import content_of
from finetune.errors import DataError


@pytest.mark.parametrize(
    "text", ["aGVsbG8=", "aGVs\nbG8=\n", " aGVs\r\nbG8= ", "data:image/png;base64,aGVsbG8=", "DATA:;base64,aGVsbG8="]
)
def test_base64_may_have_line_breaks_and_be_a_data_url(text):
    assert content_of(text) == b"hello"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("aGVsbG8", "no base64"),
        ("ä", "no base64"),
        ("a-_b", "no base64"),
        ("data:image/png,x", "base64"),
    ],
)
def test_what_is_no_base64_is_said(text, reason):
    with pytest.raises(DataError, match=reason):
        content_of(text)
