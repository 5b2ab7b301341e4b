"""What a command prints of a run that ended."""

from uuid import UUID

from console.follow import RunResult
from console.runs import show_result


def test_a_run_that_prefect_let_not_begin_says_what_to_do(capsys):
    message = "Deployment concurrency limit reached."
    show_result(RunResult(UUID(int=1), "monitor-all", "CANCELLED", message, None), as_json=False)
    assert capsys.readouterr().err.splitlines() == [
        "Cancelled: Deployment concurrency limit reached.",
        "Another run of it, by schedule perhaps, is under way. Add --local for one beside it.",
    ]


def test_why_a_run_failed_is_one_paragraph(capsys):
    message = "Flow run encountered an exception: NotFoundError: There is no revision 7; recorded: 1."
    show_result(RunResult(UUID(int=1), "rollback", "FAILED", message, None), as_json=False)
    assert capsys.readouterr().err == "Failed: There is no revision 7; recorded: 1.\n"
