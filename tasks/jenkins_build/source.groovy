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
        Map remote = [url: params.REPO_URL, refspec: params.COMMIT_SHA]
        if (credentials) {
          remote['credentialsId'] = credentials
        }
        checkout([$class: 'GitSCM', branches: [[name: params.COMMIT_SHA]], userRemoteConfigs: [remote],
          extensions: [[$class: 'CloneOption', shallow: true, depth: 1, noTags: true, honorRefspec: true]]])
      }
      describeCommit(sh(label: 'describe the commit', returnStdout: true, encoding: 'UTF-8', script: description()))
    }
  }
}

// What Jenkins knows of the branch, the tag or the merge request, under GitLab's names. Parameters are stronger.
void takeOver(Map found) {
  String branch = (found.GIT_BRANCH ?: '').replaceFirst('^(refs/)?(remotes/)?origin/', '')
  env.REPO_URL = found.GIT_URL
  if (env.CHANGE_ID) {
    env.CI_PIPELINE_SOURCE = params.CI_PIPELINE_SOURCE ?: 'merge_request_event'
    env.CI_MERGE_REQUEST_IID = params.CI_MERGE_REQUEST_IID ?: env.CHANGE_ID
    env.CI_MERGE_REQUEST_TITLE = params.CI_MERGE_REQUEST_TITLE ?: env.CHANGE_TITLE ?: ''
    env.CI_MERGE_REQUEST_SOURCE_BRANCH_NAME = params.CI_MERGE_REQUEST_SOURCE_BRANCH_NAME ?: env.CHANGE_BRANCH ?: ''
    env.CI_MERGE_REQUEST_TARGET_BRANCH_NAME = params.CI_MERGE_REQUEST_TARGET_BRANCH_NAME ?: env.CHANGE_TARGET ?: ''
  } else if (env.TAG_NAME || branch ==~ '(refs/)?tags/.*') {
    env.CI_COMMIT_TAG = params.CI_COMMIT_TAG ?: env.TAG_NAME ?: branch.replaceFirst('^(refs/)?tags/', '')
  } else if (!params.CI_COMMIT_TAG) {
    env.CI_COMMIT_BRANCH = params.CI_COMMIT_BRANCH ?: env.BRANCH_NAME ?: (branch == 'detached' ? '' : branch)
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

// The sources as Jenkins fetches them for this file, at the commit of this build: the branch may have moved on.
void ownSources() {
  checkout scm
  sh label: 'checkout', script: '#!/bin/sh\ngit checkout -q --detach "$COMMIT_SHA" --'
}
