"""The fixed Groovy functions by which declarative stages start and end child pipelines."""

from __future__ import annotations

CHILDREN = """
// Jobs whose child pipeline has begun.
@Field List begun = []

// Whether a child pipeline's job may run at all: not when the pipeline was not started, nor when a job failed in one
// of these stages of it, which ends it.
boolean inside(String parent, String name, List ending) {
  return decided(name, 'never', parent in begun && !ending.any { it in failedStages })
}

// Ends a job that waits for its child pipeline, as that one ended.
void childEnded(List stages) {
  if (stages.any { it in failedStages }) {
    error 'the child pipeline failed'
  }
}
"""
