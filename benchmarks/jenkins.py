"""What following Jenkins builds costs, as ratios: time over the build's own, requests, log latency, fifty at once.

Jenkins is the sandbox's stand-in in a process of its own; builds are of two jobs and an image, as the interpreter
announces them, and run real shells that print the time each second. The flow runs against a Prefect server of its own,
so that its log and task runs count in. The step's time is measured inside the flow run: beginning and ending one costs
Prefect's own time, whatever it does. The second for which the trigger leaves the build in Jenkins' queue on purpose
(two runs that ask at once get one build) is time in the queue, and does not count as the step's. The naive poller asks
each second for what anybody needs who shows the console and notices the end: the build's state and the rest of its
console.
Requests count from the one that triggers the build.

A first build of a job has no estimate of Jenkins, the second has one; see `tasks.jenkins_build.pacing`.
"""

import asyncio
import contextlib
import logging
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.remove(str(Path(__file__).parent))  # where this file is, `import jenkins` would find it

import httpx
from pydantic import SecretStr

from blocks.jenkins_server import JenkinsServer
from console.server import PrefectServer
from tasks.jenkins_build.job_config import ParameterDefinition, job_config
from tasks.jenkins_build.outcome import BuildOutcome

SECONDS = int(os.environ.get("BENCHMARK_SECONDS", "30"))
MANY = 50
QUIET = 1.0  # `tasks.jenkins_build.server.QUIET_SECONDS`
TICK = re.compile(r"tick (\d+\.\d+)")
JOBS = {"build": 0.4, "test": 0.4, "image": 0.2}  # shares of the build's time


def _stage(name: str, share: float) -> str:
    """A job as the interpreter writes it: announced by marker lines."""
    ticks = f'for second in {{1..{round(SECONDS * share)}}}; do echo "tick $EPOCHREALTIME"; sleep 1; done'
    return f"""\
    stage('{name}') {{
      steps {{
        echo 'gl-job name={name} state=running'
        sh '''#!/bin/bash
{ticks}
'''
        echo 'gl-job name={name} state=success'
      }}
    }}
"""


JENKINSFILE = f"""\
pipeline {{
  agent any
  stages {{
{"".join(_stage(name, share) for name, share in JOBS.items())}  }}
}}
"""


def serve(home: Path) -> None:
    """The stand-in, until its parent closes its input; a line in asks for the requests since the last trigger."""
    from sandbox.http import AppServer
    from sandbox.jenkins.server import Jenkins

    server = AppServer(None, name="jenkins")  # type: ignore[arg-type]
    standin = Jenkins(home, lambda: server.url, {"robot": "t0ken"}, os.environ["PATH"], executors=MANY + 4)
    server._app.app = standin.app
    with server:
        print(server.url, flush=True)
        for _ in sys.stdin:
            triggers = [at for at, line in enumerate(server.faults.log) if "buildWithParameters" in line]
            print(len(server.faults.log) - (triggers[-1] if triggers else 0), flush=True)
            server.faults.log.clear()
    standin.close()


class Standin:
    """The stand-in's process, seen from the benchmark."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "serve", str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.block = JenkinsServer(url=self._line(), username="robot", api_token=SecretStr("t0ken"))

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def requests(self) -> int:
        """How many there were since the last build was triggered, that request included; they are forgotten then."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self._line())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


class Latencies(logging.Handler):
    """Seconds between a line's printing in the build and its showing in Prefect's log."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen += [record.created - float(tick) for tick in TICK.findall(record.getMessage())]


def job(number: int, attempt: int = 0):  # type: ignore[no-untyped-def]
    from tasks.jenkins_build.task import JobSpec

    parameters = [ParameterDefinition("COMMIT_SHA"), ParameterDefinition("BUILD_KEY")]
    config = job_config(JENKINSFILE, parameters)
    return JobSpec(f"group/app{number}", config, "a" * 40, f"{number * 100 + attempt:032x}", jobs=len(JOBS))


async def ours(standin: Standin, numbers: range, attempt: int = 0) -> tuple[float, list[BuildOutcome]]:
    """Wall time and outcomes of builds side by side, in one flow run, the quiet second included."""
    from prefect import flow

    from tasks.jenkins_build.task import run_build

    @flow(name="builds")
    async def builds() -> tuple[float, list[BuildOutcome]]:
        began = time.monotonic()
        outcomes = await asyncio.gather(*(run_build(standin.block, job(number, attempt)) for number in numbers))
        return time.monotonic() - began, list(outcomes)

    return await builds()


async def naive(standin: Standin) -> tuple[float, int]:
    """The build's duration and the requests for it, of a poller that looks each second."""
    from tasks.jenkins_build.server import Jenkins
    from tasks.jenkins_build.task import ensure_job

    spec = job(0, 50)
    name = await ensure_job.fn(standin.block, spec)
    jenkins, start = Jenkins(standin.block), 0
    standin.requests()
    item = jenkins.trigger(name, {"BUILD_KEY": f"{spec.build_key}-1"})
    while (found := jenkins.queue_item(item)).number is None:
        await asyncio.sleep(1)
    while True:
        start = jenkins.log(name, found.number, start).next
        state = jenkins.build(name, found.number)
        if not state.building:
            jenkins.close()
            return state.duration_seconds, standin.requests()
        await asyncio.sleep(1)


async def response_time(standin: Standin, until: asyncio.Event) -> list[float]:
    """How long the stand-in takes for a trivial answer, meanwhile."""
    seen = []
    async with httpx.AsyncClient(auth=("robot", "t0ken"), timeout=60) as client:
        while not until.is_set():
            began = time.monotonic()
            with contextlib.suppress(httpx.TransportError):  # a connection that the stand-in had let go
                await client.get(f"{standin.block.url}/whoAmI/api/json")
                seen.append(time.monotonic() - began)
            await asyncio.sleep(1)
    return seen


def claim(text: str, value: float, bound: float) -> bool:
    """One line of the result."""
    met = value <= bound
    print(f"{text:76} {value:8.2f}   at most {bound:5.2f}   {'ok' if met else 'MISSED'}", flush=True)
    return met


async def measure(standin: Standin) -> bool:
    latencies = Latencies()
    logging.getLogger("prefect.task_runs").addHandler(latencies)
    walls, counts, met = [], [], True
    for attempt, words in enumerate(("first build of a job", "second build of it")):
        standin.requests()
        wall, [outcome] = await ours(standin, range(1), attempt)
        counts.append(60 * standin.requests() / outcome.duration_seconds)
        walls.append(wall)
        over = wall - outcome.duration_seconds - QUIET
        met &= claim(
            f"{words}: seconds over its own {outcome.duration_seconds:.1f} and {QUIET:.0f} in the queue", over, 2
        )
    duration, requests = await naive(standin)
    plain = 60 * requests / duration
    print(f"requests a build-minute: {counts[0]:.0f} first, {counts[1]:.0f} second, {plain:.0f} by the naive poller")
    for words, count in zip(("first", "second"), counts, strict=True):
        met &= claim(f"{words} build: requests over the naive poller's", count / plain, 1 / 3)
    met &= claim("log latency, worst of both builds, seconds", max(latencies.seen), 3)
    print(f"log latency, median: {statistics.median(latencies.seen):.2f} s of {len(latencies.seen)} lines")
    latencies.seen.clear()
    ended = asyncio.Event()
    probe, processor = asyncio.create_task(response_time(standin, ended)), time.process_time()
    wall, _ = await ours(standin, range(1, MANY + 1))
    ended.set()
    answers = await probe
    met &= claim(f"{MANY} builds at once: time over that of one", wall / walls[0], 1.5)
    met &= claim(
        f"{MANY} builds at once: log latency, 95 % of lines, seconds",
        sorted(latencies.seen)[-len(latencies.seen) // 20],
        3,
    )
    met &= claim("peak memory of the process, MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 300)
    print(f"processor time of the process for them: {time.process_time() - processor:.1f} s")
    print(f"the stand-in's own answer, median meanwhile: {statistics.median(answers) * 1000:.0f} ms")
    return met


def main() -> int:
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    with TemporaryDirectory() as folder, PrefectServer(Path(folder) / "prefect") as server:
        server.wait(300)
        standin = Standin(Path(folder) / "jenkins")
        for handler in logging.getLogger("prefect").handlers:
            handler.setLevel(logging.WARNING)  # of the console: what counts is the run's log
        try:
            with temporary_settings({PREFECT_API_URL: server.api_url, PREFECT_HOME: server.home}):
                return 0 if asyncio.run(measure(standin)) else 1
        finally:
            standin.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]))
    else:
        raise SystemExit(main())
