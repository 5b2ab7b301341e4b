"""The fixed Groovy functions on top of a Jenkinsfile; each is there only when something calls it.

`states` holds GitLab's state of every job that ended, by its marker name. A failed job never stops the build by itself:
every later job looks at the states, so that jobs of `when: on_failure` and `always` run as on GitLab.
"""

from __future__ import annotations

from tasks.jenkins_build.groovy import literal

INTERRUPTED = "org.jenkinsci.plugins.workflow.steps.FlowInterruptedException"

STATES = """
// How each GitLab job ended, by its name: success, unstable (failed, but allowed to), failed, canceled, skipped, or
// absent (kept out by its rules).
@Field Map states = [:]

// Jobs that ran out of time: GitLab gives them no after_script, and keeps none of their files.
@Field Map overdue = [:]
"""

FAILED_STAGES = """
// GitLab stages with a failed job, each once.
@Field List failedStages = []

@NonCPS
void noteFailed(Object stage) {
  if (!(stage in failedStages)) {
    failedStages.add(stage)
  }
}
"""

STASHES = """
// Jobs whose artifacts are there to be fetched.
@Field List stashes = []
"""

EXIT_CODES = """
// Exit codes of scripts whose job allows some of them to fail.
@Field Map exitCodes = [:]
"""

DOTENV = """
// Variables that jobs report to later ones (artifacts:reports:dotenv), as text, by job.
@Field Map dotenv = [:]
"""

LIMITED = """
// Jenkins ends a timeout like an abort, and an abort must stop the build: a job that took too long fails instead. So
// does one whose script ends well when it is told to stop, which is a success to Jenkins.
void limited(int seconds, Closure body) {
  long start = System.currentTimeMillis()
  try {
    timeout(time: seconds, unit: 'SECONDS') {
      body()
    }
  } catch (FlowInterruptedException e) {
    if (System.currentTimeMillis() - start < 1000L * seconds) {
      throw e
    }
  }
  if (System.currentTimeMillis() - start >= 1000L * seconds) {
    error "timed out after ${seconds} s"
  }
}
"""

ATTEMPT = """
// One attempt at a job. On GitLab each is a job of its own: `after` ends all of them, with the state of that one.
void attempt(String name, Map job, Closure body, Closure after) {
  long start = System.currentTimeMillis()
  states[name] = 'failed'
  overdue[name] = false
  try {
    limited(job.timeout) {
      body()
    }
    states[name] = 'success'
  } catch (FlowInterruptedException e) {
    states[name] = 'canceled'
    throw e
  } catch (Exception e) {
    overdue[name] = System.currentTimeMillis() - start >= 1000L * job.timeout
    throw e
  } finally {
    if (after != null) {
      after()
    }
  }
}
"""

_RUN_JOB = """
// Runs one GitLab job. Its failure marks the stage and the build and stops nothing: later jobs look at the states.
void runJob(String name, Map job, Closure body, Closure after = null) {
  echo "gl-job name=${name} state=running"
  String state = 'success'
  try {
    @ATTEMPTS@
  } catch (FlowInterruptedException e) {
    states[name] = 'canceled'
    echo "gl-job name=${name} state=canceled"
    throw e
  } catch (Exception e) {
    boolean allowed = @ALLOWED@
    state = allowed ? 'unstable' : 'failed'
    String stageResult = allowed ? 'UNSTABLE' : 'FAILURE'
    catchError(buildResult: @SPARED@ ? 'SUCCESS' : 'FAILURE', stageResult: stageResult, catchInterruptions: false) {
      throw e
    }
  }
  states[name] = state
  @FAILED@
  echo "gl-job name=${name} state=${state}"
}
"""

_RETRY = """retry(1 + (job.retries ?: 0)) {
      attempt(name, job, body, after)
    }"""
_RETRY_SOME = """int left = job.retries ?: 0
    boolean again = true
    while (again) {
      again = false
      try {
        attempt(name, job, body, after)
      } catch (FlowInterruptedException e) {
        throw e
      } catch (Exception e) {
        if (left == 0 || !triedAgain(job, exitCodes[name] ?: 0, e.message ?: '')) {
          throw e
        }
        left = left - 1
        again = true
        echo "trying again after: ${e.message}"
      }
    }"""
_ONCE = "attempt(name, job, body, after)"
_FAILED = """if (state == 'failed') {
    noteFailed(job.stage)
  }"""


TRIED_AGAIN = """
// Whether `retry:when` and `retry:exit_codes` let a failed job be tried again: by what failed, or by its exit code. One
// below zero is Jenkins' own: the agent did not start the script, or lost it.
boolean triedAgain(Map job, int code, String message) {
  if (code in (job.retryCodes ?: [])) {
    return true
  }
  String what = code > 0 ? 'script' : message.startsWith('timed out') ? 'timeout' : 'system'
  return job.retryOn ? what in job.retryOn : !job.retryCodes
}
"""


def run_job(*, retries: bool, some_retries: bool, exit_codes: bool, stages: bool, children: bool) -> str:
    """The function every job runs in, without the parts no job uses."""
    allowed = "(job.allowFailure ?: false)" + (
        " || exitCodes[name] in (job.allowedExitCodes ?: [])" if exit_codes else ""
    )
    spared = "allowed || job.inChild" if children else "allowed"
    text = (
        _RUN_JOB.replace("@SPARED@", spared)
        .replace("@ATTEMPTS@", _RETRY_SOME if some_retries else _RETRY if retries else _ONCE)
        .replace("@ALLOWED@", allowed)
    )
    return text.replace("@FAILED@", _FAILED) if stages else text.replace("  @FAILED@\n", "")


AFTER_STAGES = """
// Whether a job without `needs` runs, by what the stages before its own came to.
boolean afterStages(String name, String when, List earlier) {
  boolean failed = earlier.any { it in failedStages }
  return decided(name, when, runsWhen(when, failed, false))
}
"""

AFTER_NEEDS = """
// Whether a job with `needs` runs. One that needs a job that did not run is skipped itself, unless it always runs.
boolean afterNeeds(String name, String when, List needed, List optional) {
  boolean failed = needed.any { states[it] == 'failed' }
  boolean skipped = needed.any { isMissing(it, optional) }
  return decided(name, when, runsWhen(when, failed, skipped))
}
"""

RUNS_WHEN = """
boolean runsWhen(String when, boolean failed, boolean skipped) {
  if (when in ['always', 'never']) {
    return when == 'always'
  }
  return !skipped && failed == (when == 'on_failure')
}
"""

IS_MISSING = """
// Whether a job that is needed did not run; an optional need of one that is not in the pipeline is none.
boolean isMissing(String name, List optional) {
  return states[name] == 'skipped' || (states[name] == 'absent' && !(name in optional))
}
"""

DECIDED = """
// Notes a job that does not run. One that its rules keep out is absent: GitLab would not have made it at all.
boolean decided(String name, String when, boolean runs) {
  if (!runs) {
    states[name] = when == 'never' ? 'absent' : 'skipped'
    echo "gl-job name=${name} state=skipped"
  }
  return runs
}
"""

APPROVED = """
// A manual job waits here, before it takes an agent. One that is optional is asked about for `seconds`, or not at all.
// Its "no" is an answer of its own: an interruption that is not our deadline is always a stop of the whole build.
boolean approved(String name, String id, String question, boolean optional, int seconds) {
  if (!optional) {
    input id: id, message: question, ok: 'Run'
    return true
  }
  String answer = 'skip'
  if (seconds == 0) {
    echo "${question} Not in this build, which does not wait. A rule that lets the job run on success makes it run."
    return decided(name, 'manual', false)
  }
  long start = System.currentTimeMillis()
  try {
    timeout(time: seconds, unit: 'SECONDS') {
      List choices = ['run', 'skip']
      answer = input(id: id, message: question, ok: 'Go on', parameters: [choice(name: 'ANSWER', choices: choices)])
    }
  } catch (FlowInterruptedException e) {
    if (System.currentTimeMillis() - start < 1000L * seconds) {
      throw e
    }
    echo 'nobody answered in time'
  }
  return decided(name, 'manual', answer == 'run')
}
"""

DELAYED = """
// A delayed job waits before it takes an agent.
boolean waited(int seconds) {
  sleep time: seconds, unit: 'SECONDS'
  return true
}
"""

FETCH = """
// Artifacts of earlier jobs, as far as there are any.
void fetch(List jobs) {
  for (job in jobs) {
    if (job in stashes) {
      unstash job
    }
  }
}
"""

AFTER_SCRIPT = """
// after_script: in a shell of its own, in so many seconds at most, and never of weight for the result.
void afterScript(String name, int seconds, Closure body) {
  catchError(buildResult: 'SUCCESS', stageResult: 'SUCCESS', catchInterruptions: false) {
    limited(seconds) {
      withEnv(["CI_JOB_STATUS=${states[name]}"]) {
        body()
      }
    }
  }
}

// Its commands. What a job that ran out of time has left in Docker is removed without them.
void afterShell(String name, String text) {
  if (!overdue[name]) {
    sh label: 'after_script', encoding: 'UTF-8', script: text
  }
}
"""

CACHED = """
// Restores or saves a job's caches, which never fails the job.
void cached(String name, String label, String text) {
  if (overdue[name]) {
    return
  }
  withEnv(["CI_JOB_STATUS=${states[name]}"]) {
    int code = sh(label: label, returnStatus: true, script: text)
    if (code != 0) {
      echo "WARNING: ${label}: exit code ${code}"
    }
  }
}
"""

SHELL = """
// Runs a script and keeps its exit code.
void shell(String name, String text) {
  exitCodes[name] = 0
  int code = sh(label: 'script', returnStatus: true, encoding: 'UTF-8', script: text)
  exitCodes[name] = code
  if (code != 0) {
    error "script returned exit code ${code}"
  }
}
"""

CONTAINED = """
// Runs `body` with the job's script in a file beside the workspace; then removes what the job left in Docker.
void contained(String script, String cleanup, Closure body) {
  writeFile file: "${env.WORKSPACE_TMP}/job.sh", encoding: 'UTF-8', text: script
  try {
    body()
  } finally {
    sh label: 'clean up', script: cleanup
  }
}
"""


def logged_in(credentials_id: str) -> str:
    """The function that gives a job the registry's login."""
    names = "usernameVariable: 'CI_REGISTRY_USER', passwordVariable: 'CI_REGISTRY_PASSWORD'"
    return f"""
// The registry's login, as GitLab gives it. What `docker login` keeps must not reach the home of the agent's user.
void loggedIn(Closure body) {{
  withCredentials([usernamePassword(credentialsId: {literal(credentials_id)}, {names})]) {{
    withEnv(["DOCKER_CONFIG=${{env.WORKSPACE_TMP}}/docker"]) {{
      body()
    }}
  }}
}}
"""


def with_git(credentials_id: str | None) -> str:
    """The function that gives a step of git's what the project is cloned with."""
    if credentials_id is None:
        return """
// The project is public: its submodules are cloned without a login.
void withGit(Closure body) {
  body()
}
"""
    names = "usernameVariable: 'JENKINS_GIT_USERNAME', passwordVariable: 'JENKINS_GIT_PASSWORD'"
    return f"""
// What the project is cloned with, for its submodules.
void withGit(Closure body) {{
  withCredentials([usernamePassword(credentialsId: {literal(credentials_id)}, {names})]) {{
    body()
  }}
}}
"""


def sources(name: str, checkout: str) -> str:
    """The function that gives a job an empty folder with the sources of the commit."""
    return f"""
// The sources at the exact commit, in an empty folder.
void {name}() {{
  deleteDir()
  {checkout}
}}
"""


REPORTED = """
// The variables that `jobs` reported, as shell text.
@NonCPS
String reported(List jobs) {
  return jobs.collect { dotenv[it] ?: '' }.join('')
}
"""

# Ant's patterns cannot hold commas, backslashes or line ends: a `?` takes their place.
_LIST_UNTRACKED = "#!/bin/sh\n" + r"git ls-files --others -z | tr ',\\\n' '???' | tr '\0' ','"

UNTRACKED = f"""
// Patterns of the files git does not know, after those given (artifacts:untracked). Never empty: that would mean all.
String untracked(String patterns) {{
  String list = {literal(_LIST_UNTRACKED)}
  String found = sh(label: 'untracked files', returnStdout: true, encoding: 'UTF-8', script: list).trim()
  return [patterns, found].findAll {{ it }}.join(',') ?: 'no untracked files'
}}
"""
