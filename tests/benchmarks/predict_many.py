"""``predict`` on 20,000 small images with 20 bad ones, killed (-9) half-way and started again.

    python tests/benchmarks/predict_many.py [--images 20000] [--out DIR]

The model is ``bundled:deit-nano`` after twenty steps on the digits: what is measured is the road and not the answers.
The images are photographs of nothing, 96×96 px JPEG files in folders of a thousand. Prints images a second and the peak
of memory (resident, of the process) at a tenth of the images and at all of them, and checks that the file is complete,
in order, and has each image once.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

BAD = 20
PART = 256


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--images", type=int, default=20_000)
    options.add_argument("--out", type=Path, help="folder to work in and to keep; default: one that is removed")
    chosen = options.parse_args()
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        measure(chosen.out, chosen.images)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), chosen.images)


def measure(folder: Path, count: int) -> None:
    run = make_run(folder)
    few = make_images(folder / "few", count // 10)
    many = make_images(folder / "many", count)
    said, memory = predict(run, folder / "few", folder / "few.parquet")
    print(f"{said}\n  peak memory {memory:.0f} MiB", flush=True)
    check(folder / "few.parquet", few)
    out = folder / "many.parquet"
    killed = kill_half_way(run, folder / "many", out, count)
    print(f"killed after {len(parts(out))} parts of {-(-count // PART)}; peak memory {killed:.0f} MiB", flush=True)
    said, memory = predict(run, folder / "many", out)
    print(f"{said}\n  peak memory {memory:.0f} MiB", flush=True)
    check(out, many)
    print(f"complete, in order, each of {count:,} once, {BAD} with an error")


def make_run(folder: Path) -> Path:
    """In a process of its own: a child's peak of memory is never below that of the process that started it."""
    recipe = f"""
task: multiclass
data: {{kind: folder, root: "bundled:digits", split: {{validation: 0.2}}}}
model: {{checkpoint: "bundled:deit-nano"}}
optim: {{batch_size: 64, max_steps: 20}}
evaluate: {{every: never}}
run: {{root: {folder / "runs"}, name: nano, tracking: []}}
"""
    (folder / "nano.yaml").write_text(recipe)
    call = [sys.executable, "-m", "finetune", str(folder / "nano.yaml"), "--overwrite"]
    subprocess.run(call, check=True, capture_output=True)
    return folder / "runs" / "nano"


def make_images(root: Path, count: int) -> list[tuple[str, bool]]:
    """(path, whether it is an image) in the order in which they are predicted."""
    noise, made = np.random.default_rng(0), []
    bad = set(np.linspace(0, count - 1, BAD).astype(int).tolist())
    for number in range(count):
        file = root / f"{number // 1000:03d}" / f"{number:06d}.jpg"
        made.append((str(file), number not in bad))
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        if number in bad:
            file.write_bytes(b"\xff\xd8\xff\xe0 cut short")
        else:
            coarse = Image.fromarray(noise.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            coarse.resize((96, 96), Image.Resampling.BICUBIC).save(file, quality=85)
    return made


def start(run: Path, images: Path, out: Path) -> subprocess.Popen[str]:
    call = ["predict", str(run), str(images), "--out", str(out), "--part-images", str(PART)]
    return subprocess.Popen([sys.executable, "-m", "finetune", *call], stdout=subprocess.PIPE, text=True)


def predict(run: Path, images: Path, out: Path) -> tuple[str, float]:
    """What it says, and its peak memory in MiB."""
    process = start(run, images, out)
    assert process.stdout is not None
    said = process.stdout.read().strip()
    memory = _peak(process)
    assert process.returncode == 0, said
    return said, memory


def kill_half_way(run: Path, images: Path, out: Path, count: int) -> float:
    process = start(run, images, out)
    while len(parts(out)) < count // PART // 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    memory = _peak(process)
    assert not out.exists()
    return memory


def parts(out: Path) -> list[Path]:
    return list(out.with_name(f"{out.name}.parts").glob("0*.jsonl"))


def _peak(process: subprocess.Popen[str]) -> float:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / 1024


def check(out: Path, images: list[tuple[str, bool]]) -> None:
    table = pq.read_table(out, columns=["path", "predicted", "error"]).to_pylist()
    assert [(row["path"], row["error"] is None) for row in table] == images
    assert all((row["predicted"] is None) == (row["error"] is not None) for row in table)


if __name__ == "__main__":
    main()
