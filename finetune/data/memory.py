"""How much memory this process may still take."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = (  # limit and use of a container, version 2 and version 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def free_memory_bytes() -> int:
    """Memory that is available without swapping, and within the container's limit where there is one.

    Linux says it in /proc/meminfo; elsewhere half of the physical memory stands in for it, and 2 GiB where not
    even that is known (Windows).
    """
    container = [limit - used for limit, used in map(_limit_and_use, _CGROUPS) if limit is not None]
    return max(0, min([_machine(), *container]))


def _machine() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return 2 * 1024**3


def _limit_and_use(files: tuple[str, str]) -> tuple[int | None, int]:
    try:
        limit, used = (Path(file).read_text().strip() for file in files)
        return int(limit), int(used)
    except (OSError, ValueError):  # no such group, or the limit is the word "max"
        return None, 0
