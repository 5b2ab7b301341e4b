import pytest

from console.settings import parse_settings
from errors import InputError


def test_settings_nest_and_keep_yaml_types():
    assert parse_settings(["replicas=3", "resources.limits.memory=64Mi", "variables.DEBUG='1'", "args=[a, b]"]) == {
        "replicas": 3,
        "resources": {"limits": {"memory": "64Mi"}},
        "variables": {"DEBUG": "1"},
        "args": ["a", "b"],
    }


@pytest.mark.parametrize("bad", ["replicas", "=3", "a..b=1", "a=[1"])
def test_a_malformed_setting_is_refused(bad):
    with pytest.raises(InputError):
        parse_settings([bad])


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(InputError, match="contradicts"):
        parse_settings(["a=1", "a.b=2"])
