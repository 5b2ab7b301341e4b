"""What all blocks have in common."""

import pytest
from prefect.blocks.core import Block

import blocks

ALL = [kind for kind in vars(blocks).values() if isinstance(kind, type) and issubclass(kind, Block)]


@pytest.mark.parametrize("block", ALL)
def test_the_kept_schema_is_prefects_and_each_caller_has_a_copy(block):
    expected = Block.model_json_schema.__func__(block)
    first = block.model_json_schema()
    assert first == expected
    first["properties"].clear()
    first["secret_fields"].append("url")
    assert block.model_json_schema() == expected


def test_there_are_seven():
    assert sorted(kind.__name__ for kind in ALL) == [
        "Cluster", "Environment", "GitLabServer", "ImageRegistry", "InterpreterServer", "JenkinsServer", "MetricsStore",
    ]  # fmt: skip
