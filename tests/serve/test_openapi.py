"""What the server answers is what its own document says, whatever it is asked."""

from __future__ import annotations

import hypothesis.configuration


def test_requests_of_every_sort_are_answered_as_the_document_says(server, photo, conformance, tmp_path):
    hypothesis.configuration.set_hypothesis_home_dir(tmp_path)  # it keeps what it works out beside the tests otherwise
    expected = server.score(photo())
    found = conformance(server.address, [photo(0, "JPEG"), photo(1), photo(2)[:200]], examples=60)
    assert found.faults == []
    operations = {label for label, _ in found.answers}
    assert {status for label, status in found.answers if label == "POST /score"} >= {200, 422}
    assert operations == {
        "POST /score", "POST /attention", "GET /health", "GET /ready", "GET /model", "GET /metrics",
    }  # fmt: skip
    assert server.score(photo()) == expected
