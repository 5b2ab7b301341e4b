import random
from dataclasses import replace

import pytest

from errors import InputError, NotFoundError, ProtocolError
from tasks.rollout.history import ReleaseRecord, decode, deployed, encode, left_by_hand, next_revision, to_prune
from tasks.rollout.names import Identity
from tasks.rollout.operations import choose
from tasks.rollout.release import reissue

IDENTITY = Identity("shop", "apps", "staging", "group/shop")


def record(revision, state="deployed", key="k", **more):
    return ReleaseRecord(
        revision, state, key, "b", "group/shop", "staging", "c" * 40, "main", "r/shop@sha256:0", **more
    )


def test_a_record_comes_back_whole_but_for_secret_data():
    manifests = (
        {"kind": "Secret", "metadata": {"name": "shop-pull"}, "data": {"x": "c2VjcmV0"}},
        {"kind": "Service", "metadata": {"name": "shop"}, "spec": {"ports": [{"port": 1}]}},
    )
    before = record(3, manifests=manifests, descriptor={"port": 8080}, cause="ü\n", rollback_of=1)
    secret = encode(before, IDENTITY)
    assert secret["metadata"]["name"] == "smartclide.shop.v3"
    assert secret["metadata"]["labels"] == {
        "app.kubernetes.io/name": "shop",
        "app.kubernetes.io/managed-by": "smartclide",
        "smartclide.eu/environment": "staging",
        "smartclide.eu/project": "group-shop",
        "smartclide.eu/part": "release",
        "smartclide.eu/revision": "3",
        "smartclide.eu/state": "deployed",
    }
    after = decode(secret)
    assert after.manifests == ({"kind": "Secret", "metadata": {"name": "shop-pull"}}, manifests[1])
    assert (after.revision, after.state, after.cause, after.rollback_of) == (3, "deployed", "ü\n", 1)
    assert after.descriptor == {"port": 8080}


def test_what_does_not_fit_is_refused_with_a_reason():
    noise = random.Random(1).randbytes(1_500_000).hex()
    with pytest.raises(InputError, match=r"Revision 1 of shop is too large to be recorded: 1\.\d MiB"):
        encode(record(1, descriptor={"variables": {"X": noise}}), IDENTITY)


@pytest.mark.parametrize("data", [{}, {"release": "!!"}, {"release": "aGVsbG8="}, None])
def test_another_secret_is_not_a_record(data):
    with pytest.raises(ProtocolError, match="Secret other is not a release record"):
        decode({"metadata": {"name": "other"}, "data": data})


def test_pruning_keeps_ten_and_the_deployed_one():
    records = [record(1, "deployed"), *(record(n, "failed") for n in range(2, 14))]
    assert to_prune(records) == (3, 2)
    assert deployed(records).revision == 1
    assert next_revision(records) == 14
    assert next_revision([]) == 1


def test_pruning_keeps_five_good_ones_behind_any_number_of_failures():
    good = [record(n, "superseded") for n in range(1, 8)]
    failed = [record(n, "failed") for n in range(9, 29)]
    records = [*good, record(8, "deployed"), *failed]
    assert to_prune(records) == (18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 3, 2, 1)
    kept = [r.revision for r in records if r.revision not in to_prune(records)]
    assert kept == [4, 5, 6, 7, 8, *range(19, 29)]


def test_what_was_left_by_hand_is_known_until_another_release_runs():
    back = record(3, "deployed", "a", rollback_of=1, rolled_back_from=("b",))
    found = (record(1, "superseded", "a"), record(2, "superseded", "b"), back)
    assert left_by_hand(found, "b") == back
    assert left_by_hand(found, "a") is None
    assert left_by_hand((), "b") is None
    assert left_by_hand((*found[:2], replace(back, state="superseded"), record(4, "deployed", "c")), "b") is None
    assert decode(encode(back, IDENTITY)).rolled_back_from == ("b",)


def test_a_rollback_remembers_all_it_left_but_not_where_it_went():
    left = record(4, "deployed", "c", rolled_back_from=("d", "a"))
    back = reissue(record(1, "superseded", "a"), 5, "run", leaving=left)
    assert back.rolled_back_from == ("d", "c")
    assert (back.revision, back.state, back.rollback_of) == (5, "pending", 1)
    itself = reissue(back, 7, "run")  # a failed rollout that goes back keeps what was decided
    assert itself.rolled_back_from == ("d", "c")


def test_what_was_undeployed_can_be_taken_up_again():
    found = (record(1, "superseded", "a"), record(2, "uninstalled", "b"), record(3, "failed", "c"))
    assert choose(found, None).revision == 2
    assert choose(found, 2).revision == 2


def test_going_back_chooses_another_release_than_the_one_that_runs():
    found = (
        record(1, "superseded", "a"),
        record(2, "superseded", "b"),
        record(3, "rolled-back", "c"),
        record(4, "deployed", "b"),
    )
    assert choose(found, None).revision == 1
    assert choose(found, 2).revision == 2
    with pytest.raises(InputError, match="Revision 3 is rolled-back"):
        choose(found, 3)
    with pytest.raises(NotFoundError, match="There is no revision 9; recorded: 1, 2, 3, 4"):
        choose(found, 9)
    with pytest.raises(NotFoundError, match="no earlier release"):
        choose((record(1),), None)
