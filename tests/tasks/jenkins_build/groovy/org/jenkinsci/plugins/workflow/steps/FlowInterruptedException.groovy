package org.jenkinsci.plugins.workflow.steps

// `actual` is false for a timeout, which `retry` may try again, and true for somebody's no, or for a branch that failed
// beside this one (`failFast`).
class FlowInterruptedException extends InterruptedException {
  final boolean actual
  final boolean failFast

  FlowInterruptedException(String message, boolean actual, boolean failFast = false) {
    super(message)
    this.actual = actual
    this.failFast = failFast
  }
}
