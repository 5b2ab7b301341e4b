"""A build's lines in Prefect's log: whole, unless they flood."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.jenkins_build.showing import Allowance, Showing


class Log:
    def __init__(self, burst: int = 2000, per_second: float = 0.0) -> None:
        self.records: list[tuple[str | None, str]] = []
        self.now = 0.0
        allowance = Allowance(burst, per_second, lambda: self.now)
        self.showing = Showing(lambda job, text: self.records.append((job, text)), "/logs/7", allowance)

    def take(self, job: str | None, *lines: str) -> None:
        for line in lines:
            self.showing.line(job, line)
        self.showing.flush()

    def shown(self, job: str | None) -> list[str]:
        return [line for whose, text in self.records if whose == job for line in text.split("\n")]


def test_lines_go_to_their_job_in_records_of_many() -> None:
    log = Log()
    log.take("a", *(f"line {n}" for n in range(450)))
    log.take("b", "b")
    assert [(job, text.count("\n") + 1) for job, text in log.records] == [("a", 200), ("a", 200), ("a", 50), ("b", 1)]
    assert log.shown("a") == [f"line {n}" for n in range(450)]


def test_lines_steer_no_terminal() -> None:
    log = Log()
    log.take("job", "a\x1b]52;c;ZXZpbA==\x07b\tc")
    assert log.shown("job") == [r"a\x1b]52;c;ZXZpbA==\x07b" + "\tc"]


def test_a_flood_is_counted_and_ends_with_its_last_lines() -> None:
    log = Log(burst=10)
    log.take("a", *(f"line {n}" for n in range(100_000)))
    log.showing.end("a")
    shown = log.shown("a")
    assert shown[:10] == [f"line {n}" for n in range(10)]
    assert shown[10] == "... 99,970 lines are left out here; the whole log: /logs/7"
    assert shown[11:] == [f"line {n}" for n in range(99_980, 100_000)]
    assert len(log.records) == 3


def test_a_flood_that_ebbs_is_shown_again() -> None:
    log = Log(burst=2, per_second=1.0)
    log.take(None, "1", "2", "3", "4", "5")
    log.now = 2.0
    log.take(None, "6")
    assert log.shown(None) == ["1", "2", "... 3 lines are left out here; the whole log: /logs/7", "6"]


def test_one_jobs_flood_is_not_the_others() -> None:
    log = Log(burst=3)
    log.take("a", "1", "2", "3", "4")
    log.take("b", "x")
    log.showing.end("b")
    log.showing.end("a")
    assert log.shown("b") == ["x"]
    assert log.shown("a") == ["1", "2", "3", "4"]


def test_a_very_long_line_is_cut() -> None:
    log = Log()
    log.take("a", "x" * 5000)
    assert log.shown("a") == ["x" * 2000 + "... (5,000 characters)"]


def test_records_stay_small() -> None:
    log = Log()
    log.take("a", *["y" * 1999] * 40)
    assert all(len(text) <= 30_000 for _, text in log.records)
    assert log.shown("a") == ["y" * 1999] * 40


@given(st.lists(st.lists(st.text("ab", max_size=3), max_size=30), max_size=10), st.integers(0, 60))
def test_every_line_is_shown_or_counted(batches: list[list[str]], burst: int) -> None:
    log = Log(burst=burst)
    for batch in batches:
        log.take("a", *batch)
    log.showing.end("a")
    shown = log.shown("a")
    counted = sum(int(line.split()[1].replace(",", "")) for line in shown if line.startswith("... "))
    assert counted + sum(not line.startswith("... ") for line in shown) == sum(map(len, batches))
