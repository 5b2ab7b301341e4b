r"""Masks in a build's log what Jenkins leaves in it of a project's secrets. Pure.

Jenkins masks a secret text of one line: as it is, quoted for a shell, and in Base64 (credentials-binding,
``SecretPatterns``). What is left are the contents of secret files, values of several lines, and other forms of a text.
Masking may cost words of the log that are no secrets, so what stands in many texts is left alone.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus

JENKINS_MASK = "****"
_SHORTEST = 8  # characters of a line, or of a value in it, that say something
_LONG = 12  # from here on also within a word
_SOUGHT = 200  # pieces looked for within a line of a log; all are known as whole lines
# armour of PEM, headings of INI files, keys without a value, and values that say nothing
_COMMONPLACE = re.compile(
    r"""-----(BEGIN|END)[ \w]+-----|\[[\w .-]+\]|\W+
    |["']?[\w.$-]+["']?\s*[:=]\s*["']?([\W]*|true|false|yes|no|null|none|\d{1,5}|v\d\w*)["']?,?""",
    re.IGNORECASE | re.VERBOSE,
)
# one line of an environment file, of YAML, of JSON or INI, whose name says that it is secret
_ASSIGNED = re.compile(
    r"""[^\w"']*(?:export\s+)?["']?
    [\w.-]{0,60}(?:pass|pwd|secret|token|key|credential|auth)[\w.-]{0,60}
    ["']?\s*[:=]\s*([^\w]*\w.*?)[,;]?""",
    re.IGNORECASE | re.VERBOSE,
)


def masking(secrets: Iterable[str]) -> Callable[[str], str]:
    r"""What masks pieces of secrets in a line of a log, cheaply.

    >>> mask = masking(["user: me\npassword: very-secret"])
    >>> mask("+ password: very-secret"), mask("it is very-secret"), mask("user: me")
    ('+ ****', 'it is ****', '****')
    """
    secrets = [secret for secret in secrets if len(secret) >= _SHORTEST]
    values = [*map(_base64, secrets), *_telling(piece for secret in secrets for piece in _assigned(secret))]
    lines = dict.fromkeys(_telling(piece for secret in secrets for piece in _lines(secret)))
    wrapped = {piece for secret in secrets for piece in _base64(secret, wrapped=True).splitlines()}  # whole lines only
    known = wrapped.union(values, lines)
    chosen = [*values, *sorted(lines, key=len, reverse=True)][:_SOUGHT]
    sought = sorted(dict.fromkeys(chosen), key=len, reverse=True)  # one may be a part of another

    def mask(text: str) -> str:
        if text.strip() in known:
            return JENKINS_MASK
        for piece in sought:
            if piece in text:
                text = _replaced(piece, text)
        return text

    return mask


def written_otherwise(text: str) -> tuple[str, ...]:
    """A secret of one line as addresses and JSON have it, where that differs: Jenkins does not know these forms.

    >>> written_otherwise("p@ss/word"), written_otherwise("password")
    (('p%40ss%2Fword', 'p%40ss/word'), ())
    """
    forms = (quote(text, safe=""), quote(text), quote_plus(text), json.dumps(text)[1:-1])
    return tuple(dict.fromkeys(form for form in forms if form != text))


def _replaced(piece: str, text: str) -> str:
    if len(piece) >= _LONG:
        return text.replace(piece, JENKINS_MASK)
    return re.sub(rf"(?<!\w){re.escape(piece)}(?!\w)", JENKINS_MASK, text)


def _telling(pieces: Iterable[str]) -> Iterator[str]:
    for piece in pieces:
        if len(piece) >= _SHORTEST and (_ASSIGNED.fullmatch(piece) or not _COMMONPLACE.fullmatch(piece)):
            yield piece


def _lines(secret: str) -> list[str]:
    return [line.strip() for line in secret.splitlines()]


def _assigned(secret: str) -> Iterator[str]:
    """The values that a line gives to a secret's name; JSON has a key's several lines in one."""
    for found in filter(None, map(_ASSIGNED.fullmatch, _lines(secret))):
        yield from (part.strip() for part in found[1].strip("\"'").replace("\\n", "\n").splitlines())


def _base64(secret: str, *, wrapped: bool = False) -> str:
    data = secret.encode("utf-8", "surrogatepass")
    return (base64.encodebytes if wrapped else base64.b64encode)(data).decode()
