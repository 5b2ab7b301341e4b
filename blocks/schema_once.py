"""What the blocks here have in common."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Literal

from prefect.blocks.core import Block
from pydantic.json_schema import GenerateJsonSchema

Mode = Literal["validation", "serialization"]
_SCHEMAS: dict[tuple[type[Block], bool, str, type[GenerateJsonSchema], Mode], dict[str, Any]] = {}


class SchemaOnce(Block):
    """A block whose schema is worked out once.

    Prefect asks for it again for every field that it saves, and for those of the blocks within: 820 times, 2.5 s, when
    an Environment is saved with its blocks.
    """

    @classmethod
    def model_json_schema(  # type: ignore[override]  # as Prefect has it
        cls,
        by_alias: bool = True,
        ref_template: str = "#/definitions/{model}",
        schema_generator: type[GenerateJsonSchema] = GenerateJsonSchema,
        mode: Mode = "validation",
    ) -> dict[str, Any]:
        """See `Block.model_json_schema`; the caller's own copy."""
        if not cls.__pydantic_complete__:
            return super().model_json_schema(by_alias, ref_template, schema_generator, mode)
        key = (cls, by_alias, ref_template, schema_generator, mode)
        if key not in _SCHEMAS:
            _SCHEMAS[key] = super().model_json_schema(by_alias, ref_template, schema_generator, mode)
        return deepcopy(_SCHEMAS[key])
