"""Hostile bodies against a real server: what it answers, and whether it still answers afterwards.

    python tests/benchmarks/serve_fuzz.py [--bodies 1000] [--examples 1000]

A small model with random weights; the bodies are those of `tests/serve/hostile.py`, half of them to a server that
fetches addresses. Every status but 200, 408, 413, 422, 429, 503 and 504 is a failure, as is a good request that gets
another answer afterwards. Then schemathesis asks every operation so many times with requests that the server's own
document allows, and as often with others (`tests/serve/conformance.py`).
"""

from __future__ import annotations

import argparse
import collections
import http.client
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

from hypothesis.configuration import set_hypothesis_home_dir
from psutil import Process
from serve_load import body_of, serving, small, write_run

DOCUMENTED = {200, 408, 413, 422, 429, 503, 504}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=1000)
    options = parser.parse_args()
    bodies = beside_the_tests("hostile").hostile_bodies(options.bodies)
    half = len(bodies) // 2
    with tempfile.TemporaryDirectory() as root:
        run = write_run(Path(root), "small", 32, 2, 32)
        found = fuzz(run, bodies[:half]) + fuzz(run, bodies[half:], "--allow-urls")
        faults = conform(run, Path(root), options.examples)
    print(f"{sum(found.values())} bodies: {dict(sorted(found.items()))}")
    sys.exit(bool(set(found) - DOCUMENTED or faults))


def fuzz(run: Path, bodies: list[tuple[str, bytes]], *words: str) -> collections.Counter[int]:
    """How often each status came."""
    call = [sys.executable, "-m", "finetune", "serve", str(run), "--port", "0", "--no-access-log", *words]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        port = int(re.search(r"http://[^:]+:(\d+)", process.stdout.readline())[1])
        expected, began, found = ask(port, body_of(small(0))), time.perf_counter(), collections.Counter()
        before = Process(process.pid).memory_info().rss
        for kind, body in bodies:
            status, answer = ask(port, body)
            found[status] += 1
            if status not in DOCUMENTED or not isinstance(answer, dict | list):
                print(f"{kind}: {status} {answer}"[:300])
        assert ask(port, body_of(small(0))) == expected, "the next good request has another answer"
        grown = (Process(process.pid).memory_info().rss - before) / 2**20
        print(f"{len(bodies)} bodies in {time.perf_counter() - began:.1f} s, memory grew by {grown:.0f} MiB")
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    print(f"exit code {process.returncode}; tracebacks in the log: {said.count('Traceback')}")
    return found


def conform(run: Path, scratch: Path, examples: int) -> list[str]:
    """What is not as the server's own document says."""
    set_hypothesis_home_dir(scratch)
    with serving(run) as (port, process):
        expected, began = ask(port, body_of(small(0))), time.perf_counter()
        images = [small(0), small(1), small(2)[:200]]
        found = beside_the_tests("conformance").conformance(f"http://127.0.0.1:{port}", images, examples)
        assert ask(port, body_of(small(0))) == expected, "the next good request has another answer"
        assert process.is_running()
    seconds = time.perf_counter() - began
    print(f"{sum(found.answers.values())} requests by the document in {seconds:.1f} s, {len(found.faults)} faults")
    for (operation, status), count in sorted(found.answers.items()):
        print(f"  {operation}: {status} × {count}")
    print(*found.faults[:10], sep="\n")
    return found.faults


def ask(port: int, body: bytes) -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/score", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content)


def beside_the_tests(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "serve" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
