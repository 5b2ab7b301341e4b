"""Names made from hostile ones: unique stage names, stash names, Groovy identifiers, marker names, agent labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from msgspec import Struct

from tasks.interpretation.pipeline import Job, Pipeline

_PLAIN_LABEL = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_.]")


class JobNames(Struct, frozen=True):
    """One job under all the names it needs.

    Attributes:
        mark: Percent-encoded name: in marker lines and as the key of its state.
        stage: Name of its declarative stage: the job's own, made unique.
        stash: A name Jenkins accepts for a stash (it refuses ``:``, ``[`` and others).
        function: Stem of the Groovy functions that hold its shell text.
        index: Place in the pipeline, from 1.
    """

    mark: str
    stage: str
    stash: str
    function: str
    index: int


def mark(name: str) -> str:
    """The name as marker lines carry it: UTF-8, percent-encoded.

    >>> mark("test: [a, b]")
    'test%3A%20%5Ba%2C%20b%5D'
    """
    return quote(name.encode("utf-8", "surrogatepass"), safe="")


def label(tags: Iterable[str]) -> str:
    """An agent's label expression for GitLab's tags: all of them.

    >>> label(["docker", "big machine"])
    'docker && "big machine"'
    """
    return " && ".join(dict.fromkeys(tag if _PLAIN_LABEL.fullmatch(tag) else _quoted(tag) for tag in tags))


def _quoted(tag: str) -> str:
    escaped = re.sub(r'([\\"])', r"\\\1", tag).replace("\n", r"\n").replace("\r", r"\r")
    return f'"{escaped}"'


class Unique:
    """Hands out names that differ in more than case: later ones get a number."""

    def __init__(self, taken: Iterable[str] = (), form: str = "{} ({})") -> None:
        self._taken = {name.casefold() for name in taken}
        self._form = form

    def __call__(self, wish: str) -> str:
        """The wish, or the first numbered form of it that is free."""
        name, number = wish, 1
        while name.casefold() in self._taken:
            number += 1
            name = self._form.format(wish, number)
        self._taken.add(name.casefold())
        return name


def job_names(pipeline: Pipeline, stages: Unique) -> dict[str, JobNames]:
    """Names of every job, by its GitLab name."""
    stash, function = Unique(form="{}-{}"), Unique(form="{}{}")
    return {
        job.name: JobNames(
            mark=mark(job.name),
            stage=stages(job.name.strip() or "job"),
            stash=stash(re.sub(r"[^A-Za-z0-9_.-]+", "-", job.name).strip("-.") or "job"),
            function=function(_identifier(job)),
            index=index,
        )
        for index, job in enumerate(pipeline.jobs, start=1)
    }


def _identifier(job: Job) -> str:
    words = re.findall(r"[A-Za-z0-9]+", job.name)
    stem = "".join([words[0].lower(), *(w[:1].upper() + w[1:] for w in words[1:])]) if words else "job"
    return stem if stem[0].isalpha() else f"job{stem}"
