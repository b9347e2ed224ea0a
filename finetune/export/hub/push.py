"""A folder to the Hub, by huggingface_hub and the user's own token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from finetune.errors import FinetuneError, UnreachableError

_TOKEN = (
    "make one with the right to write at https://huggingface.co/settings/tokens, then `hf auth login`, or set HF_TOKEN"
)


@dataclass(frozen=True)
class Pushed:
    """Where a folder was uploaded to, and whether only its owner sees it."""

    url: str
    private: bool

    def __str__(self) -> str:
        return f"{self.url} ({'private' if self.private else 'public'})"


def check_name(repo: str) -> None:
    """Refuse what cannot be a model's name on the Hub.

    Raises:
        FinetuneError: with the Hub's rule.

    >>> check_name("me/photos")
    >>> check_name("photos")
    Traceback (most recent call last):
    finetune.errors.FinetuneError: --repo photos: expected OWNER/NAME, such as me/photos (see `hf auth whoami`)
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if "/" not in repo:
        raise FinetuneError(f"--repo {repo}: expected OWNER/NAME, such as me/{repo or 'photos'} (see `hf auth whoami`)")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise FinetuneError(
            f"--repo {repo}: expected OWNER/NAME of at most 96 letters, digits, -, _ and . (not -- or .., no - or . at "
            "an end, no .git at the end)"
        ) from error


def check_can_push(repo: str | None) -> None:
    """Whether a push can be tried at all: before anything is computed for it.

    Raises:
        FinetuneError: there is no name or no token.
        UnreachableError: the Hub is switched off.
    """
    from huggingface_hub import constants, get_token

    if repo is None:
        raise FinetuneError("--push: needs the repository's name; add --repo OWNER/NAME")
    if constants.HF_HUB_OFFLINE:
        raise UnreachableError(
            "--push: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, so the Hub is not asked; unset it"
        )
    if get_token() is None:
        raise FinetuneError(f"--push: there is no token for the Hub; {_TOKEN}")


def push(folder: Path, repo: str, *, public: bool, stale: Sequence[str]) -> Pushed:
    """Upload a folder's files as they are, and make the repository where there is none.

    A new repository is private unless `public`: to make a private one public takes a click, and what was public for a
    minute may be anywhere. One that exists stays what it is, but nothing is uploaded to a public one without `public`.

    Args:
        stale: Patterns of files that are deleted from the repository where the folder has no such file: what an earlier
            push left there and would now mislead.
    Raises:
        FinetuneError: the token, the name or the card is refused, or the repository is public.
        UnreachableError: the Hub cannot be reached, or something else went wrong there.
    """
    from huggingface_hub import HfApi

    api = HfApi(library_name="deit-finetune")
    with _in_words(repo):
        url = api.create_repo(repo, private=not public, exist_ok=True)
        private = bool(api.model_info(repo).private)
        if not (private or public):
            raise FinetuneError(
                f"--repo {repo}: is a public repository; add --public to upload to it all the same, or name another one"
            )
        api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            commit_message="Upload model by deit-finetune",
            delete_patterns=list(stale),
        )
    return Pushed(str(url), private)


@contextmanager
def _in_words(repo: str) -> Iterator[None]:
    """What the Hub's client raises, as what a user can do about it."""
    try:
        yield
    except FinetuneError:
        raise
    except Exception as error:  # the Hub's client changes its HTTP library, and with it what it raises
        raise _explained(repo, error) from error


def _explained(repo: str, error: BaseException) -> FinetuneError:
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, RuntimeError) and error.__cause__ is not None:  # of a large file; why is in its cause
        return _explained(repo, error.__cause__)
    if isinstance(error, HfHubHTTPError):
        return _refused(repo, error.response.status_code, error.server_message or error.response.reason_phrase)
    if isinstance(error, ValueError):  # of the card's header
        return FinetuneError(f"--push: the Hub does not accept README.md: {error}; is --license one it knows?")
    return UnreachableError(
        f"--push: the Hub cannot be reached ({type(error).__name__}: {error}); once it can, the same command goes on"
    )


def _refused(repo: str, status: int, said: str) -> FinetuneError:
    if status == 401:
        return FinetuneError(f"--push: the Hub does not accept the token ({status}: {said}); {_TOKEN}")
    if status == 403:
        return FinetuneError(
            f"--push: the token may not write to {repo} ({status}: {said}); it needs the right to write, and the owner "
            "has to be you or an organisation of yours (`hf auth whoami`)"
        )
    if status >= 500:
        return UnreachableError(f"--push: the Hub is in trouble ({status}: {said}); try the same command again later")
    return FinetuneError(f"--push: the Hub refuses {repo} ({status}: {said}); see its page, or name another one")
