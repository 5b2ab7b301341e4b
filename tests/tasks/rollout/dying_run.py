"""A rollout in a process of its own, to be killed: ``python dying_run.py KUBECONFIG IMAGE NAMESPACE LEASE_SECONDS``."""

import asyncio
import sys
from pathlib import Path

from blocks.cluster import Cluster
from tasks.rollout.lease import LeaseTimes
from tests.tasks.rollout.conftest import Place

if __name__ == "__main__":
    kubeconfig, image, namespace, lease_seconds = sys.argv[1:]
    place = Place(Cluster(kubeconfig=Path(kubeconfig).read_text()), image, namespace)
    asyncio.run(place.roll_out(times=LeaseTimes(duration=float(lease_seconds))))
