// What rules ask about files, in words, each with the pattern that a path must match.
@Field Map questions = [:]

// Answers all questions, once, before any job: by git, on an agent.
void askFiles(String credentials) {
  List refs = refsOf()
  Map base = '' in refs ? comparison() : [:]
  boolean parts = refs.any { it } || (base.target && '' in refs)
  Map paths = [:]
  node {
    deleteDir()
    if (!history(base.before ?: '', parts, credentials)) {
      base = [:]
    }
    paths['tree'] = listed('', false)
    for (ref in refs) {
      String since = ref ?: base.target ?: base.before
      paths['since ' + ref] = since ? listed(since, ref || base.target) : null
    }
  }
  echo answer(paths)
}

// With what GitLab compares this pipeline: for a push `before`, what the branch held; for a merge request `target`, where
// it goes. With neither everything counts as changed: for a tag, a schedule, a new branch.
Map comparison() {
  String source = value('CI_PIPELINE_SOURCE') ?: 'push'
  String branch = value('CI_COMMIT_BRANCH') ?: ''
  String before = value('CI_COMMIT_BEFORE_SHA') ?: builtBefore(branch)
  env.SMARTCLIDE_BUILT = "${env.COMMIT_SHA} ${branch}"
  if (source == 'merge_request_event') {
    return [target: value('CI_MERGE_REQUEST_DIFF_BASE_SHA') ?: value('CI_MERGE_REQUEST_TARGET_BRANCH_NAME')]
  }
  return source != 'push' || value('CI_COMMIT_TAG') || before ==~ '0*' ? [:] : [before: before]
}

// The commit that this Jenkins job built last for the branch, where nobody says what the branch held; '' for its first.
String builtBefore(String branch) {
  def run = currentBuild.previousBuild
  while (run != null) {
    String built = run.buildVariables['SMARTCLIDE_BUILT'] ?: ''
    if (built.endsWith(' ' + branch) && !built.startsWith(env.COMMIT_SHA)) {
      return built.substring(0, built.indexOf(' '))
    }
    run = run.previousBuild
  }
  return ''
}

// Fetches the commit and `before`; everything there is where the point must be found from which histories part. False
// when the server does not have `before` any more.
boolean history(String before, boolean everything, String credentials) {
  String all = everything ? '+refs/heads/*:refs/remotes/origin/* +refs/tags/*:refs/tags/* ' : ''
  Map remote = remoteOf((all + env.COMMIT_SHA + ' ' + before).trim(), credentials)
  Map depth = [$class: 'CloneOption', shallow: !everything, depth: everything ? 0 : 1, noTags: !everything, honorRefspec: true]
  try {
    checkout([$class: 'GitSCM', branches: [[name: env.COMMIT_SHA]], userRemoteConfigs: [remote], extensions: [depth]])
    return true
  } catch (FlowInterruptedException e) {
    throw e
  } catch (Exception e) {
    if (!before) {
      throw e
    }
    echo "${before} cannot be fetched, so everything counts as changed: ${e.message}"
    history('', everything, credentials)
    return false
  }
}

// The paths of the commit, one a line, or those that differ from `base`, or from where both histories part.
String listed(String base, boolean parted) {
  String text = ''
  withEnv(["BASE=${base}", "PARTED=${parted ? 'yes' : ''}"]) {
    text = sh(label: 'list files', returnStdout: true, encoding: 'UTF-8', script: listing())
  }
  return text
}

@NonCPS
String listing() {
  @LIST@
}

@NonCPS
List refsOf() {
  List refs = []
  for (question in questions.values()) {
    if (question.since != null && !(question.since in refs)) {
      refs.add(question.since)
    }
  }
  return refs
}

// Notes for every question whether one of the paths matches its pattern. GitLab takes a match for granted where it would
// have to compare more than 50,000 times. Returns the answers as text.
@NonCPS
String answer(Map paths) {
  List lines = ['rules ask about files:']
  for (name in questions.keySet()) {
    Map question = questions[name]
    String text = question.since == null ? paths['tree'] : paths['since ' + question.since]
    answers[name] = text == null || tooMany(question, text) || found(question, text)
    lines.add('  ' + name + ': ' + answers[name])
  }
  return lines.join('\n')
}

@NonCPS
boolean tooMany(Map question, String text) {
  if (!question.compared) {
    return false
  }
  String counted = question.topLevel ? text.replaceAll('[^\n]*/[^\n]*\n?', '') : text
  List paths = counted.split('\n') as List
  return question.compared * paths.size() > 50000
}

// Whether the glob's pattern is found in the list, or the regular expression in one of its paths.
@NonCPS
boolean found(Map question, String text) {
  if (!question.regexp) {
    return (text =~ question.pattern).find()
  }
  List paths = text.split('\n') as List
  return paths.any { it && (it =~ question.regexp).find() }
}
