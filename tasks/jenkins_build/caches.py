"""The shell text that restores and saves a job's caches, on the agent and outside of any image.

Each kind of cache is a folder of the agent, so that nothing is shared between agents; the functions are `cache.sh`.
They run in a shell with the job's variables: references in keys and paths are resolved there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tasks.interpretation.pipeline import Cache, Job
from tasks.jenkins_build.job_script import open_word, word

FUNCTIONS = Path(__file__).with_name("cache.sh").read_text(encoding="ascii").splitlines()


def restore(job: Job) -> list[str]:
    """One command a cache, in the order of the text."""
    return [
        _command("cache_restore", open_word(cache.policy), _kind(cache), _key(cache), *_words(cache.fallback_keys))
        for cache in job.caches
    ]


def save(job: Job) -> list[str]:
    """One command a cache; CI_JOB_STATUS says whether it is to be saved."""
    return [
        _command(
            "cache_save",
            cache.when,
            open_word(cache.policy),
            _kind(cache),
            _key(cache),
            str(cache.untracked).lower(),
            *_words(cache.paths),
        )
        for cache in job.caches
    ]


def _command(*words: str) -> str:
    return f"{' '.join(words)} || echo 'WARNING: {words[0]} failed' >&2"


def _kind(cache: Cache) -> str:
    return "-non_protected" if cache.unprotect else '"$cache_kind"'


def _key(cache: Cache) -> str:
    if not cache.key_files:
        return open_word(cache.key)
    return f'"$({_command_words(open_word(cache.key_prefix), *(word(name) for name in cache.key_files))})"'


def _command_words(*words: str) -> str:
    return " ".join(("cache_files_key", *words))


def _words(texts: Iterable[str]) -> list[str]:
    return [open_word(text) for text in texts]
