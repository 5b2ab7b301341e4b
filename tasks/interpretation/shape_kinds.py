"""The kinds of shapes that keywords' values have: data, for `shapes.check` to hold values against."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Text(Struct, frozen=True):
    """A string; with `loose`, also a number or a boolean, which GitLab turns into one.

    `not_here`: the one of `one_of` that is not allowed in this place. `hollow`: GitLab takes an empty text, and it is
    as if it were not there. `odd`: GitLab's server takes what `one_of` and `pattern` do not allow. `whole`: also a
    whole number.
    """

    one_of: tuple[str, ...] = ()
    pattern: str = ""
    loose: bool = False
    whole: bool = False
    empty: bool = False
    hollow: bool = False
    odd: bool = False
    hint: str = ""
    not_here: str = ""


class Integer(Struct, frozen=True):
    """A whole number within bounds."""

    low: int = -(2**63)
    high: int = 2**63


class Number(Struct, frozen=True):
    """Any number."""


class Flag(Struct, frozen=True):
    """``true`` or ``false``."""


class Duration(Struct, frozen=True):
    """A period such as ``1h 30m``; quoted digits are seconds; `never` where that word is allowed.

    `variable`: a `$NAME` may stand there. `odd`: GitLab's server takes any text, and then does not keep to it.
    """

    never: bool = False
    limit: int | None = None
    variable: bool = False
    odd: bool = False


class Items(Struct, frozen=True):
    """A list.

    `nested`: lists in it are flattened by GitLab. `distinct`: a scalar that is there twice is odd. `blanks`: an item
    that is nothing is odd; GitLab takes it for none.
    """

    item: Shape
    least: int = 0
    most: int = 10**9
    nested: bool = False
    distinct: bool = False
    blanks: bool = False


class Keys(Struct, frozen=True):
    """A mapping of known keywords.

    `one_of`: exactly one of these is there. `together`: where the first is, the second must be. `apart`: never both,
    not even without a value. `filled`: a null is odd there; GitLab takes a null as if the keyword were not there.
    `told`: a null is refused there. `least`: how many keywords there must be. `some_of`: at least one of these is
    there. `idle`: GitLab takes these and does nothing with them.
    """

    table: Mapping[str, Shape]
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    together: tuple[tuple[str, str], ...] = ()
    apart: tuple[tuple[str, str], ...] = ()
    filled: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    least: int = 0
    some_of: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()


class Entries(Struct, frozen=True):
    """A mapping of at least `least` free names to values of one shape; `nullable`: or nothing at all.

    A name is a text or a whole number to YAML; `loose`: or any other scalar.
    """

    value: Shape
    name: str = ""
    nullable: bool = False
    least: int = 0
    loose: bool = False


class Either(Struct, frozen=True):
    """The first of these shapes that fits the kind of the value."""

    shapes: tuple[Shape, ...]


class Anything(Struct, frozen=True):
    """Whatever; not looked at."""


Shape = Text | Integer | Number | Flag | Duration | Items | Keys | Entries | Either | Anything


def either(*shapes: Shape) -> Either:
    """One of several shapes."""
    return Either(shapes)
