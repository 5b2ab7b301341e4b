"""The keywords that say when a job or a pipeline runs: `rules`, `only`, `workflow`, and matrices.

Sources as in `keywords`, which is the table these shapes go into.
"""

from __future__ import annotations

from tasks.interpretation.services_keywords import HOLLOWS, TEXT, VALUE
from tasks.interpretation.shapes import Duration, Entries, Flag, Items, Keys, Text, either
from tasks.source.durations import WEEK

RULES_VARIABLES = Entries(VALUE)
WHENS = Text(("on_success", "on_failure", "always", "never", "manual", "delayed"))
JOB_WHENS = Text(WHENS.one_of, not_here="never", hint=" It is for `rules`: begin the name with a dot instead.")
_DOT = "No path that GitLab compares it with begins with `./`: leave that out."
_PATH = Text(hollow=True, odd=True, pattern=r"^(?!\./)", hint=_DOT)
_CHANGED = Items(_PATH, most=50)
_REGEXP = Text(pattern=r"^(?s:.{1,255})$", hint="At most 255 characters.")
CHANGES = either(_CHANGED, Keys({"paths": _CHANGED, "regexp": _REGEXP, "compare_to": TEXT}, one_of=("paths", "regexp")))
_EXISTING = Items(_PATH, most=50)
EXISTS = either(
    _PATH,
    _EXISTING,
    Keys(
        {"paths": _EXISTING, "regexp": _REGEXP, "project": TEXT, "ref": TEXT},
        one_of=("paths", "regexp"),
        together=(("ref", "project"),),
    ),
)
_CHOICE = Text(whole=True, empty=True)
MATRIX = Keys({"matrix": Items(Entries(either(_CHOICE, Items(_CHOICE)), least=1), most=200)}, required=("matrix",))
_RULE_NEED = Keys({"job": TEXT, "artifacts": Flag(), "optional": Flag(), "parallel": MATRIX}, ("job",))
RULE = Keys(
    {
        "if": TEXT,
        "changes": CHANGES,
        "exists": EXISTS,
        "when": WHENS,
        "allow_failure": Flag(),
        "variables": RULES_VARIABLES,
        "needs": either(Items(either(TEXT, _RULE_NEED), nested=True, blanks=True), _RULE_NEED),
        "start_in": Duration(limit=WEEK),
        "interruptible": Flag(),
    },
    filled=("if", "needs"),
    least=1,
)
RULES = Items(RULE, least=1, nested=True)
INCLUDE_RULES = Items(
    Keys(
        {
            "if": TEXT,
            "changes": CHANGES,
            "exists": either(_PATH, Items(_PATH), EXISTS.shapes[-1]),
            "when": Text(("always", "never")),
        },
        filled=("if",),
        least=1,
    ),
    least=1,
)
AUTO_CANCEL = Keys(
    {"on_new_commit": Text(("conservative", "interruptible", "none")), "on_job_failure": Text(("none", "all"))}
)
_IDLE = ("allow_failure", "needs", "start_in")  # GitLab's `Entry::Workflow` lists them too
WORKFLOW_RULE = Keys(
    {
        "if": TEXT,
        "changes": CHANGES,
        "exists": EXISTS,
        "when": Text(("always", "never")),
        "variables": RULES_VARIABLES,
        "auto_cancel": AUTO_CANCEL,
    },
    filled=("if",),
    least=1,
    idle=_IDLE,
)
_NAME = Text(hollow=True, pattern=r"^(?s:.{1,255})$", hint="At most 255 characters.")
WORKFLOW = Keys({"name": _NAME, "rules": Items(WORKFLOW_RULE, least=1, nested=True), "auto_cancel": AUTO_CANCEL})

POLICY = either(
    HOLLOWS,
    Keys(
        {"refs": HOLLOWS, "variables": Items(TEXT), "changes": Items(_PATH), "kubernetes": Text(("active",))}, least=1
    ),
)
