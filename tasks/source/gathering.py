"""Fetches what a pipeline includes: level by level, side by side, within bounds. `Fetchers` say how."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from errors import AccessError, InputError, NotFoundError
from tasks.source.include_options import IncludeOptions
from tasks.source.includes import MAX_INCLUDES, Memo, Needed, further_files
from tasks.source.sources import Source, Tree

MAX_FETCHED = 2 * MAX_INCLUDES  # as many files as GitLab includes, and the trees their wildcards need
_SIDE_BY_SIDE = 8

# source -> texts by key; more than one where a source leads to another (a component to its file)
Fetch = Callable[[Any], Mapping[str, str]]


class Fetchers(Struct, frozen=True):
    """Who fetches what. Called from several threads at once.

    Attributes:
        by_kind: For a class of `sources`, what gets its text; a kind that is absent here is not fetched. It raises
            NotFoundError, AccessError or InputError when there is no such thing for this user; any other error ends
            the gathering.
        tree: All paths of another project.
        own_tree: All paths of the commit itself; asked once, when a wildcard needs it.
    """

    by_kind: Mapping[type, Fetch]
    tree: Callable[[Tree], Collection[str]] | None = None
    own_tree: Callable[[], Collection[str]] | None = None


class Gathered(Struct):
    """What was found.

    Attributes:
        files: Text by key, with those that were there before.
        absent: Why a source is not there, by key.
        trees: The paths of other projects, by the key of their `Tree`.
        own_tree: All paths of the commit, where a wildcard needed them.
    """

    files: dict[str, str]
    absent: dict[str, str] = field(default_factory=dict)
    trees: dict[str, Collection[str]] = field(default_factory=dict)
    own_tree: Collection[str] | None = None


def gather(files: Mapping[str, str], entry: str, options: IncludeOptions, fetchers: Fetchers) -> Gathered:
    """Fetch until nothing new is wanted.

    Args:
        files: What is there already, with the entry.
        entry: The pipeline definition's path.
        options: As `close_includes` will have them.
        fetchers: Who fetches.

    Raises:
        UnavailableError: A server failed; nothing is known then.
    """
    found = Gathered(dict(files), own_tree=options.tree)
    tried: set[str] = set()
    memo: Memo = {}
    while True:
        now = replace(options, tree=found.own_tree, trees=found.trees, absent=found.absent)
        needed = further_files(found.files, entry, now, memo)
        if needed.patterns and found.own_tree is None and fetchers.own_tree:
            found.own_tree = fetchers.own_tree()
            continue
        wanted = _untried(needed, fetchers, tried)
        if not wanted:
            return found
        tried.update(source.key for source in wanted)
        _fetch_all(wanted, fetchers, found)


def _untried(needed: Needed, fetchers: Fetchers, tried: set[str]) -> list[Source]:
    can = {*fetchers.by_kind, *([Tree] if fetchers.tree else [])}
    wanted = [source for source in needed.sources if type(source) in can and source.key not in tried]
    return wanted[: MAX_FETCHED - len(tried)]


def _fetch_all(wanted: list[Source], fetchers: Fetchers, found: Gathered) -> None:
    from concurrent.futures import ThreadPoolExecutor  # here, as most pipelines fetch nothing

    with ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE) as pool:
        results = list(pool.map(lambda each: _fetched(each, fetchers), wanted))
    for source, result in zip(wanted, results, strict=True):
        if isinstance(result, str):
            found.absent[source.key] = result
        elif isinstance(source, Tree):
            found.trees[source.key] = tuple(result)
        elif isinstance(result, Mapping):
            found.files.update(result)


def _fetched(source: Source, fetchers: Fetchers) -> Mapping[str, str] | Collection[str] | str:
    """What was fetched, or the reason why there is nothing."""
    try:
        if isinstance(source, Tree):
            return fetchers.tree(source) if fetchers.tree else ()
        return fetchers.by_kind[type(source)](source)
    except (NotFoundError, AccessError, InputError) as error:
        return str(error)
