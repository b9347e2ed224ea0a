"""Packages that only some users need, and get by an extra of this one."""

from __future__ import annotations

import importlib.util

from finetune.errors import HardwareError


def need_extra(extra: str, *packages: str) -> None:
    """Refuse to begin without packages of an extra.

    Raises:
        HardwareError: one is not installed; the message says how to get it.

    >>> need_extra("onnx", "json", "no_such_package")
    Traceback (most recent call last):
    finetune.errors.HardwareError: onnx: no_such_package not installed; pip install 'deit-finetune[onnx]'
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise HardwareError(f"{extra}: {', '.join(missing)} not installed; pip install 'deit-finetune[{extra}]'")
