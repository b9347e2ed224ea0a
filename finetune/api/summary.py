"""What stands on the terminal when a run is over."""

from __future__ import annotations

from finetune.evaluation.words import trust
from finetune.metrics import class_table, metrics_table
from finetune.run_folder import RunFolder


def summary(run: RunFolder) -> str:
    """The notice of a fallback, the metrics of each split, the classes that need attention, and where it all lies."""
    record, metrics = run.read_record(), run.read_metrics()
    parts = [record["notice"]] if record.get("notice") else []
    if metrics:
        parts.append(metrics_table(metrics))
        parts += trust(run)
        split = "test" if "test" in metrics else "validation"
        parts.append(
            f"classes of the {split} split, the weakest first\n{class_table(metrics[split]['per_class'], rows=8)}"
        )
    else:
        parts.append("no image was held out, so nothing was measured; data.split.validation holds some out")
    parts.append("\n".join([_effort(record), f"run folder: {run}"]))
    return "\n\n".join(parts)


def _effort(record: dict[str, object]) -> str:
    seconds, hardware, best = record["seconds"], record["hardware"], record["best"]
    assert isinstance(seconds, dict)
    assert isinstance(hardware, dict)
    assert isinstance(best, dict)
    if "probe" in record:
        return _probe_effort(record, seconds, hardware)
    return (
        f"saved: the weights of step {best['step']}; trained in {seconds['training']:.0f} s on {hardware['device']} "
        f"({hardware['precision']}, {record['images_per_second']:.0f} images/s)"
    )


def _probe_effort(record: dict[str, object], seconds: dict[str, float], hardware: dict[str, object]) -> str:
    probe = record["probe"]
    assert isinstance(probe, dict)
    found = "found in the cache" if probe["cached"] else f"computed in {seconds['encoding']:.1f} s"
    heads = ", ".join(f"{name} with C {head['C']:.4g}" for name, head in probe["heads"].items())
    return (
        f"saved: {heads}, fitted in {seconds['training']:.1f} s; features {found} on {hardware['device']} "
        f"({probe['precision']})"
    )
