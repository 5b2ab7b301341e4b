"""What each recording needs: jobs, fake pipelines, moments to wait for, and the exchanges that are not replayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.jenkins.pipelines import (
    abortable,
    archiving,
    big,
    failing,
    failing_branch,
    gated,
    hello,
    holding,
    in_three_parts,
    no_label,
    restartable,
    sleeper,
    stages_and_parallel,
    stubborn,
    unstable,
    waiting,
    with_tests,
    write_parameters,
)
from tests.sandbox.jenkins.replaying import Replay

STRING = (
    "<hudson.model.StringParameterDefinition><name>{0}</name><defaultValue>{1}</defaultValue>"
    "</hudson.model.StringParameterDefinition>"
)
FOLDER = "<com.cloudbees.hudson.plugins.folder.Folder/>"


def job(*definitions: str, script: str = "echo 1", concurrent: bool = True) -> str:
    properties = ""
    if definitions:
        properties = (
            "<hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
            + "".join(definitions)
            + "</parameterDefinitions></hudson.model.ParametersDefinitionProperty>"
        )
    if not concurrent:
        properties += "<org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty/>"
    return (
        f"<flow-definition><description></description><properties>{properties}</properties>"
        '<definition class="org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition">'
        f"<script>{script}</script><sandbox>true</sandbox></definition><disabled>false</disabled></flow-definition>"
    )


@dataclass
class Scenario:
    """How to replay one recording.

    Attributes:
        jobs: config.xml by full name, created first.
        runs: What stands for the pipeline of a job.
        before: What has to happen before the exchange of that index.
        skipped: Why an exchange is not replayed.
        differing: A difference that is meant, as an expression, and why.
    """

    jobs: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    before: Mapping[int, Callable[[Replay], None]] = field(default_factory=dict)
    skipped: Mapping[int, str] = field(default_factory=dict)
    differing: Mapping[str, str] = field(default_factory=dict)
    executors: int = 8
    quiet_period: float = 0.3


def start(name: str, wait: str = "end", **parameters: str) -> Callable[[Replay], None]:
    """Start a build; `wait` until ``end`` or until a ``stage`` of that name is there."""

    def prepare(replay: Replay) -> None:
        number = replay.build(name, **parameters)
        if wait == "end":
            replay.finished(name, number)
        elif wait:
            seen(name, number, wait)(replay)

    return prepare


def seen(name: str, number: int, text: str) -> Callable[[Replay], None]:
    """Wait until ``wfapi/describe`` shows some text."""
    path = "".join(f"/job/{part}" for part in name.split("/"))
    return lambda replay: replay.until(lambda: text in str(replay.json(f"{path}/{number}/wfapi/describe")))


def ended(name: str, number: int) -> Callable[[Replay], None]:
    return lambda replay: replay.finished(name, number)


def both(*steps: Callable[[Replay], None]) -> Callable[[Replay], None]:
    def prepare(replay: Replay) -> None:
        for step in steps:
            step(replay)

    return prepare


def gate(name: str) -> Callable[[Replay], None]:
    return lambda replay: replay.gates[name].set()


def left(recorded_item: str) -> Callable[[Replay], None]:
    return lambda replay: replay.until(
        lambda: replay.json(f"/queue/item/{replay.items[recorded_item]}/api/json").get("executable")
    )


def repost(name: str, config: str) -> Callable[[Replay], None]:
    return lambda replay: replay.session.post(  # type: ignore[return-value,func-returns-value]
        f"{replay.server.url}/job/{name}/config.xml", data=config, headers={"Content-Type": "text/xml"}, timeout=5
    )


def queued(count: int) -> Callable[[Replay], None]:
    return lambda replay: replay.until(lambda: len(replay.json("/queue/api/json")["items"]) >= count)


def queue_empty(replay: Replay) -> None:
    replay.until(lambda: not replay.json("/queue/api/json")["items"])


def credential_again(replay: Replay) -> None:
    xml = (
        "<com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl><id>rec-up</id><username>a</username>"
        "<password>b</password></com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl>"
    )
    replay.session.post(
        f"{replay.server.url}/credentials/store/system/domain/_/createCredentials",
        data=xml,
        headers={"Content-Type": "application/xml"},
        timeout=5,
    )


def restart(replay: Replay) -> None:
    replay.jenkins.restart(0.4)


def wrong_crumb(replay: Replay) -> None:
    replay.crumb = "0" * 64


def without_cookie(replay: Replay) -> None:
    replay.log_in()
    replay.browser.cookies.clear()


def up_again(replay: Replay) -> None:
    replay.until(lambda: replay.session.get(f"{replay.server.url}/login", timeout=5).status_code == 200)


GRAPH_VIEW = "the plugin pipeline-graph-view's own pages are not offered"
DAG_NAMES = "its stages are those of a long Jenkinsfile; shapes are compared in recordings 31 to 33"

A, KEY, WHO = STRING.format("A", ""), STRING.format("IDEMPOTENCY_KEY", ""), STRING.format("WHO", "dflt")
TYPED = (
    STRING.format("A", "a0"),
    "<hudson.model.BooleanParameterDefinition><name>B</name><defaultValue>false</defaultValue>"
    "</hudson.model.BooleanParameterDefinition>",
    '<hudson.model.ChoiceParameterDefinition><name>C</name><choices class="java.util.Arrays$ArrayList">'
    '<a class="string-array"><string>one</string><string>two</string></a></choices>'
    "</hudson.model.ChoiceParameterDefinition>",
    "<hudson.model.PasswordParameterDefinition><name>P</name><defaultValue>x</defaultValue>"
    "</hudson.model.PasswordParameterDefinition>",
    "<hudson.model.TextParameterDefinition><name>T</name><defaultValue>l1</defaultValue>"
    "</hudson.model.TextParameterDefinition>",
)
RESULTS = {"okj": job(), "fail": job(), "unst": job(), "abrt": job()}
RESULT_RUNS = {"okj": sleeper(0.3), "fail": failing, "unst": unstable, "abrt": abortable}

SCENARIOS: dict[str, Scenario] = {
    "01": Scenario({"f": FOLDER, "t0": job(), "verify": job()}),
    "02": Scenario(before={0: wrong_crumb, 8: without_cookie}),
    "03": Scenario(),
    "10": Scenario(),
    "11": Scenario(
        {"f": FOLDER, "f/cred": job(), "f/inp": job(), "f/slow": job(), "t0": job(), "verify": job()},
        differing={"WorkflowMultiBranchProject": "there are no multibranch projects"},
    ),
    "20": Scenario(
        {"rec": job()}, {"rec": hello}, {4: left("23"), 8: left("25"), 9: ended("rec", 2), 13: ended("rec", 3)}
    ),
    "21": Scenario({"recp": job(*TYPED)}, {"recp": hello}, {1: left("31"), 2: ended("recp", 1)}),
    "22": Scenario(
        {"gone": job()},
        {"gone": write_parameters},
        {2: both(queue_empty, ended("gone", 1)), 5: both(left("39"), ended("gone", 2)), 6: repost("gone", job())},
    ),
    "23": Scenario(
        {"blk": job(), "nolabel": job()},
        {"blk": waiting, "nolabel": no_label},
        {2: left("59"), 9: left("66"), 10: queued(1), 15: ended("nolabel", 1)},
        differing={"nodes: no .*Step(Start|End)Node": "the fake pipeline's node step is no node of the graph"},
    ),
    "24": Scenario(
        {"full1": job(), "full2": job(), "full3": job()},
        {"full1": holding, "full2": hello, "full3": hello},
        {
            0: both(start("full1", ""), start("full2", ""), start("full3", ""), queued(2)),
            5: both(gate("end"), ended("full2", 1)),
        },
        executors=1,
    ),
    "30": Scenario(
        RESULTS,
        RESULT_RUNS,
        {
            0: start("okj", "'a'"),
            2: ended("okj", 1),
            7: start("fail"),
            10: start("unst"),
            12: start("abrt", "'z'"),
            14: ended("abrt", 1),
        },
    ),
    "31": Scenario(
        RESULTS,
        RESULT_RUNS,
        {
            0: both(
                start("okj"),
                start("fail"),
                start("unst"),
                start("abrt", "'z'"),
                lambda replay: replay.jenkins.controller.stop(
                    replay.jenkins.controller.builds.running()[0], "admin", "stop"
                ),
                ended("abrt", 1),
            ),
        },
    ),
    "32": Scenario(
        {"prog": job()},
        {"prog": stages_and_parallel},
        {
            0: start("prog", "'one'"),
            6: both(gate("one"), seen("prog", 1, "'p2b'")),
            12: both(gate("parallel"), ended("prog", 1)),
        },
        {19: "progressiveHtml is for browsers"},
    ),
    "33": Scenario(
        {"par2": job()},
        {"par2": failing_branch},
        {
            0: start("par2", "'oops'"),
            4: both(gate("slow"), ended("par2", 1)),
        },
        {
            **dict.fromkeys((1, 3, 5, 7, 9, 10), GRAPH_VIEW),
            11: "a browser's page of a step; its id is not in this recording",
        },
    ),
    "34": Scenario(
        {"dag-live": job(STRING.format("FAIL_JOB", ""))},
        {"dag-live": in_three_parts},
        {
            0: start("dag-live", "", FAIL_JOB="test-ab"),
            3: gate("part 0"),
            6: gate("part 1"),
            9: gate("part 2"),
            12: both(gate("part 3"), ended("dag-live", 1)),
        },
        {**dict.fromkeys((2, 5, 8, 11, 14), GRAPH_VIEW), **dict.fromkeys((4, 7, 10, 13), DAG_NAMES)},
    ),
    "40": Scenario(
        {"inputjob": job()},
        {"inputjob": gated},
        {
            0: start("inputjob", "PAUSED"),
            7: ended("inputjob", 1),
            11: start("inputjob", "PAUSED"),
            12: ended("inputjob", 2),
            16: start("inputjob", "PAUSED"),
            17: ended("inputjob", 3),
        },
    ),
    "41": Scenario(
        {"stopjob": job(), "stub": job()},
        {"stopjob": abortable, "stub": stubborn},
        {
            0: both(
                start("stopjob", "'z'"),
                lambda replay: replay.jenkins.controller.stop(
                    replay.jenkins.controller.builds.running()[0], "admin", "stop"
                ),
                ended("stopjob", 1),
                start("stopjob", "'z'"),
            ),
            1: ended("stopjob", 2),
            3: start("stub", ""),
        },
    ),
    "42": Scenario(
        {"rst": job(A, STRING.format("SKIP", "false")), "okj": job(), "t0": job()},
        {"rst": restartable, "okj": sleeper(0.01), "t0": hello},
        {
            0: both(start("rst", A="x"), start("okj"), start("t0")),
            3: both(queue_empty, ended("rst", 2)),
            13: both(queue_empty, ended("rst", 3), ended("rst", 4)),
        },
    ),
    "50": Scenario(
        {"art": job()},
        {"art": archiving},
        {0: start("art")},
        differing={"fingerprint: no": "fingerprints of artifacts are not kept"},
    ),
    "51": Scenario(
        {"tst": job(), "art": job()}, {"tst": with_tests, "art": archiving}, {0: both(start("tst"), start("art"))}
    ),
    "52": Scenario(
        {"cf": FOLDER, "cf/crd": job()}, {"cf/crd": lambda host: "FAILURE"}, {16: start("cf/crd"), 23: credential_again}
    ),
    "53": Scenario(skipped={17: "toJson is not offered"}),
    "54": Scenario({"coal": job(A, KEY)}, {"coal": hello}, {7: queue_empty, 8: queue_empty}),
    "55": Scenario(
        {"big": job()},
        {"big": big},
        {0: start("big", ""), 1: ended("big", 1)},
        {2: "an offset inside an annotation: its rubbish is a Java object's"},
    ),
    "60": Scenario(
        {"dagr": job(), "pjz": job()},
        {"dagr": waiting, "pjz": hello},
        {
            0: start("dagr", ""),
            5: restart,
            9: up_again,
            11: lambda replay: replay.log_in(),
            12: left("764"),
            13: both(gate("end"), ended("dagr", 1)),
        },
        dict.fromkeys(range(1, 5), "no answer was recorded: the port was closed (AppServer.stop does that)"),
    ),
}
