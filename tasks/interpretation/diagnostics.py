"""What the interpreter has to say about the user's text. The types are shared with the reader of YAML below."""

from __future__ import annotations

from tasks.source.diagnostics import Diagnostic, Findings, Severity, Span, errors_of

__all__ = ["Diagnostic", "Findings", "Severity", "Span", "errors_of"]
