"""The keywords by which a job uses GitLab's other services: secrets, tokens, inputs, child pipelines, steps, releases.

Sources as in `keywords`, which is the table these shapes go into.
"""

from __future__ import annotations

from tasks.interpretation.shapes import Anything, Entries, Flag, Items, Keys, Shape, Text, either

TEXT = Text()
EMPTY_TEXT = Text(empty=True)
TEXTS = Items(TEXT)
HOLLOW = Text(hollow=True)
HOLLOWS = Items(HOLLOW)
VALUE = Text(loose=True, empty=True)

_VAULT = Keys(
    {"engine": Keys({"name": TEXT, "path": TEXT}, ("name", "path")), "path": TEXT, "field": TEXT},
    required=("engine", "path", "field"),
)
_AWS_KEYS = ("secret_id", "version_id", "version_stage", "region", "role_arn", "role_session_name", "field")
_PROVIDERS: dict[str, Shape] = {
    "vault": either(TEXT, _VAULT),
    "gcp_secret_manager": Keys({"name": TEXT, "version": Text(loose=True)}, ("name",)),
    "azure_key_vault": Keys({"name": TEXT, "version": TEXT}, ("name",)),
    "aws_secrets_manager": either(TEXT, Keys(dict.fromkeys(_AWS_KEYS, TEXT), ("secret_id",))),
    "akeyless": Anything(),
    "gitlab_secrets_manager": Keys({"name": TEXT, "source": TEXT}, ("name",)),
}
SECRET = Keys(
    {**_PROVIDERS, "file": Flag(), "token": TEXT}, one_of=tuple(_PROVIDERS), together=(("gcp_secret_manager", "token"),)
)
ID_TOKENS = Entries(Keys({"aud": either(TEXT, TEXTS)}, required=("aud",)), loose=True)
INPUTS = Entries(Anything(), r"^[a-zA-Z0-9_-]+$")
JOB_INPUTS = Entries(
    Keys(
        {
            "type": Text(("string", "number", "boolean", "array")),
            "default": Anything(),  # its type is looked at by `jobs_alone`
            "description": EMPTY_TEXT,
            "options": Items(VALUE),
            "regex": TEXT,
        },
        required=("default",),
    )
)
PROJECT = Text(pattern=r"\S/\S|\$\S+", hint="Write the full path, such as `group/project`.")
_CHILD_FILES = ("local", "template", "artifact", "project", "remote", "component")
_CHILD = Keys(
    {
        **dict.fromkeys(_CHILD_FILES, TEXT),
        "project": PROJECT,
        "file": either(TEXT, TEXTS),
        "ref": TEXT,
        "job": TEXT,
        "inputs": INPUTS,
        "integrity": TEXT,
        "rules": Anything(),
    },
    one_of=_CHILD_FILES,
    together=(("project", "file"), ("file", "project"), ("artifact", "job")),
)
CHILD = either(TEXT, Items(either(TEXT, _CHILD), least=1, most=3, blanks=True))
_GIT = Keys({"url": TEXT, "dir": TEXT, "rev": TEXT, "file": TEXT}, required=("url", "rev"))
_OCI_KEYS = ("registry", "repository", "tag", "dir", "file")
_OCI = Keys(dict.fromkeys(_OCI_KEYS, TEXT), required=("registry", "repository", "tag"))
_FUNCTION = either(TEXT, Keys({"git": _GIT, "oci": _OCI}, one_of=("git", "oci")))
_WORD = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
STEP = either(
    Keys(
        {
            "name": Text(pattern=_WORD, hint="Use letters, digits and `_`."),
            "env": Entries(EMPTY_TEXT, _WORD),
            "inputs": Entries(Anything(), _WORD),
            "script": TEXT,
            "step": _FUNCTION,
            "func": _FUNCTION,
            "action": TEXT,
        },
        required=("name",),
        one_of=("script", "step", "func", "action"),
        apart=(("script", "inputs"),),
    ),
)
TRIGGER = either(
    PROJECT,
    Keys(
        {
            "project": PROJECT,
            "branch": TEXT,
            "strategy": Text(("depend", "mirror")),
            "include": CHILD,
            "inputs": INPUTS,
            "forward": Keys({"yaml_variables": Flag(), "pipeline_variables": Flag()}),
        },
        one_of=("project", "include"),
        apart=(("include", "branch"),),
    ),
)
_MOMENT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})?)?$|^$"
RELEASE = Keys(
    {
        "tag_name": TEXT,
        "tag_message": HOLLOW,
        "name": Text(loose=True, hollow=True),
        "description": TEXT,
        "ref": Text(whole=True, pattern=r"^[^\s~^:?*\\\[]+$", hint="Name a branch, a tag or a commit."),
        "milestones": either(HOLLOW, HOLLOWS),
        "released_at": Text(pattern=_MOMENT, hint="Write it like `2026-01-31T12:00:00Z`.", empty=True),
        "assets": Keys(
            {
                "links": Items(
                    Keys(
                        {
                            "name": TEXT,
                            "url": TEXT,
                            "filepath": TEXT,
                            "link_type": Text(("runbook", "package", "image", "other")),
                        },
                        required=("name", "url"),
                    ),
                    least=1,
                )
            },
            required=("links",),
        ),
    },
    required=("tag_name", "description"),
)
