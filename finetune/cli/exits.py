"""Exit codes, and how a complaint reaches the user."""

from __future__ import annotations

import os
import sys
import time

OK, OUR_FAULT, USERS_MISTAKE, INTERRUPTED, STOPPED = 0, 1, 2, 75, 130


def complain(message: str) -> None:
    """Print to stderr; of the processes that torchrun starts on a machine, the first speaks for all.

    The others linger: torchrun ends all as soon as one fails, and the first might not have spoken yet.
    """
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"deit-finetune: {message}", file=sys.stderr, flush=True)
    else:
        time.sleep(5)
