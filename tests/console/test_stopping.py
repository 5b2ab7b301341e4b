"""What a worker has started does not outlive it, though nobody can be asked what that is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from console.stopping import Worker, stop

WORKER = """
import subprocess, sys, time
run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(run.pid, flush=True)
time.sleep(600)
"""


def is_alive(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process_id}/stat")  # one that ended stays as a zombie where nobody reaps it
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_run_is_ended_without_prefects_server(tmp_path):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    process = subprocess.Popen(
        [sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    run = int(process.stdout.readline())
    assert is_alive(run)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert stop(Worker("smartclide", "w", process, tmp_path / "w"), timeout=1) == []
    process.stdout.close()
    deadline = time.monotonic() + 20
    while is_alive(run) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(run)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
