"""Run as a process of its own, because the Hub's client reads its settings when it is imported.

Arguments: checkpoint names, each with an optional ``@revision``, and perhaps --without-weights. Prints one JSON line
for each.
"""

from __future__ import annotations

import json
import sys

from finetune.errors import FinetuneError
from finetune.model.sources import locate

if __name__ == "__main__":
    weights = "--without-weights" not in sys.argv
    for argument in [word for word in sys.argv[1:] if not word.startswith("--")]:
        checkpoint, _, revision = argument.partition("@")
        try:
            source = locate(checkpoint, revision or None, weights=weights)
            found = {"commit": source.commit, "files": sorted(path.name for path in source.folder.iterdir())}
        except FinetuneError as error:
            found = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(found), flush=True)
