// Whether the sources are what Jenkins read this file from, as no parameters say what to build.
@Field boolean ownSource = false

// Finds out what is built. Where the parameters do not say it all, git does, on an agent.
void identify(boolean described, String credentials) {
  ownSource = !params.COMMIT_SHA || !params.REPO_URL
  if (ownSource) {
    try {
      scm
    } catch (Exception e) {
      error "the parameters COMMIT_SHA and REPO_URL say what to build; there is nothing else to tell: ${e.message}"
    }
  }
  if (ownSource || described) {
    node {
      deleteDir()
      if (ownSource) {
        takeOver(checkout(scm))
      } else {
        checkout([$class: 'GitSCM', branches: [[name: params.COMMIT_SHA]],
          userRemoteConfigs: [remoteOf(params.COMMIT_SHA, credentials)],
          extensions: [[$class: 'CloneOption', shallow: true, depth: 1, noTags: true, honorRefspec: true]]])
      }
      describeCommit(sh(label: 'describe the commit', returnStdout: true, encoding: 'UTF-8', script: description()))
    }
  }
}

// Where the sources are, with its login: where Jenkins read this file, or what the parameters say.
Map remoteOf(String refspec, String credentials) {
  if (ownSource) {
    return [url: scm.userRemoteConfigs[0].url, credentialsId: scm.userRemoteConfigs[0].credentialsId, refspec: refspec]
  }
  Map remote = [url: env.REPO_URL, refspec: refspec]
  if (credentials) {
    remote['credentialsId'] = credentials
  }
  return remote
}

// What Jenkins knows of the branch, the tag or the merge request, under GitLab's names. Parameters are stronger.
void takeOver(Map found) {
  if (!found.GIT_URL) {
    error 'Jenkins read this file from something else than git, of which there is no commit to build'
  }
  env.REPO_URL = found.GIT_URL.replaceFirst('^(https?://)[^/]*@', '$1')
  if (env.CHANGE_ID) {
    env.CI_PIPELINE_SOURCE = params.CI_PIPELINE_SOURCE ?: 'merge_request_event'
    env.CI_MERGE_REQUEST_IID = params.CI_MERGE_REQUEST_IID ?: env.CHANGE_ID
    env.CI_MERGE_REQUEST_TITLE = params.CI_MERGE_REQUEST_TITLE ?: env.CHANGE_TITLE ?: ''
    env.CI_MERGE_REQUEST_SOURCE_BRANCH_NAME = params.CI_MERGE_REQUEST_SOURCE_BRANCH_NAME ?: env.CHANGE_BRANCH ?: ''
    env.CI_MERGE_REQUEST_TARGET_BRANCH_NAME = params.CI_MERGE_REQUEST_TARGET_BRANCH_NAME ?: env.CHANGE_TARGET ?: ''
  } else if (!params.CI_COMMIT_TAG && !params.CI_COMMIT_BRANCH) {
    nameRef(found.GIT_BRANCH ?: 'detached')
  }
}

// The branch or the tag. Jenkins calls branches `origin/main`, in multibranch projects `main`, a tag as it was asked
// for. Parameters of a job may have the names of what multibranch projects set.
void nameRef(String ref) {
  String remote = (scm.userRemoteConfigs[0].name ?: 'origin') + '/'
  if (ref.startsWith(remote)) {
    env.CI_COMMIT_BRANCH = ref.substring(remote.length())
  } else if (env.BRANCH_NAME && env.BRANCH_NAME != env.TAG_NAME) {
    env.CI_COMMIT_BRANCH = env.BRANCH_NAME
  } else if (env.BRANCH_NAME) {
    env.CI_COMMIT_TAG = env.TAG_NAME
  } else if (!(ref ==~ 'detached|.*HEAD|refs/(?!tags/).*')) {
    env.CI_COMMIT_TAG = ref.replaceFirst('^(refs/)?tags/', '')
  }
}

// The commit, its author, its time and its message, a line each but for the last. Of a merge request it is what was
// pushed, not what Jenkins may have merged it into.
@NonCPS
String description() {
  @DESCRIBE@
}

void describeCommit(String text) {
  List lines = text.split('\n', 4) as List
  String message = (lines[3] ?: '').trim()
  String title = message.split('\n')[0]
  String rest = message.substring(title.length()).trim()
  env.COMMIT_SHA = lines[0]
  env.CI_COMMIT_AUTHOR = params.CI_COMMIT_AUTHOR ?: lines[1]
  env.CI_COMMIT_TIMESTAMP = params.CI_COMMIT_TIMESTAMP ?: lines[2]
  env.CI_COMMIT_MESSAGE = params.CI_COMMIT_MESSAGE ?: message
  env.CI_COMMIT_TITLE = params.CI_COMMIT_TITLE ?: title
  env.CI_COMMIT_DESCRIPTION = params.CI_COMMIT_DESCRIPTION ?: (title.length() < 100 ? rest : message)
}

// The sources as the Jenkins job fetches them, but at the commit of this build: the branch may have moved on. What it
// moved on to is left alone, or Jenkins would take it for built.
void ownSources() {
  String remote = scm.userRemoteConfigs[0].name ?: 'origin'
  String refspec = scm.userRemoteConfigs[0].refspec ?: "+refs/heads/*:refs/remotes/${remote}/*"
  Map own = remoteOf("${refspec} ${env.COMMIT_SHA}", null) + [name: remote]
  checkout(scm: [$class: 'GitSCM', branches: [[name: env.COMMIT_SHA]], userRemoteConfigs: [own], extensions: scm.extensions],
    changelog: false, poll: false)
  sh label: 'checkout', script: '#!/bin/sh\ngit checkout -q --detach "$COMMIT_SHA" --'
}
