package org.jenkinsci.plugins.workflow.steps

// `actual` is false for a timeout, which `retry` may try again, and true for somebody's no.
class FlowInterruptedException extends InterruptedException {
  final boolean actual

  FlowInterruptedException(String message, boolean actual) {
    super(message)
    this.actual = actual
  }
}
