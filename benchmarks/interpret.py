"""What interpreting costs, as ratios: 10,000 jobs against 1,000, and the whole command against gitlab-ci-local.

The other tool is looked for in GITLAB_CI_LOCAL (its command) and on PATH: `npm install gitlab-ci-local@4.73.0`.
CPU time, the best of some runs, so that other work on the machine counts little; processes by the wall clock.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.jenkins_build.jenkinsfile import RenderSettings, render

MAIN = {"CI_COMMIT_BRANCH": "main", "CI_COMMIT_REF_NAME": "main", "CI_PIPELINE_SOURCE": "push"}
SETTINGS = RenderSettings(clone_url="http://127.0.0.1/group/app.git", commit_sha="0" * 40)
ENTRY = ".gitlab-ci.yml"
EXAMPLE = Path(__file__).parent.parent / "examples" / "hello-service" / ENTRY
RUNS = 5
T = TypeVar("T")
HEAD = """\
stages: [build, test, deploy]
default: {image: "alpine:3.20"}
variables: {LEVEL: info}
.base:
  before_script: [echo base]
  variables: {A: b, C: $A}
  rules:
    - if: $CI_COMMIT_BRANCH
"""


def job(number: int, parent: str, stage: str, needs: str) -> str:
    return (
        f"job{number}:\n  extends: {parent}\n  stage: {stage}\n  script:\n    - echo {number}\n"
        f"    - !reference [.base, before_script]\n  variables: {{N: '{number}', M: $N-$A}}\n{needs}"
    )


def pipeline(kind: str, jobs: int) -> str:
    """A pipeline of so many jobs: ``plain``, behind a ``chain`` of extends, or in a graph of ``needs``."""
    parents = [".base", *(f".base{i}" for i in range(8 if kind == "chain" else 0))]
    text = [HEAD, *(f"{name}:\n  extends: {parents[i]}\n" for i, name in enumerate(parents[1:]))]
    for number in range(jobs):
        needs = f"  needs: [job{number - 1}, job{number - 7}]\n" if kind == "needs" and number > 6 else ""
        stage = "test" if kind == "needs" else ("build", "test", "deploy")[number % 3]
        text.append(job(number, parents[-1], stage, needs))
    return "\n".join(text)


def cpu(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of CPU, and what the work gave."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def one(text: str) -> tuple[float, float]:
    """Seconds to interpret, and to interpret and render."""
    interpreted, pipeline = cpu(partial(interpret, {ENTRY: text}, Context(MAIN)))
    rendered, _ = cpu(partial(render, pipeline, SETTINGS))
    return interpreted, interpreted + rendered


def in_process() -> None:
    """The fastest of some runs; small and large ones by turns, so that a busy machine slows both."""
    for kind in ("plain", "chain", "needs"):
        texts = [pipeline(kind, jobs) for jobs in (1_000, 10_000)]
        runs = [[one(text) for text in texts] for _ in range(RUNS)]
        for which, what in enumerate(("interpreted", "interpreted and rendered")):
            small, large = (min(run[size][which] for run in runs) for size in (0, 1))
            print(f"{kind:6} 1,000 jobs {what} in {small:.2f} s; 10,000 jobs: {large / small:.1f} times that")


def wall(command: list[str], folder: Path) -> tuple[float, int]:
    """Median seconds of a process, and its peak memory in KiB."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    probe = "import resource,subprocess,sys;subprocess.run(sys.argv[1:],capture_output=True);"
    probe += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", probe, *command], cwd=folder, check=True, capture_output=True)
    return statistics.median(seconds), int(done.stdout) // (1024 if sys.platform == "darwin" else 1)


def as_processes() -> None:
    """Our command against the other tool's, on each of some files; the medians of the ratios."""
    other = os.environ.get("GITLAB_CI_LOCAL") or shutil.which("gitlab-ci-local")
    if other is None:
        print("skipped: gitlab-ci-local is not installed (npm install gitlab-ci-local@4.73.0, GITLAB_CI_LOCAL)")
        return
    own = str(Path(sys.executable).with_name("smartclide"))
    sizes = [(kind, jobs) for kind in ("plain", "chain", "needs") for jobs in (5, 25, 100)]
    texts = {"the example": EXAMPLE.read_text()} | {
        f"{jobs} jobs, {kind}": pipeline(kind, jobs) for kind, jobs in sizes
    }
    times, memories = [], []
    for name, text in texts.items():
        with TemporaryDirectory() as place:
            folder = project(Path(place), text)
            ours = wall([own, "interpret", ENTRY, "--branch", "main", "-o", "Jenkinsfile"], folder)
            theirs = wall([other, "--preview"], folder)
        times.append(ours[0] / theirs[0])
        memories.append(ours[1] / theirs[1])
        print(f"{name:15} {ours[0]:.2f} s against {theirs[0]:.2f} s, {ours[1] >> 10} MiB against {theirs[1] >> 10} MiB")
    medians = statistics.median(times), statistics.median(memories)
    print(f"whole process, median: {medians[0]:.2f} of the time, {medians[1]:.2f} of the memory")


def project(folder: Path, text: str) -> Path:
    """A repository of that one file."""
    (folder / ENTRY).write_text(text)
    for command in ("init -q -b main", "remote add origin http://127.0.0.1/group/app.git", "add -A"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *author, "commit", "-qm", "Begin"], cwd=folder, check=True)
    return folder


if __name__ == "__main__":
    in_process()
    as_processes()
