"""Remote API export: what is shown without a tree, by depth, and by tree with ranges."""

from __future__ import annotations

import pytest

from sandbox.jenkins.export import HIDDEN, Bean, TreeSyntaxError, export, parse_tree


def build(number: int) -> Bean:
    cause = Bean("Cause", {"shortDescription": "by you", "id": 1}, {"shortDescription": 3})
    action = Bean("CauseAction", {"causes": [cause]}, {"causes": 2})
    return Bean("Run", {"number": number, "result": "SUCCESS", "actions": [action, Bean(None)]}, {"number": 2})


JOB = Bean("Job", {"name": "j", "builds": [build(n) for n in (3, 2, 1)], "allBuilds": lambda: [build(9)]},
           {"allBuilds": HIDDEN})  # fmt: skip


def test_without_a_tree_nested_objects_show_what_is_visible_enough() -> None:
    assert export(JOB) == {
        "_class": "Job", "name": "j", "builds": [{"_class": "Run", "number": n} for n in (3, 2, 1)]
    }  # fmt: skip
    assert export(build(1)) == {
        "_class": "Run", "number": 1, "result": "SUCCESS",
        "actions": [{"_class": "CauseAction", "causes": [{"_class": "Cause", "shortDescription": "by you"}]}, {}],
    }  # fmt: skip


def test_depth_shows_one_level_more() -> None:
    shown = export(JOB, depth=1)["builds"][0]
    assert shown["result"] == "SUCCESS"
    assert "allBuilds" not in export(JOB, depth=3)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ("name", {"_class": "Job", "name": "j"}),
        ("builds[number]{0,2}", {"_class": "Job", "builds": [{"_class": "Run", "number": 3},
                                                             {"_class": "Run", "number": 2}]}),
        ("builds[number]{2}", {"_class": "Job", "builds": [{"_class": "Run", "number": 1}]}),
        ("builds[number]{1,},name", {"_class": "Job", "name": "j", "builds": [{"_class": "Run", "number": 2},
                                                                              {"_class": "Run", "number": 1}]}),
        ("builds{,1}", {"_class": "Job", "builds": [{"_class": "Run"}]}),
        ("allBuilds[number]", {"_class": "Job", "allBuilds": [{"_class": "Run", "number": 9}]}),
        ("builds[actions[*]]{0,1}", {"_class": "Job", "builds": [
            {"_class": "Run", "actions": [{"_class": "CauseAction", "causes": [{"_class": "Cause"}]}, {}]}]}),
        ("nothing", {"_class": "Job"}),
    ],
)  # fmt: skip
def test_tree(tree: str, expected: object) -> None:
    assert export(JOB, tree=parse_tree(tree)) == expected


@pytest.mark.parametrize("tree", ["builds[number", "builds]", "builds{x}", "[name]"])
def test_bad_tree(tree: str) -> None:
    with pytest.raises(TreeSyntaxError):
        parse_tree(tree)
