"""Pipelines that together use everything a Jenkinsfile of ours is made of, and what GitLab would make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.interpretation.expressions import And, Equal, Files, Match, Not, Null, Or, Pattern, Text, Truth, Var
from tasks.interpretation.pipeline import (
    AllowFailure,
    Artifacts,
    Cache,
    Child,
    Image,
    Job,
    Need,
    Retry,
    Service,
    Undecided,
)
from tasks.jenkins_build.jenkinsfile import ImageBuild

ALLOWED = AllowFailure(always=True)
MAIN = Equal(Var("CI_COMMIT_BRANCH"), Text("main"))
MADE = (
    *(Equal(Var(name), Text("main")) for name in ("CI_COMMIT_REF_NAME", "CI_COMMIT_REF_SLUG")),
    Match(Var("CI_COMMIT_SHORT_SHA"), Pattern("^\\w{8}$")),
    Match(Var("CI_PROJECT_PATH_SLUG"), Pattern("^[a-z0-9]+(-+[a-z0-9]+)+$")),
    Equal(Var("CI_SERVER_HOST"), Null()),  # of file://
)
ADDS = Undecided(MAIN, variables={"X": "on $CI_COMMIT_BRANCH"}, unresolved_variables=frozenset({"X"}))
HOSTILE = "it's \"$(touch no)\" ${x} \\u0041 \\ ''' $$ \u00fc\U0001f600 */ \u2028 `id`"


@dataclass(frozen=True)
class Case:
    """One pipeline.

    Attributes:
        states: The state each job ends in, by its marker name.
        out: The lines that begin with ``out:``, sorted, without it.
        answers: To inputs, by id.
        parameters: Of the build, besides the commit.
        pipeline: Further fields of the `Pipeline`.
        settings: Further fields of the `RenderSettings`.
        own: Whether Jenkins reads the Jenkinsfile from source control, and no parameter says what to build.
    """

    jobs: tuple[Job, ...]
    states: Mapping[str, str]
    out: tuple[str, ...] = ()
    result: str = "SUCCESS"
    answers: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    pipeline: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False


def job(name: str, stage: str, *script: str, **more: Any) -> Job:
    return Job(name, stage, script or ("true",), **more)


def bridge(name: str, stage: str, child: Child, **more: Any) -> Job:
    return Job(name, stage, (), child=child, **more)


def needs(*names: str) -> tuple[Need, ...]:
    return tuple(map(Need, names))


def _fails_until(count: int, mark: str, code: int) -> str:
    """Shell text that fails with `code` until it was run `count` times; the marks lie beside the workspaces."""
    return f'echo x >> ../{mark}; test "$(wc -l < ../{mark})" -ge {count} || exit {code}'


def _reads(name: str, stage: str, **more: Any) -> Job:
    variables = {"variables": {"W": "w$V"}, "unresolved_variables": frozenset({"W"})}
    return job(name, stage, 'echo "out:$W ${V-unset}"', **variables, **more)


def _since(glob: str) -> Files:
    """Whether files changed since the commit before; the parameter REF is HEAD."""
    return Files((glob,), changed=True, since=(Var("REF"), Text("~1")))


CASES: dict[str, Case] = {
    "failures": Case(
        (
            job("bad", "a", "exit 3"),
            job("good", "a", 'echo "out:$(cat file)"'),
            job("later", "b"),
            job("tell", "b", "echo out:told", when="on_failure"),
            job("tidy", "c", when="always"),
            job("after all", "d"),
        ),
        {
            "bad": "failed",
            "good": "success",
            "later": "skipped",
            "tell": "success",
            "tidy": "success",
            "after%20all": "skipped",
        },
        ("hello", "told"),
        "FAILURE",
    ),
    "nothing failed": Case(
        (job("good", "a"), job("tell", "b", when="on_failure"), job("tidy", "b", when="always"), job("end", "c")),
        {"good": "success", "tell": "skipped", "tidy": "success", "end": "success"},
    ),
    "allowed to fail": Case(
        (
            job("code", "a", "exit 137", allow_failure=AllowFailure(exit_codes=(137,))),
            job("any", "a", "exit 1", allow_failure=ALLOWED),
            job("slow", "a", "sleep 30", timeout_seconds=1, allow_failure=ALLOWED),
            job("next", "b", "echo out:next"),
        ),
        {"code": "unstable", "any": "unstable", "slow": "unstable", "next": "success"},
        ("next",),
    ),
    "not allowed": Case(
        (
            job(
                "code",
                "a",
                "exit 2",
                allow_failure=AllowFailure(exit_codes=(137,)),
                after_script=("echo out:after $CI_JOB_STATUS",),
            ),
            job("slow", "a", "sleep 30", timeout_seconds=1, after_script=("echo out:not after a timeout",)),
            job("next", "b"),
        ),
        {"code": "failed", "slow": "failed", "next": "skipped"},
        ("after failed",),
        "FAILURE",
    ),
    "retry": Case(
        (
            job("twice", "a", _fails_until(3, "twice", 1), retry=Retry(2)),
            job("code", "a", _fails_until(2, "code", 3), retry=Retry(1, exit_codes=(3,))),
        ),
        {"twice": "success", "code": "success"},
    ),
    "retry in vain": Case(
        (
            job("other", "a", _fails_until(2, "other", 4), retry=Retry(1, exit_codes=(3,))),
            job("system", "a", _fails_until(2, "system", 4), retry=Retry(2, ("runner_system_failure",))),
            job("slow", "a", "echo x >> ../s; sleep 20", timeout_seconds=5, retry=Retry(1, ("job_execution_timeout",))),
            job("count", "b", "echo out:$(cat ../other ../system ../s | wc -l)", when="always"),
        ),
        {"other": "failed", "system": "failed", "slow": "failed", "count": "success"},
        ("4",),
        "FAILURE",
    ),
    "needs": Case(
        (
            job("root", "a", "sleep 0.2"),
            job("bad", "a", "exit 1"),
            job("left", "b", needs=needs("root")),
            job("right", "b", "exit 9", needs=needs("root"), allow_failure=ALLOWED),
            job("join", "c", needs=needs("left", "right")),
            job("stage", "c"),
            job("mourns", "c", needs=needs("bad"), when="on_failure"),
            job("misses", "d", needs=needs("join", "bad")),
            job("at once", "d", needs=()),
            job("of skipped", "e", needs=needs("misses")),
            job("always", "e", needs=needs("misses"), when="always"),
        ),
        {
            "root": "success",
            "bad": "failed",
            "left": "success",
            "right": "unstable",
            "join": "success",
            "stage": "skipped",
            "mourns": "success",
            "misses": "skipped",
            "at%20once": "success",
            "of%20skipped": "skipped",
            "always": "success",
        },
        result="FAILURE",
    ),
    "children": Case(
        (
            job("give", "a", "echo given > given", artifacts=Artifacts(("given",))),
            bridge("waits", "a", Child(("w1", "w2"), waits=True)),
            job("w: one", "w1", "test ! -e given; echo made > made", parent="waits", artifacts=Artifacts(("made",))),
            job("w: bad", "w2", "exit 1", parent="waits", allow_failure=ALLOWED),
            job("w: takes", "w2", "echo out:$(cat made given)", needs=needs("w: one"), taken=("give",), parent="waits"),
            bridge("w: inner", "w2", Child(("i",), waits=True), parent="waits"),
            job("i: at once", "i", 'echo "out:$CI_JOB_NAME"', needs=(), parent="w: inner", own_name="at once"),
            bridge("goes on", "b", Child(("g1", "g2"))),
            job("g: bad", "g1", "exit 1", parent="goes on"),
            job("g: later", "g2", parent="goes on"),
            job("g: mourns", "g2", "echo out:mourns", parent="goes on", when="on_failure"),
            bridge("ends", "b", Child(("e1", "e2"), fail_fast=True)),
            job("e: bad", "e1", "exit 1", parent="ends"),
            job("e: mourns", "e2", parent="ends", when="always"),
            job("after", "b", "test -e given; test ! -e made"),
        ),
        {
            "give": "success",
            "waits": "success",
            "w%3A%20one": "success",
            "w%3A%20bad": "unstable",
            "w%3A%20takes": "success",
            "w%3A%20inner": "success",
            "i%3A%20at%20once": "success",
            "goes%20on": "success",
            "g%3A%20bad": "failed",
            "g%3A%20later": "skipped",
            "g%3A%20mourns": "success",
            "ends": "success",
            "e%3A%20bad": "failed",
            "e%3A%20mourns": "skipped",
            "after": "success",
        },
        ("made given", "at once", "mourns"),
    ),
    "resource groups": Case(
        (
            job("one", "a", "mkdir ../alone; sleep 0.3; rmdir ../alone", resource_group="x"),
            job("two", "a", "mkdir ../alone; sleep 0.3; rmdir ../alone", resource_group="x"),
            job("three", "a", "mkdir ../alone; sleep 0.3; rmdir ../alone", resource_group="x", needs=()),
            job("not", "a", "true", resource_group="x", when="on_failure"),
            job("last", "b", "mkdir ../alone; rmdir ../alone", resource_group="x"),
        ),
        {"one": "success", "two": "success", "three": "success", "not": "skipped", "last": "success"},
    ),
    "children that fail or do not start": Case(
        (
            bridge("fails", "c", Child(("f",), waits=True)),
            job("f: bad", "f", "exit 1", parent="fails"),
            bridge("refused", "c", Child(refused="no such file"), allow_failure=ALLOWED),
            bridge("nothing", "c", Child(waits=True)),
            bridge("skipped", "d", Child(("s",), waits=True)),
            job("s: never", "s", parent="skipped"),
            bridge("s: child", "s", Child(("t",)), parent="skipped"),
            job("t: never", "t", parent="s: child"),
            job("mourns", "d", when="on_failure", needs=needs("fails")),
        ),
        {
            "fails": "failed",
            "f%3A%20bad": "failed",
            "refused": "unstable",
            "nothing": "success",
            "skipped": "skipped",
            "s%3A%20never": "skipped",
            "s%3A%20child": "skipped",
            "t%3A%20never": "skipped",
            "mourns": "success",
        },
        result="FAILURE",
    ),
    "files": Case(
        (
            job(
                "make",
                "a",
                'mkdir dist; echo it > dist/app; echo no > dist/x.tmp; echo "V=it\'s \\$\\$5 = x" > b.env; echo u >u,n',
                after_script=("echo out:status=$CI_JOB_STATUS; echo more > dist/more; exit 5",),
                artifacts=Artifacts(
                    ("dist/",), untracked=True, exclude=("dist/*.tmp",), reports={"dotenv": ("b.env",)}
                ),
            ),
            job(
                "fail",
                "a",
                'echo log > log; echo \'<testsuite name="s"><testcase name="t"/></testsuite>\' > j.xml; exit 1',
                allow_failure=ALLOWED,
                artifacts=Artifacts(("log",), when="on_failure", reports={"junit": ("j.xml",)}),
            ),
            job("use", "b", 'echo "out:$(cat dist/app dist/more u,n log | tr "\\n" " ")V=$V"; test ! -e dist/x.tmp'),
            job("none", "b", 'echo "out:none ${V-unset}"; test ! -e dist', dependencies=()),
            job("one", "b", "test ! -e dist; cat log", needs=needs("fail")),
            job("order only", "b", "test ! -e dist", needs=(Need("make", artifacts=False),)),
        ),
        {
            "make": "success",
            "fail": "unstable",
            "use": "success",
            "none": "success",
            "one": "success",
            "order%20only": "success",
        },
        ("it more u log V=it's $5 = x", "none unset", "status=success"),
    ),
    "manual and delayed": Case(
        (
            job("play", "a", when="manual", allow_failure=ALLOWED),
            job("not", "a", when="manual", allow_failure=ALLOWED),
            job("nobody", "a", when="manual", allow_failure=ALLOWED),
            job("must", "b", "echo out:must", when="manual"),
            job("soon", "b", when="delayed", start_in_seconds=1),
            job("of not", "c", needs=needs("not")),
        ),
        {
            "play": "success",
            "not": "skipped",
            "nobody": "skipped",
            "must": "success",
            "soon": "success",
            "of%20not": "skipped",
        },
        ("must",),
        answers={
            "Job-1": ("proceed", {"ANSWER": "run"}),
            "Job-2": ("proceed", {"ANSWER": "skip"}),
            "Job-4": ("proceed", {}),
        },
        settings={"manual_wait_seconds": 1},
    ),
    "manual, not waiting": Case(
        (job("play", "a", when="manual", allow_failure=ALLOWED), job("next", "b")),
        {"play": "skipped", "next": "success"},
        settings={"manual": "skip"},
    ),
    "a no": Case(
        (job("first", "a"), job("must", "b", when="manual"), job("next", "c")),
        {"first": "success"},
        result="ABORTED",
        answers={"Job-2": ("abort", {})},
    ),
    "rules": Case(
        (
            job("main", "a", 'echo "out:T=$T $CI_COMMIT_BRANCH"', rules=(Undecided(MAIN, variables={"T": "it's"}),)),
            job("tag", "a", rules=(Undecided(Match(Var("CI_COMMIT_TAG"), Pattern("^v\\d+$"))),)),
            job("wanted", "a", rules=(Undecided(Match(Var("CI_COMMIT_BRANCH"), Var("WANTED"))),)),
            job("both", "a", rules=(Undecided(And((MAIN, Not(MAIN)))),)),
            job("none", "b", rules=(Undecided(Or((Truth(Var("NONE")), Equal(Var("X"), Null())))),)),
            job("fails", "b", "exit 1", rules=(Undecided(MAIN, allow_failure=ALLOWED),)),
            job("never", "b", rules=(Undecided(MAIN, when="never"), Undecided(Not(MAIN)))),
            job("wait", "b", rules=(Undecided(MAIN, when="delayed", start_in_seconds=1),)),
            job("ask", "c", rules=(Undecided(MAIN, when="manual"),)),
            job("sad", "c", rules=(Undecided(MAIN, when="on_failure"),)),
            job("flag", "c", rules=(Undecided(Match(Var("CI_COMMIT_BRANCH"), Pattern("^MA", "i"))),)),
            job("made", "c", rules=(Undecided(And(MADE)),)),
        ),
        {
            "main": "success",
            "tag": "skipped",
            "wanted": "success",
            "both": "skipped",
            "none": "success",
            "fails": "unstable",
            "never": "skipped",
            "wait": "success",
            "ask": "success",
            "sad": "skipped",
            "flag": "success",
            "made": "success",
        },
        ("T=it's main",),
        answers={"Job-9": ("proceed", {})},
        parameters={"CI_COMMIT_BRANCH": "main", "CI_COMMIT_TAG": "", "WANTED": "/^MA/i"},
        pipeline={"decided": False},
    ),
    "images": Case(
        (
            job(
                "inside",
                "a",
                'echo "out:$V ${HOME-no home} $(cat file)"; echo made > made; mkdir -p out/empty',
                image=Image("python:3.12"),
                variables={"V": HOSTILE},
                after_script=("echo out:after $CI_JOB_STATUS",),
                artifacts=Artifacts(("made", "out/")),
            ),
            job(
                "served",
                "a",
                "exit 7",
                image=Image("alpine", entrypoint=("/bin/sh", "-c"), user="0"),
                services=(Service("postgres:16", ("db",), command=("-c", "fsync=off")),),
                allow_failure=AllowFailure(exit_codes=(7,)),
            ),
            job("use", "b", "echo out:$(cat made) $(find out | sort)", image=Image("alpine")),
        ),
        {"inside": "success", "served": "unstable", "use": "success"},
        (
            f"{HOSTILE} no home hello",
            "after success",
            "image alpine",
            "image alpine",
            "image python:3.12",
            "image python:3.12",
            "made out out/empty",
        ),
    ),
    "hostile": Case(
        (
            job(
                'it\'s "$x": */ ${y} \\',
                "st'age",
                f"printf 'out:%s\\n' '{HOSTILE.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'",
                "cat <<'END'\nout:'''\\n\\\\$1\nEND",
                'echo "out:$CI_JOB_NAME|$CI_JOB_STAGE"',
                variables={"V": HOSTILE},
            ),
            job("\u00fc\U0001f600 /..\n{}", "st'age", 'echo "out:$V"', variables={"V": HOSTILE}),
            job("state=failed", "st'age", "echo gl-job; exit 1", allow_failure=ALLOWED),
        ),
        {
            "it%27s%20%22%24x%22%3A%20%2A%2F%20%24%7By%7D%20%5C": "success",
            "%C3%BC%F0%9F%98%80%20%2F..%0A%7B%7D": "success",
            "state%3Dfailed": "unstable",
        },
        (HOSTILE, HOSTILE, "'''\\n\\\\$1", "it's \"$x\": */ ${y} \\|st'age"),
    ),
    "variables": Case(
        (
            job(
                "a",
                "a",
                'echo "out:$O|$L|$P|$S|${X-unset}|${E-unset}"',
                variables={"O": "$$5 ${CI_JOB_NAME} $NOT_THERE.", "L": "$$5 $CI_JOB_NAME", "E": ""},
                unresolved_variables=frozenset({"O"}),
                excluded_variables=("X",),
            ),
            job("none", "a", "echo out:$X; test ! -e file", variables={"GIT_STRATEGY": "none"}),
            job("whole", "b", "git log --oneline | wc -l | sed s/^/out:/", variables={"GIT_DEPTH": "0"}),
            job("before", "b", 'test "$STEP" = one', before_script=("STEP=one", "echo out:before")),
        ),
        {"a": "success", "none": "success", "whole": "success", "before": "success"},
        ("$5 a .|$$5 $CI_JOB_NAME|7|$CI_PIPELINE_ID|unset|", "2", "before", "x"),
        pipeline={
            "variables": {"P": "$CI_PIPELINE_ID", "S": "$CI_PIPELINE_ID", "X": "x"},
            "unresolved_variables": frozenset({"P"}),
        },
    ),
    "after each attempt": Case(
        (
            job("some", "a", _fails_until(3, "again", 3), after_script=("echo out:$CI_JOB_STATUS",), retry=Retry(2)),
            job("codes", "a", "exit 4", after_script=("echo out:codes",), retry=Retry(1, exit_codes=(4,))),
            job(
                "late",
                "a",
                "sleep 30",
                timeout_seconds=1,
                after_script=("echo out:not after a timeout",),
                retry=Retry(1),
                allow_failure=ALLOWED,
            ),
        ),
        {"some": "success", "codes": "failed", "late": "unstable"},
        ("codes", "codes", "failed", "failed", "success"),
        "FAILURE",
    ),
    "caches": Case(
        (
            job(
                "fill",
                "a",
                'mkdir deps; echo "$V" > deps/x; echo y > y',
                variables={"V": HOSTILE},
                caches=(
                    Cache("$V/$CI_JOB_ID", paths=("none",)),
                    Cache("$V", paths=("deps/",)),
                    Cache(key_files=("f*",), key_prefix="p", paths=("y",), when="always"),
                ),
            ),
            job(
                "bad",
                "a",
                "touch z; exit 1",
                caches=(Cache("z", paths=("z",), when="on_failure"),),
                allow_failure=ALLOWED,
            ),
            job("worse", "a", "touch z; exit 1", caches=(Cache("w", paths=("z",)),), allow_failure=ALLOWED),
            job(
                "use",
                "b",
                'echo "out:$(cat deps/x y)"; ls z; touch deps/no',
                variables={"V": HOSTILE},
                caches=(
                    Cache("missing", paths=("deps",), fallback_keys=("$V",), policy="pull"),
                    Cache(key_files=("file",), key_prefix="p", policy="pull", paths=("y",)),
                    Cache("z", paths=("none",)),
                ),
            ),
            job(
                "reports",
                "b",
                "mkdir r; echo > r/a.xml",
                artifacts=Artifacts(reports={"sast": ("r/",), "metrics": ("none.txt",)}),
            ),
            job("no", "b", "test ! -e z", caches=(Cache("w", paths=("z",)),)),
            job(
                "contained",
                "c",
                "ls deps; echo made > deps/inside",
                image=Image("alpine"),
                variables={"V": HOSTILE},
                caches=(Cache("$V", paths=("deps",)),),
            ),
            job(
                "see",
                "d",
                "echo out:$(ls deps)",
                variables={"V": HOSTILE},
                caches=(Cache("$V", paths=("deps",)),),
            ),
        ),
        {
            "fill": "success",
            "bad": "unstable",
            "worse": "unstable",
            "use": "success",
            "reports": "success",
            "no": "success",
            "contained": "success",
            "see": "success",
        },
        (
            HOSTILE,
            "image alpine",
            "inside x",
        ),
        parameters={"SMARTCLIDE_CACHE_DIR": "../caches"},
    ),
    "around the checkout": Case(
        (
            job(
                "hook",
                "a",
                "echo out:$(cat file)",
                pre_get_sources=('echo "out:$V $(ls -A | wc -l)"',),
                variables={"V": HOSTILE, "GIT_SUBMODULE_STRATEGY": "recursive"},
            ),
            job("bare", "a", "ls -A", pre_get_sources=("touch left",), variables={"GIT_STRATEGY": "none"}),
            job("nothing", "a", 'echo "out:$(ls -A)"', variables={"GIT_CHECKOUT": "false"}),
            job("wrong", "b", variables={"GIT_SUBMODULE_STRATEGY": "all"}, allow_failure=ALLOWED),
            job("failing", "b", "echo out:no", pre_get_sources=("exit 3",), allow_failure=ALLOWED),
        ),
        {"hook": "success", "bare": "success", "nothing": "success", "wrong": "unstable", "failing": "unstable"},
        ("hello", f"{HOSTILE} 0", ".git"),
        settings={"git_credentials_id": "robot"},
    ),
    "login": Case(
        (
            job("push", "a", 'echo "out:${#CI_REGISTRY_USER} $CI_REGISTRY_PASSWORD"'),
            job("other", "a", "env | grep ^CI_REG || echo out:none of it"),
        ),
        {"push": "success", "other": "success"},
        ("5 ****", "none of it"),
        settings={"registry_credentials_id": "robot"},
    ),
    "image stage": Case(
        (job("make", "a", "echo built > file; mkdir -p out/empty", artifacts=Artifacts(("*",))),),
        {"make": "success"},
        ("build registry.example/app:tag built", "folder ['empty'] []"),
        settings={"image": ImageBuild("registry.example/app", "tag", registry_credentials_id="robot")},
    ),
    "rules about files": Case(
        (
            job("there", "a", "echo out:there", rules=(Undecided(Files(("*file", "no/*"), changed=False)),)),
            job("not there", "a", rules=(Undecided(Files(("fil", "a/"), changed=False)),)),
            job("since", "a", "echo out:since", rules=(Undecided(_since("file")),)),
            job("not since", "a", rules=(Undecided(And((MAIN, _since("Docker*")))),)),
            job("first build", "b", "echo out:first", rules=(Undecided(Files(("nothing",), changed=True)),)),
            job("not", "b", rules=(Undecided(Not(Files(("**/*.c",), changed=True))),)),
            job("adds", "b", 'echo "out:$X"', rules=(ADDS,)),
        ),
        {
            "there": "success",
            "not%20there": "skipped",
            "since": "success",
            "not%20since": "skipped",
            "first%20build": "success",
            "not": "skipped",
            "adds": "success",
        },
        ("there", "since", "first", "on main"),
        parameters={"CI_COMMIT_BRANCH": "main", "REF": "HEAD"},
        pipeline={"decided": False},
    ),
    "reported variables in child pipelines": Case(
        (
            job("give", "a", "echo V=1.2 > e.env", artifacts=Artifacts(reports={"dotenv": ("e.env",)})),
            bridge("lent", "b", Child(("in lent",), waits=True)),
            _reads("one", "in lent", parent="lent"),
            bridge("passed", "b", Child(("in passed",), waits=True, forwards=True)),
            _reads("two", "in passed", parent="passed"),
            _reads("three", "c"),
        ),
        dict.fromkeys(("give", "lent", "one", "passed", "two", "three"), "success"),
        ("w1.2 unset", "w1.2 1.2", "w1.2 1.2"),
    ),
    "a failure that cancels all others": Case(
        (
            job("slow", "a", "sleep 100", after_script=("echo out:after",)),
            job("bad", "a", "sleep 1", "exit 3"),
            job("later", "b", when="always"),
        ),
        {"slow": "canceled", "bad": "failed"},
        ("after",),
        result="FAILURE",
        pipeline={"fail_fast": True},
    ),
    "a commit that git describes": Case(
        (job("a", "a", 'echo "out:$CI_COMMIT_TITLE by $CI_COMMIT_AUTHOR"'),),
        {"a": "success"},
        ("x by a <a@b.example>",),
        pipeline={"decided": False},
    ),
    "read from source control": Case(
        (
            job("a", "a", 'echo "out:$CI_COMMIT_BRANCH $CI_COMMIT_MESSAGE $(git log -1 --format=%s)"'),
            job("b", "b", 'echo "out:$CI_PROJECT_NAME"', rules=(Undecided(MAIN),)),
            job("changed", "b", rules=(Undecided(Files(("file",), changed=True)),)),
        ),
        {"a": "success", "b": "success", "changed": "success"},
        ("main x x", "origin"),
        pipeline={"decided": False},
        own=True,
    ),
    "no source at all": Case(
        (job("a", "a"),), {}, result="FAILURE", parameters={"REPO_URL": ""}, pipeline={"decided": False}
    ),
    "another commit": Case((job("a", "a"),), {}, result="FAILURE", parameters={"COMMIT_SHA": "0" * 40}),
}
