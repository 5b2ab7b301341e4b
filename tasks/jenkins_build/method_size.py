"""How large the Java method becomes that Jenkins makes of a declarative pipeline: 65,535 bytes, or nothing runs.

Jenkins' linter does not see it, and the build ends before its first stage. Jenkins turns every word of the pipeline
block into calls that build a program, all of them in one method. The weights are fitted to some seventy Jenkinsfiles of
this renderer, compiled with the transformers of workflow-cps 3883 and pipeline-model-definition 2.2175: an estimate is
never below the measured size, and at most 15 % above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.jenkins_build.groovy import Block, Statement, lines

LIMIT = 65_535
_NON_CPS = "@NonCPS"
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")
_WORD = re.compile(r"[A-Za-z_][\w.]*")
_NUMBER = re.compile(r"\b\d+\b")
_STAGE = re.compile(r"^\s*stage\(", re.MULTILINE)


def method_size(statements: Iterable[Statement]) -> int:
    """Bytes of the method that Jenkins makes of the statements, rounded up generously."""
    shown = (line for node in statements for line in lines(node))
    text = _TEXT.sub("0", "\n".join(line for line in shown if not line.lstrip().startswith("//")))
    words = len(_WORD.findall(text)) - text.count(": ")  # the names of arguments cost nothing
    size = 52 * words + 12 * len(_NUMBER.findall(text)) + 20 * text.count("[")
    return size + 90 * text.count("{") + 100 * len(_STAGE.findall(text))


def largest(pipeline: Iterable[Statement], functions: Iterable[Iterable[Statement]]) -> int:
    """The size of the largest method of a Jenkinsfile; Jenkins leaves functions that are @NonCPS as they are."""
    own = (node for nodes in functions for node in nodes if isinstance(node, Block) and _NON_CPS not in node.head)
    return max([method_size(pipeline), *(method_size([node]) for node in own)])
