from tasks.rollout.plan import Difference, change


def thing(**spec):
    return {
        "kind": "Deployment",
        "metadata": {"name": "shop", "resourceVersion": "1", "labels": {"smartclide.eu/revision": "1"}},
        "spec": spec,
        "status": {"replicas": 1},
    }


def test_only_what_matters_is_a_difference():
    before = thing(replicas=1, containers=[{"name": "app", "image": "a", "env": [{"name": "X", "value": "1"}]}])
    after = thing(replicas=2, containers=[{"name": "app", "image": "b", "env": [{"name": "Y", "value": "2"}]}])
    after["metadata"] = {"name": "shop", "resourceVersion": "2", "labels": {"smartclide.eu/revision": "2"}}
    after["status"] = {}
    found = change(before, after)
    assert found.action == "update"
    assert found.differences == (
        Difference("spec.containers[app].env[X].name", "X", "(none)"),
        Difference("spec.containers[app].env[X].value", "1", "(none)"),
        Difference("spec.containers[app].env[Y].name", "(none)", "Y"),
        Difference("spec.containers[app].env[Y].value", "(none)", "2"),
        Difference("spec.containers[app].image", "a", "b"),
        Difference("spec.replicas", "1", "2"),
    )


def test_nothing_and_everything():
    assert change(thing(replicas=1), thing(replicas=1)).action == "unchanged"
    assert change(None, thing()).action == "create"


def test_secrets_are_not_shown():
    before = {"kind": "Secret", "metadata": {"name": "shop-pull"}, "data": {"x": "b2xk"}}
    after = {"kind": "Secret", "metadata": {"name": "shop-pull"}, "data": {"x": "bmV3"}}
    (difference,) = change(before, after).differences
    assert difference == Difference("data.x", "(secret)", "(another secret)")
