"""The checkout of the project's commit by Jenkins' git plugin, as Groovy. Pure."""

from __future__ import annotations

import re
from pathlib import Path

from tasks.interpretation.pipeline import Pipeline
from tasks.jenkins_build.groovy import literal, returned
from tasks.jenkins_build.settings import RenderSettings

# Names that mean themselves in a refspec, of which Jenkins takes several with spaces between and expands `$`.
PLAIN_NAME = re.compile(r"(?!.*\.lock(?:/|$))[\w+@#=,-]+(?:[./][\w+@#=,-]+)*", re.ASCII)

# How the commit is told: its hash, its author, its time and its message, a line each but for the last.
_DESCRIBE = """\
#!/bin/sh
commit=${COMMIT_SHA-}
if [ -z "$commit" ] && [ -n "${CHANGE_ID-}" ]; then
  commit=$(git merge-base HEAD $(git for-each-ref --format='%(objectname)' "refs/remotes/*/$BRANCH_NAME")) || commit=
fi
export TZ=UTC0
git -c log.showSignature=false -c i18n.logOutputEncoding=UTF-8 log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ \
  --format='%H%n%an <%ae>%n%cd%n%B' "${commit:-HEAD}" --
"""
SOURCE = "\n" + Path(__file__).with_name("source.groovy").read_text(encoding="ascii")
SOURCE = SOURCE.replace("@DESCRIBE@", returned(_DESCRIBE))
# What a Jenkinsfile to keep finds out: by git, and by Jenkins where the build is of a merge request.
DESCRIBED = (
    *("CI_COMMIT_AUTHOR", "CI_COMMIT_DESCRIPTION", "CI_COMMIT_MESSAGE", "CI_COMMIT_TIMESTAMP", "CI_COMMIT_TITLE"),
)
FOUND = (
    *DESCRIBED,
    *("CI_MERGE_REQUEST_IID", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
    "CI_MERGE_REQUEST_TITLE",
)

REFSPEC = """
// What is fetched: the commit, as its branch or its tag where the build says of which it is: scripts find those.
String refspec() {
  String plain = '[\\\\w+@#=,-]+([./][\\\\w+@#=,-]+)*'
  if (env.CI_COMMIT_BRANCH ==~ plain) {
    return "+${env.COMMIT_SHA}:refs/remotes/origin/${env.CI_COMMIT_BRANCH}"
  }
  if (env.CI_COMMIT_TAG ==~ plain) {
    return "+${env.COMMIT_SHA}:refs/tags/${env.CI_COMMIT_TAG}"
  }
  return env.COMMIT_SHA
}
"""


def refspec(pipeline: Pipeline, settings: RenderSettings) -> str:
    """What a decided Jenkinsfile fetches: the commit, as its branch or with its tag where the pipeline is of one.

    So scripts find ``origin/BRANCH``, or the tag, as they do on GitLab Runner, in a shallow checkout too. A branch is
    fetched by the commit's hash: it may have moved on, or be gone.
    """
    commit, variables = settings.commit_sha, pipeline.variables
    if PLAIN_NAME.fullmatch(branch := variables.get("CI_COMMIT_BRANCH", "")):
        return f"+{commit}:refs/remotes/origin/{branch}"
    if PLAIN_NAME.fullmatch(tag := variables.get("CI_COMMIT_TAG", "")):
        return f"+refs/tags/{tag}:refs/tags/{tag} {commit}"
    return commit


def checkout(pipeline: Pipeline, settings: RenderSettings, depth: int) -> str:
    """The steps of the checkout for one depth; 0 is the whole history with branches and tags."""
    decided = pipeline.decided
    commit = literal(settings.commit_sha) if decided else "env.COMMIT_SHA"
    url = literal(settings.clone_url) if decided else "env.REPO_URL"
    credentials = f", credentialsId: {literal(settings.git_credentials_id)}" if settings.git_credentials_id else ""
    fetched = "'+refs/heads/*:refs/remotes/origin/* +refs/tags/*:refs/tags/* ' + " + commit
    if depth:
        fetched = literal(refspec(pipeline, settings)) if decided else "refspec()"
    clone = f"shallow: true, depth: {depth}, noTags: true" if depth else "shallow: false, noTags: false"
    own = "" if decided else "if (ownSource) {\n    ownSources()\n    return\n  }\n  "
    return (
        f"{own}checkout([$class: 'GitSCM', branches: [[name: {commit}]],\n"
        f"    userRemoteConfigs: [[url: {url}{credentials}, refspec: {fetched}]],\n"
        f"    extensions: [[$class: 'CloneOption', {clone}, honorRefspec: true]]])"
    )
