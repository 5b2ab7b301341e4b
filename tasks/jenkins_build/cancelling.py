"""What stops the jobs of a build when one of them failed, in the rendering as stages (in a graph, the runner does)."""

from __future__ import annotations

HALT = """
// workflow:auto_cancel:on_job_failure: a failed job stops those that run beside it, and no stage after it starts.
void halt(String name) {
  if (states[name] == 'failed') {
    error "${name} failed, which cancels all other jobs"
  }
}
"""
