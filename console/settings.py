"""``--set key.path=value``: overrides of the descriptor on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from errors import InputError


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Nested mapping of the settings; values are YAML scalars or flow collections.

    >>> parse_settings(["replicas=3", "resources.limits.memory=64Mi", "variables.DEBUG='1'"])
    {'replicas': 3, 'resources': {'limits': {'memory': '64Mi'}}, 'variables': {'DEBUG': '1'}}

    Raises:
        InputError: A setting is not ``KEY=VALUE``, its value is not YAML, or two settings contradict each other.
    """
    result: dict[str, Any] = {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        names = key.split(".")
        if not separator or not all(names):
            raise InputError(f"--set {setting!r} is not KEY=VALUE.", remedy="For example: --set replicas=3")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"--set {key}: the value is not YAML.", remedy="Put text in quotes.") from error
        place = result
        for name in names[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise InputError(f"--set {setting!r} contradicts an earlier --set of {name}.")
        place[names[-1]] = value
    return result


def parse_pairs(settings: Sequence[str]) -> dict[str, str]:
    """Plain text by name.

    >>> parse_pairs(["TARGET=eu=west"])
    {'TARGET': 'eu=west'}

    Raises:
        InputError: A setting is not ``NAME=VALUE``.
    """
    pairs = [setting.partition("=") for setting in settings]
    for setting, (name, separator, _) in zip(settings, pairs, strict=True):
        if not name or not separator:
            raise InputError(f"--set {setting!r} is not NAME=VALUE.")
    return {name: value for name, _, value in pairs}
