"""The command line: verbs to calls. What a verb needs is imported inside it, so that --help answers at once."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from finetune.cli.exits import INTERRUPTED, OK, OUR_FAULT, STOPPED, USERS_MISTAKE, complain
from finetune.cli.verbs import VERBS
from finetune.cli.words import DESCRIPTION, EXAMPLES, EXIT_CODES
from finetune.errors import FinetuneError, RecipeError, did_you_mean

__all__ = ["INTERRUPTED", "OK", "OUR_FAULT", "STOPPED", "USERS_MISTAKE", "VERBS", "main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: Without the program's name; by default the process's own.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        _parser().print_help()
        return USERS_MISTAKE
    try:
        options = _parser().parse_args(_with_verb(words))
        code: int = options.call(options)
        return code
    except FinetuneError as error:
        complain(str(error))
        return USERS_MISTAKE
    except BrokenPipeError:  # `… | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        complain("stopped; nothing was saved")
        return STOPPED


def _with_verb(words: list[str]) -> list[str]:
    """``RECIPE …`` means ``train RECIPE …``; a verb that is nearly right is asked about."""
    first = words[0]
    if first in (*VERBS, "-h", "--help", "--version"):
        return words
    looks_like_a_file = Path(first).suffix or os.sep in first or Path(first).exists()
    meant = did_you_mean(first, VERBS)
    if meant and not looks_like_a_file and not first.startswith("-"):
        raise RecipeError([f"neither a verb nor a recipe{meant}"], repr(first))
    return ["train", *words]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deit-finetune",
        usage="deit-finetune [VERB] RECIPE [--set KEY=VALUE]... [--resume] [--overwrite] [--no-fallback]",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    verbs = parser.add_subparsers(metavar="VERB", title="verb", help=argparse.SUPPRESS)
    for name, (call, add_options, summary) in VERBS.items():
        verb = verbs.add_parser(
            name,
            prog=f"deit-finetune {name}",
            description=summary,
            epilog=f"{EXIT_CODES}\nexamples:\n{EXAMPLES[name]}",
            formatter_class=parser.formatter_class,
            allow_abbrev=False,
        )
        add_options(verb)
        verb.set_defaults(call=call)
    return parser


class _Version(argparse.Action):
    """Looks the version up when asked, not before."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"deit-finetune {version('deit-finetune')}")
        parser.exit()
