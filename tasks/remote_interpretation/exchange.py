"""What a deployment and our interpreter's service say to each other: an order, and an answer. Both are JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import MsgspecError, Struct, ValidationError, json
from msgspec.structs import replace

from errors import InputError
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.diagnostics import Diagnostic
from tasks.jenkins_build.rendered import Rendered, rendered
from tasks.jenkins_build.settings import RenderSettings

SERVICE = "smartclide-interpreter"
ORDER_FIELD = "deployment"
_SET = "set"


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """One deployment's pipeline to be interpreted and rendered.

    Attributes:
        entry: Path of the pipeline definition.
        files: Text by key, closed: with all that it includes.
        context: For whom. Of secret variables it says only whether they hold anything.
        settings: For the Jenkinsfile.
    """

    entry: str
    files: dict[str, str]
    context: Context
    settings: RenderSettings


class Answer(Struct, frozen=True):
    """What became of an order.

    Attributes:
        made: The Jenkinsfile; None when ``workflow:rules`` say that there is no pipeline.
        diagnostics: Everything there is to say.
    """

    made: Rendered | None
    diagnostics: tuple[Diagnostic, ...] = ()


class _Refusal(Struct, frozen=True):
    diagnostics: tuple[Diagnostic, ...]


def make_order(entry: str, files: Mapping[str, str], context: Context, settings: RenderSettings) -> Order:
    """The order, without the values of secret variables.

    Raises:
        InputError: A rule compares a secret variable with something, which only its value can decide.
    """
    if found := sorted(name for name in context.secrets if _is_compared(name, files.values())):
        names = ", ".join(found)
        raise InputError(
            f"The rules compare the secret variable(s) {names}, whose values a remote interpreter is not told.",
            remedy="Ask only whether the variable is there ($NAME), or leave the Environment's interpreter out.",
        )
    told = {name: _SET if value.strip() else "" for name, value in context.secrets.items()}
    return Order(entry=entry, files=dict(files), context=replace(context, secrets=told), settings=settings)


def _is_compared(name: str, texts: Iterable[str]) -> bool:
    """Whether a text compares the variable with something else than ``null``, which only its presence decides."""
    pattern = re.compile(
        rf"\${name}\b\s*(?:(?:==|!=)(?!\s*null\b)|=~|!~)|(?P<null>\bnull\s*)?(?:==|!=|=~|!~)\s*\${name}\b"
    )
    return any(not found["null"] for text in texts for found in pattern.finditer(text))


def read_order(text: str) -> Order:
    """An order as it came.

    Raises:
        InputError: It is malformed, or made by another version.
    """
    try:
        return json.decode(text, type=Order)
    except ValidationError as error:
        raise InputError(
            f"The field `{ORDER_FIELD}` does not fit this version: {error}.", remedy="Use the same version."
        ) from None
    except (MsgspecError, ValueError, RecursionError):
        raise InputError(f"The field `{ORDER_FIELD}` is no JSON.") from None


def carry_out(order: Order) -> Answer:
    """Interpret and render, just as a deployment with the embedded interpreter does.

    Raises:
        InterpretationError: The text has errors; carries all diagnostics.
        InputError: The pipeline does not fit into a Jenkinsfile.
    """
    pipeline = interpret(order.files, order.context, entry=order.entry)
    made = rendered(pipeline, order.settings) if pipeline.created else None
    return Answer(made=made, diagnostics=pipeline.diagnostics)


def read_diagnostics(body: bytes) -> tuple[Diagnostic, ...]:
    """The diagnostics of a refusal; none where it has none."""
    try:
        return json.decode(body, type=_Refusal).diagnostics
    except (MsgspecError, ValueError, RecursionError):
        return ()
