"""What ``api/json`` shows of items, builds, the queue and the node."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from sandbox.jenkins import actions, graph, junit, parameters
from sandbox.jenkins.agents import Lease
from sandbox.jenkins.builds import PERMALINKS, Build, permalink
from sandbox.jenkins.controller import Controller
from sandbox.jenkins.export import HIDDEN, Bean
from sandbox.jenkins.items import Folder, Item, Job
from sandbox.jenkins.queueing import QueueItem

FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
JOB = "org.jenkinsci.plugins.workflow.job.WorkflowJob"
RUN = "org.jenkinsci.plugins.workflow.job.WorkflowRun"
_PLACEHOLDER = "org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$PlaceholderTask"
_NOTHING = Bean(None)
_COLORS = {"SUCCESS": "blue", "UNSTABLE": "yellow", "FAILURE": "red", "NOT_BUILT": "notbuilt", "ABORTED": "aborted"}


class Views:
    """Beans of a controller's objects, with absolute addresses."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def url(self, path: str) -> str:
        """An absolute address."""
        return self._controller.public_url().rstrip("/") + "/" + path

    def root(self) -> Bean:
        """``/api/json``."""
        controller = self._controller
        view = Bean("hudson.model.AllView", {"name": "all", "url": self.url("")}, {"name": 2, "url": 2})
        return Bean(
            "hudson.model.Hudson",
            {
                "assignedLabels": [
                    Bean(None, {"name": name}, {"name": 2}) for name in sorted(controller.agents.labels)
                ],
                "mode": "NORMAL",
                "nodeDescription": "the Jenkins controller's built-in node (a stand-in)",
                "nodeName": "",
                "numExecutors": controller.agents.count,
                "description": None,
                "jobs": lambda: [self.item(each) for each in controller.root.children.values()],
                "overallLoad": _NOTHING,
                "primaryView": view,
                "quietDownReason": None,
                "quietingDown": controller.quieting_down,
                "slaveAgentPort": -1,
                "unlabeledLoad": Bean("jenkins.model.UnlabeledLoadStatistics"),
                "url": self.url(""),
                "useCrumbs": True,
                "useSecurity": True,
                "views": [view],
            },
        )

    def item(self, item: Item) -> Bean:
        """A folder or a job."""
        return self.folder(item) if isinstance(item, Folder) else self.job(item)  # type: ignore[arg-type]

    def folder(self, folder: Folder) -> Bean:
        """A folder."""
        view = Bean("hudson.model.AllView", {"name": "All", "url": self.url(folder.url_path)}, {"name": 2, "url": 2})
        credentials = Bean(
            "com.cloudbees.plugins.credentials.ViewCredentialsAction", {"stores": _NOTHING}, {"stores": 0}
        )
        return Bean(
            FOLDER,
            {
                "actions": [_NOTHING, _NOTHING, credentials],
                **self._names(folder),
                "healthReport": [],
                "jobs": lambda: [self.item(each) for each in folder.children.values()],
                "primaryView": view,
                "views": [view],
            },
            {"name": 3, "url": 3},
        )

    def _names(self, item: Item) -> dict[str, Any]:
        return {
            "description": item.description,
            "displayName": item.name,
            "displayNameOrNull": None,
            "fullDisplayName": item.display_path,
            "fullName": item.full_name,
            "name": item.name,
            "url": self.url(item.url_path),
        }

    def job(self, job: Job) -> Bean:
        """A Pipeline job."""
        builds = self._controller.builds.of(job)
        queued = self._controller.queue.of(job)
        fields: dict[str, Any] = {
            "actions": [
                *[_NOTHING] * 5,
                Bean("org.jenkinsci.plugins.displayurlapi.actions.JobDisplayAction"),
                _NOTHING,
                _NOTHING,
                Bean("com.cloudbees.plugins.credentials.ViewCredentialsAction"),
            ],
            **self._names(job),
            "buildable": not job.disabled,
            "builds": lambda: [self.build(each) for each in builds[:100]],
            "allBuilds": lambda: [self.build(each) for each in builds],
            "color": self._color(job, builds),
            "firstBuild": lambda: self.build(builds[-1]) if builds else None,
            "healthReport": [],
            "keepDependencies": False,
            "nextBuildNumber": job.next_number,
            "property": self._properties(job),
            "concurrentBuild": job.concurrent,
            "inQueue": queued is not None,
            "queueItem": lambda: self.queue_item(queued) if queued is not None else None,
            "resumeBlocked": False,
        }
        for name in PERMALINKS:
            fields[name] = partial(self._permalink, builds, name)
        return Bean(JOB, fields, {"name": 3, "url": 3, "color": 2, "allBuilds": HIDDEN})

    def _permalink(self, builds: list[Build], name: str) -> Bean | None:
        found = permalink(builds, name)
        return self.build(found) if found is not None else None

    def _color(self, job: Job, builds: list[Build]) -> str:
        ended = [build for build in builds if not build.running]
        color = _COLORS[ended[0].result or "NOT_BUILT"] if ended else "notbuilt"
        if job.disabled:
            color = "disabled"
        return color + ("_anime" if builds and builds[0].running else "")

    def _properties(self, job: Job) -> list[Bean]:
        shown = []
        definitions = job.definitions()
        if definitions:
            shown.append(
                Bean(
                    parameters.PROPERTY,
                    {"parameterDefinitions": [definition.bean() for definition in definitions]},
                    {"parameterDefinitions": 2},
                )
            )
        if not job.concurrent:
            shown.append(Bean("org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty"))
        return shown

    def build(self, build: Build) -> Bean:
        """A run."""
        builds = self._controller.builds.of(build.job)
        later = [each for each in builds if each.number > build.number]
        earlier = [each for each in builds if each.number < build.number]
        name = build.display_name or f"#{build.number}"
        return Bean(
            RUN,
            {
                "actions": lambda: self._actions(build),
                "artifacts": lambda: actions.artifacts(build),
                "building": build.running,
                "description": build.description,
                "displayName": name,
                "duration": (build.ended or build.started) - build.started if not build.running else 0,
                "estimatedDuration": self._estimate(builds),
                "executor": Bean("hudson.model.OneOffExecutor") if build.running else None,
                "fingerprint": [],
                "fullDisplayName": f"{build.job.display_path} {name}",
                "id": str(build.number),
                "keepLog": build.keep_log,
                "number": build.number,
                "queueId": build.queue_id,
                "result": None if build.running else build.result,
                "timestamp": build.timestamp,
                "url": self.url(build.url_path),
                "changeSets": [],
                "culprits": [],
                "inProgress": build.running,
                "nextBuild": lambda: self._neighbour(later[-1]) if later else None,
                "previousBuild": lambda: self._neighbour(earlier[0]) if earlier else None,
            },
            {"number": 2, "url": 2, "fingerprint": HIDDEN},
        )

    def _neighbour(self, build: Build) -> Bean:
        """Jenkins leaves ``_class`` out where the declared type says it."""
        return replace(self.build(build), cls=None)

    def _estimate(self, builds: list[Build]) -> int:
        ended = [build.ended - build.started for build in builds if build.ended is not None][:3]
        return sum(ended) // len(ended) if ended else -1

    def _actions(self, build: Build) -> list[Bean]:
        found: list[Bean] = [_NOTHING] if build.order.restart or build.order.script is not None else []
        found += [actions.cause_action(build.order.causes), actions.time_in_queue(build)]
        given = actions.parameters_action(build.job, build.order.parameters)
        found += [given] if given is not None else []
        found.append(Bean("org.jenkinsci.plugins.workflow.libs.LibrariesAction", {"libraries": []}, {"libraries": 0}))
        found.append(_NOTHING)
        if build.had_input:
            found.append(
                Bean(
                    "org.jenkinsci.plugins.workflow.support.steps.input.InputAction",
                    {
                        "displayName": "Paused for Input" if build.inputs else None,
                        "executions": [_NOTHING] * len(build.inputs),
                        "waitingForInput": bool(build.inputs),
                    },
                    {"displayName": 0, "executions": 0, "waitingForInput": 0},
                )
            )
        if build.approver is not None:
            found.append(
                Bean("org.jenkinsci.plugins.workflow.support.steps.input.ApproverAction", {"userId": build.approver})
            )
        if build.interruption is not None and not build.running:
            found.append(actions.interrupted(build.interruption))
        if build.test_reports:
            found.append(junit.action(build.test_reports))
        found += [_NOTHING] * 4
        found.append(
            Bean(
                "org.jenkinsci.plugins.displayurlapi.actions.RunDisplayAction",
                {
                    "artifactsUrl": self.url(f"{build.url_path}artifact"),
                    "changesUrl": self.url(f"{build.job.url_path}changes"),
                    "displayUrl": self.url(f"{build.url_path}pipeline-graph"),
                    "testsUrl": self.url(f"{build.url_path}testReport"),
                },
                dict.fromkeys(("artifactsUrl", "changesUrl", "displayUrl", "testsUrl"), 0),
            )
        )
        found += [self.restart(build), _NOTHING]
        found.append(
            Bean("org.jenkinsci.plugins.workflow.job.views.FlowGraphAction", {"nodes": lambda: graph.beans(build)})
        )
        return [*found, _NOTHING, _NOTHING, _NOTHING]

    def restart(self, build: Build) -> Bean:
        """``restart/api/json``."""
        stages = [] if build.running else graph.restartable(build)
        return Bean(
            "org.jenkinsci.plugins.pipeline.modeldefinition.actions.RestartDeclarativePipelineAction",
            {"restartEnabled": not build.running, "restartableStages": stages},
        )

    def queue_item(self, item: QueueItem) -> Bean:
        """A queue item in the phase it is in."""
        shown: list[Bean] = []
        task = Bean(_PLACEHOLDER)
        summary = ""
        if item.job is not None:
            given = actions.parameters_action(item.job, item.order.parameters)
            shown = [*([given] if given is not None else []), actions.cause_action(item.order.causes)]
            summary = parameters.summary(item.job.definitions(), item.order.parameters)
            task = self.job(item.job)
        phase = item.phase
        fields: dict[str, Any] = {
            "actions": shown,
            "blocked": phase == "BlockedItem",
            "buildable": phase == "BuildableItem",
            "id": item.id,
            "inQueueSince": item.since,
            "params": summary,
            "stuck": item.stuck and item.left is None,
            "task": task,
            "url": f"queue/item/{item.id}/",
            "why": item.why,
        }
        fields.update(self._phase_fields(item, phase))
        return Bean(f"hudson.model.Queue${phase}", fields, {"task": 2})

    def _phase_fields(self, item: QueueItem, phase: str) -> dict[str, Any]:
        if phase == "WaitingItem":
            return {"timestamp": item.due}
        if phase == "LeftItem":
            build = self.build(item.build) if item.build is not None else None
            return {"cancelled": item.cancelled, "executable": build}
        extra: dict[str, Any] = {"buildableStartMilliseconds": item.buildable_since or item.due}
        if phase == "BuildableItem":
            extra["pending"] = False
        return extra

    def queue(self) -> Bean:
        """``queue/api/json``."""
        waiting = self._controller.queue.waiting()
        return Bean(
            "hudson.model.Queue",
            {
                "discoverableItems": [],
                "items": lambda: [self.queue_item(item) for item in waiting],
            },
            inline=frozenset({"items"}),
        )

    def computers(self) -> Bean:
        """``computer/api/json``."""
        agents = self._controller.agents
        leases = list(agents.leases)
        return Bean(
            "hudson.model.ComputerSet",
            {
                "busyExecutors": len(leases),
                "computer": [self.computer()],
                "displayName": "Nodes",
                "totalExecutors": agents.count,
            },
            inline=frozenset({"computer"}),
        )

    def computer(self) -> Bean:
        """The built-in node."""
        agents = self._controller.agents
        leases = list(agents.leases)
        by_executor = {lease.executor: lease for lease in leases}
        return Bean(
            "hudson.model.Hudson$MasterComputer",
            {
                "actions": [],
                "description": "the Jenkins controller's built-in node",
                "displayName": "Built-In Node",
                "assignedLabels": [Bean(None, {"name": name}, {"name": 2}) for name in sorted(agents.labels)],
                "executors": [self._executor(by_executor.get(number)) for number in range(agents.count)],
                "icon": "symbol-computer",
                "iconClassName": "symbol-computer",
                "idle": not leases,
                "jnlpAgent": False,
                "launchSupported": True,
                "manualLaunchAllowed": True,
                "monitorData": _NOTHING,
                "numExecutors": agents.count,
                "offline": False,
                "offlineCause": None,
                "offlineCauseReason": "",
                "oneOffExecutors": [
                    Bean(None, {"currentExecutable": self.build(build)}) for build in self._controller.builds.running()
                ],
                "temporarilyOffline": False,
            },
            {"executors": 1, "oneOffExecutors": 1},
        )

    def _executor(self, lease: Lease | None) -> Bean:
        current = None
        if lease is not None and isinstance(lease.build, Build):
            cls = f"{_PLACEHOLDER}$PlaceholderExecutable"
            build = lease.build
            current = Bean(cls, {"number": build.number, "url": self.url(build.url_path)}, {"url": 2, "number": 2})
        return Bean(None, {"currentExecutable": current, "idle": lease is None})
