// --- The runner, the same in every Jenkinsfile: it runs the jobs that are listed further below. ---
// A job starts as soon as what it waits for has ended: its needs, or all jobs of the stages before its own. Nothing
// polls, and no agent is held while a job waits: the job that ends last starts, in its own parallel branch, those that
// it held up. Bookkeeping is @NonCPS: Jenkins switches between branches anywhere else, and would start a job twice.

// Where the sources are, how many stages there are, and how long optional manual jobs are asked about.
@Field Map project = [:]
// The jobs, by name, in the order of the text.
@Field Map jobs = [:]
// By stage: how many of its jobs have not ended, and which wait for all stages before it.
@Field Map left = [:]
@Field Map inStage = [:]
// A pipeline is a row of stages, and goes by the number of the first: 0, or more for a child pipeline. Of each: the
// stage it has come to, the number behind its last one, the jobs that wait for nothing in it, and who waits for its end.
@Field Map reached = [:]
@Field Map ends = [:]
@Field Map free = [:]
@Field Map awaiting = [:]
// The jobs of every child pipeline.
@Field Map inLane = [:]
// Child pipelines of which no job starts any more once one of theirs has failed.
@Field List fragile = []
// By job: how many of its needs have not ended, and which jobs wait for it.
@Field Map missing = [:]
@Field Map waiting = [:]
// Jobs that hand on files or variables, stage by stage: where several have the same, that of the last one counts.
@Field List givers = []
// By job: the rule that holds for it.
@Field Map rules = [:]
@Field Map progress = [stopped: false]
// Optional manual jobs that are asked about: the stages behind them do not wait for an answer, what needs them does.
@Field List asking = []
// By resource group: the job whose turn it is, and those it holds up.
@Field Map holder = [:]
@Field Map heldUp = [:]

// Jobs one of whose rules brings needs of its own.
@NonCPS
List choosing() {
  List names = []
  for (name in jobs.keySet()) {
    boolean chooses = false
    for (rule in (jobs[name].rules ?: [])) {
      chooses = chooses || rule.needs != null
    }
    if (chooses) {
      names.add(name)
    }
  }
  return names
}

// Decides those rules before anything starts: the needs of the one that holds take the place of the job's.
void settle(List names) {
  for (name in names) {
    Map rule = ruleOf(jobs[name])
    if (rule.needs != null) {
      jobs[name].putAll([needs: rule.needs, optional: rule.optional, from: rule.from])
    }
  }
}

// Prepares the bookkeeping; returns the jobs that wait for nothing.
@NonCPS
List begin() {
  for (name in jobs.keySet()) {
    Map job = jobs[name]
    left[job.stage] = (left[job.stage] ?: 0) + 1
    if (job.stash || job.dotenv) {
      givers.add(name)
    }
    if (job.lane) {
      keepIn(inLane, job.lane, name)
    }
    if (job.needs == null) {
      keepIn(inStage, job.stage, name)
    } else {
      missing[name] = job.needs.size()
      if (!job.needs) {
        keepIn(free, laneOf(job), name)
      }
      for (need in job.needs) {
        keepIn(waiting, need, name)
      }
    }
  }
  givers.sort { jobs[it].stage }
  return opened(0, project.stages)
}

// Adds a job to one of the lists of a map.
@NonCPS
void keepIn(Map lists, Object key, String name) {
  if (lists[key] == null) {
    lists[key] = []
  }
  lists[key].add(name)
}

@NonCPS
int laneOf(Map job) {
  return job.lane ?: 0
}

// Starts a pipeline; returns those of its jobs that wait for nothing.
@NonCPS
List opened(int first, int end) {
  reached[first] = first
  ends[first] = end
  List ready = []
  ready.addAll(free[first] ?: [])
  ready.addAll(inStage[first] ?: [])
  ready.addAll(nextStages(first))
  return ready
}

// Notes that a job has ended; returns those that waited for nothing else.
@NonCPS
List ended(String name) {
  List ready = []
  if (progress.stopped) {
    return ready
  }
  if (!(name in asking)) {
    left[jobs[name].stage] = left[jobs[name].stage] - 1
  }
  for (other in (waiting[name] ?: [])) {
    missing[other] = missing[other] - 1
    if (missing[other] == 0) {
      ready.add(other)
    }
  }
  ready.addAll(nextStages(laneOf(jobs[name])))
  String group = jobs[name].group
  if (group && holder[group] == name) {
    holder[group] = heldUp[group] ? heldUp[group].remove(0) : null
    if (holder[group]) {
      ready.add(holder[group])
    }
  }
  return ready
}

// Lets the stages behind an optional manual job go on; returns the jobs that waited for nothing else.
@NonCPS
List passedBy(String name) {
  if (rules[name].when != 'manual' || !rules[name].allowFailure || !project.wait) {
    return []
  }
  asking.add(name)
  left[jobs[name].stage] = left[jobs[name].stage] - 1
  return nextStages(laneOf(jobs[name]))
}

// Whether a job may run now: one of a resource group at a time. Else it is ready once more when it is its turn.
@NonCPS
boolean mayRun(String name) {
  String group = jobs[name].group
  if (group && holder[group] && holder[group] != name) {
    keepIn(heldUp, group, name)
    return false
  }
  if (group) {
    holder[group] = name
  }
  return true
}

// Goes on to the stages whose turn it is; after the last one, it is the turn of the job that waits for the pipeline.
@NonCPS
List nextStages(int lane) {
  List ready = []
  while (reached[lane] < ends[lane] && !left[reached[lane]]) {
    reached[lane] = reached[lane] + 1
    if (reached[lane] < ends[lane]) {
      ready.addAll(inStage[reached[lane]] ?: [])
    } else if (awaiting[lane]) {
      ready.add(awaiting[lane])
    }
  }
  return ready
}

// Runs these jobs, and whatever they hold up, to the end.
void advance(List ready) {
  while (ready) {
    List starting = starters(ready)
    if (starting.size() != 1) {
      Map branches = [:]
      for (name in starting) {
        String one = name
        branches[jobs[one].title] = { advance(run(one)) }
      }
      if (branches) {
        if (project.failFast) {
          branches.put('failFast', true)
        }
        parallel branches
      }
      return
    }
    ready = run(starting[0])
  }
}

// Those that run, of these jobs and of what comes after the ones that do not.
List starters(List ready) {
  List starting = []
  while (ready) {
    List next = []
    for (name in ready) {
      if (awaiting[jobs[name].child?.first] == name) {
        childEnded(name, jobs[name])
        halt(name)
        next.addAll(ended(name))
      } else if (!starts(name)) {
        next.addAll(ended(name))
      } else {
        if (!(name in asking)) {
          next.addAll(passedBy(name))
        }
        if (mayRun(name)) {
          starting.add(name)
        }
      }
    }
    ready = next
  }
  return starting
}

// Fails where jobs wait for each other in a circle, as only rules that bring needs can have it: they never started.
void finish() {
  List names = unreached()
  if (names) {
    error "these jobs need each other in a circle: ${names.join(', ')}"
  }
}

@NonCPS
List unreached() {
  List names = []
  for (name in jobs.keySet()) {
    if (jobs[name].needs && states[name] == null && !jobs[name].lane) {
      names.add(name)
    }
  }
  return names
}

// Whether a job runs, by its rules and by how those it waited for ended.
boolean starts(String name) {
  Map job = jobs[name]
  rules[name] = ruleOf(job)
  boolean failed = false
  boolean skipped = false
  if (job.needs == null) {
    failed = failedStages.any { it >= laneOf(job) && it < job.stage }
  } else {
    failed = job.needs.any { states[it] == 'failed' }
    skipped = job.needs.any { isMissing(it, job.optional ?: []) }
  }
  String when = over(laneOf(job)) ? 'never' : rules[name].when
  boolean runs = decided(name, when, runsWhen(when, failed, skipped))
  if (!runs) {
    skipChild(job)
  }
  return runs
}

// workflow:auto_cancel:on_job_failure of a child pipeline: whether it ended early.
boolean over(int lane) {
  return lane in fragile && failedStages.any { it >= lane && it < ends[lane] }
}

Map ruleOf(Map job) {
  if (job.rules == null) {
    return [when: job.when ?: 'on_success', allowFailure: job.allowFailure ?: false, delay: job.delay]
  }
  for (rule in job.rules) {
    if (holds(rule.condition)) {
      return rule
    }
  }
  return [when: 'never']
}

// A condition, as a list: what is asked, and of what.
boolean holds(List term) {
  String asked = term[0]
  if (asked == 'constant') {
    return term[1]
  }
  if (asked == 'files') {
    return files(term[1])
  }
  if (asked == 'not') {
    return !holds(term[1])
  }
  if (asked in ['all', 'any']) {
    for (part in term[1]) {
      if (holds(part) == (asked == 'any')) {
        return asked == 'any'
      }
    }
    return asked == 'all'
  }
  String text = operand(term[1])
  if (asked == 'present') {
    return present(text)
  }
  if (asked == 'equal') {
    return text == operand(term[2])
  }
  return asked == 'like' ? like(text, term[2]) : matches(text, operand(term[2]))
}

String operand(Object text) {
  return text instanceof Map ? value(text.variable) : text
}

@NonCPS
boolean like(String text, String pattern) {
  return ((text ?: '') =~ pattern).find()
}

// Runs one job; returns those that may start after it.
List run(String name) {
  Map job = jobs[name]
  Map rule = rules[name]
  List started = []
  stage(job.title) {
    try {
      if (rule.when == 'delayed') {
        sleep time: rule.delay, unit: 'SECONDS'
      }
      if (rule.when != 'manual' || approved(name, "Job-${job.number}", job.question ?: "Run the job ${job.title}?", rule.allowFailure, project.wait)) {
        if (job.child) {
          started = startChild(name, job, rule)
        } else {
          work(name, whole(name), rule)
        }
      } else {
        skipChild(job)
      }
    } catch (FlowInterruptedException e) {
      progress['stopped'] = true
      throw e
    } catch (Exception e) {
      // Not the script: that ends in runJob.
      states[name] = 'failed'
      noteFailed(job.stage)
      echo "gl-job name=${name} state=failed"
      String buildResult = job.inChild ? 'SUCCESS' : 'FAILURE'
      catchError(buildResult: buildResult, stageResult: 'FAILURE', catchInterruptions: false) {
        throw e
      }
    }
  }
  halt(name)
  return awaiting[job.child?.first] ? started : ended(name) + started
}

// workflow:auto_cancel:on_job_failure: a failed job stops those that run, through `failFast`, and none starts any more.
void halt(String name) {
  if (project.failFast && states[name] == 'failed' && !jobs[name].inChild) {
    progress['stopped'] = true
    error "${jobs[name].title} failed, which cancels all other jobs"
  }
}

// Starts the child pipeline of a job; returns its first jobs. If the job waits for it, `childEnded` ends the job.
List startChild(String name, Map job, Map rule) {
  Map child = job.child
  if (child.failFast) {
    fragile.add(child.first)
  }
  if (child.waits && child.end) {
    echo "gl-job name=${name} state=running"
    awaiting[child.first] = name
    return opened(child.first, child.end)
  }
  runJob(name, [stage: job.stage, inChild: job.inChild, timeout: job.timeout, allowFailure: rule.allowFailure]) {
    if (child.refused) {
      error child.refused
    }
  }
  return child.end ? opened(child.first, child.end) : []
}

// Ends a job that waited for its child pipeline, as that one ended.
void childEnded(String name, Map job) {
  boolean failed = failedStages.any { it >= job.child.first && it < job.child.end }
  boolean allowed = rules[name].allowFailure
  runJob(name, [stage: job.stage, inChild: job.inChild, timeout: job.timeout, allowFailure: allowed]) {
    if (failed) {
      error "the child pipeline of ${job.title} failed"
    }
  }
}

// The jobs of a child pipeline that does not start.
void skipChild(Map job) {
  if (job.child?.end) {
    for (name in (inLane[job.child.first] ?: [])) {
      decided(name, 'never', false)
      skipChild(jobs[name])
    }
  }
}

// The job on its agent: sources, artifacts of others, script, after_script, its own artifacts and reports.
void work(String name, Map job, Map rule) {
  List from = sourcesOf(job)
  Map options = [stage: job.stage, inChild: job.inChild, timeout: job.timeout, allowFailure: rule.allowFailure, retries: job.retries]
  options.putAll([retryOn: job.retryOn, retryCodes: job.retryCodes])
  options.put('allowedExitCodes', rule.allowedExitCodes == null ? job.allowedExitCodes : rule.allowedExitCodes)
  node(job.label ?: '') {
    try {
      runJob(name, options, {
        prepare(job, rule, from)
        caches(name, job, 'restore', rule, from)
        fetch(stashesOf(from))
        String text = shellText(job, rule.variables ?: '', from, (job.run ? '' : unmarked(from)) + job.script)
        withSecrets(job) {
          if (job.run) {
            contained(text, job.cleanup) {
              scriptOf name, job, containerFunctions() + unmarked(from) + (job.late ? given(job, rule.variables ?: '', from) : '') + job.run
            }
          } else {
            scriptOf name, job, text
          }
        }
      }, {
        after(name, job, rule, from)
        caches(name, job, 'save', rule, from)
      })
    } finally {
      keep(name, job)
    }
  }
}

// The script, in the time that RUNNER_SCRIPT_TIMEOUT gives it.
void scriptOf(String name, Map job, String text) {
  if (job.scriptTimeout) {
    limited(job.scriptTimeout) {
      shell name, text
    }
  } else {
    shell name, text
  }
}

// The sources, with what goes before and after them.
void prepare(Map job, Map rule, List from) {
  String variables = rule.variables ?: ''
  if (job.hook) {
    deleteDir()
    withSecrets(job) {
      sh label: 'pre_get_sources_script', encoding: 'UTF-8', script: shellText(job, variables, from, job.hook)
    }
  }
  if (job.depth == null) {
    deleteDir()
  } else {
    sources(job.depth)
  }
  if (job.checkout) {
    withGit {
      sh label: 'checkout', script: shellText(job, variables, from, checkoutFunctions() + job.checkout)
    }
  }
}

void caches(String name, Map job, String what, Map rule, List from) {
  if (job.restore) {
    String commands = cacheFunctions() + (what == 'save' ? job.save : job.restore)
    String text = shellText(job, rule.variables ?: '', from, commands)
    withSecrets(job) {
      cached(name, "${what} caches", text)
    }
  }
}

void after(String name, Map job, Map rule, List from) {
  if (job.afterScript) {
    String text = shellText(job, rule.variables ?: '', from, job.afterScript)
    afterScript(name, job.afterTimeout ?: 300) {
      withSecrets(job) {
        if (job.afterRun) {
          contained(text, job.afterCleanup ?: job.cleanup) {
            afterShell name, job.afterRun
          }
        } else {
          afterShell name, text
        }
      }
    }
  }
}

// What the job leaves behind: its artifacts and reports.
void keep(String name, Map job) {
  if (job.stash && states[name] in job.keep && !overdue[name]) {
    String includes = job.untracked ? untracked(job.includes) : job.includes
    String excludes = job.excludes ?: ''
    stash name: job.stash, includes: includes, excludes: excludes, allowEmpty: true, useDefaultExcludes: false
    stashes.add(job.stash)
    String hidden = job.folders ? '**/.smartclide-empty-folder' : ''
    String unseen = [excludes, hidden].findAll { it }.join(',')
    archiveArtifacts artifacts: includes, excludes: unseen, allowEmptyArchive: true, defaultExcludes: false
  }
  if (job.junit) {
    catchError(buildResult: 'SUCCESS', stageResult: 'SUCCESS', catchInterruptions: false) {
      junit testResults: job.junit, allowEmptyResults: true, skipPublishingChecks: true, skipMarkingBuildUnstable: true
    }
  }
  if (job.reports) {
    archiveArtifacts artifacts: job.reports, allowEmptyArchive: true, defaultExcludes: false
  }
  for (path in (job.dotenv ?: [])) {
    if (fileExists(path)) {
      dotenv[name] = (dotenv[name] ?: '') + exportsOf(readFile(file: path, encoding: 'UTF-8'))
    }
  }
  if (job.login) {
    sh label: 'forget the login', script: '#!/bin/sh\nrm -rf "$WORKSPACE_TMP/docker"'
  }
}

// What a job gets from Jenkins' credentials store: the project's variables, and the registry's login where it uses it.
void withSecrets(Map job, Closure body) {
  if (job.secrets) {
    withJobSecrets(job.secrets) {
      withShared(job) {
        body()
      }
    }
  } else {
    withShared(job) {
      body()
    }
  }
}

void withShared(Map job, Closure body) {
  if (project.variables) {
    withVariables {
      withLogin(job) {
        body()
      }
    }
  } else {
    withLogin(job) {
      body()
    }
  }
}

void withLogin(Map job, Closure body) {
  if (job.login) {
    loggedIn {
      body()
    }
  } else {
    body()
  }
}

// The shell text of a job. Reported variables are there more than once: others refer to them, and they are the strongest.
@NonCPS
String shellText(Map job, String variables, List from, String commands) {
  return setup() + variablesOf(job, variables, from) + commands
}

// The same variables as a function: names of images refer to them.
@NonCPS
String given(Map job, String variables, List from) {
  return 'given() {\n:\n' + variablesOf(job, variables, from) + '}\n'
}

@NonCPS
String variablesOf(Map job, String variables, List from) {
  String lent = job.lent ? 'lent() {\n:\n' + reported(job.lent) + '}\n' : ''
  String reports = reported(from + (job.passed ?: []))
  String shared = job.bare ? '' : pipelineVariables()
  String open = job.open ? reports + job.open : ''
  return job.head + lent + reports + shared + (job.own ?: '') + open + variables + '\n' + reports
}

// Whose artifacts a job takes: those it names, or those of all stages before its own.
@NonCPS
List sourcesOf(Map job) {
  List from = []
  for (name in (job.from == null ? givers : job.from)) {
    if (job.from != null || (laneOf(jobs[name]) == laneOf(job) && jobs[name].stage < job.stage)) {
      from.add(name)
    }
  }
  return from
}

@NonCPS
List stashesOf(List names) {
  List found = []
  for (name in names) {
    if (jobs[name].stash) {
      found.add(jobs[name].stash)
    }
  }
  return found
}

// Removes what keeps the empty folders among the artifacts of these jobs.
@NonCPS
String unmarked(List names) {
  List folders = []
  for (name in names) {
    if (jobs[name].folders && !(jobs[name].folders in folders)) {
      folders.add(jobs[name].folders)
    }
  }
  return folders ? 'find ' + folders.join(' ') + ' -name .smartclide-empty-folder -exec rm -f {} + 2>/dev/null || :\n' : ''
}

// The sources at the exact commit, in an empty folder; depth 0 is the whole history with branches and tags.
void sources(int depth) {
  deleteDir()
  if (project.own) {
    ownSources()
    return
  }
  Map remote = [url: project.url, refspec: project.refspec]
  if (depth == 0) {
    remote['refspec'] = '+refs/heads/*:refs/remotes/origin/* +refs/tags/*:refs/tags/* ' + project.commit
  }
  if (project.credentials) {
    remote['credentialsId'] = project.credentials
  }
  boolean shallow = depth > 0
  checkout([$class: 'GitSCM', branches: [[name: project.commit]], userRemoteConfigs: [remote],
    extensions: [[$class: 'CloneOption', shallow: shallow, depth: depth, noTags: shallow, honorRefspec: true]]])
}
