# What Jenkins' checkout does not do, by the job's variables as GitLab Runner reads them.

# GIT_CHECKOUT: false. In an empty folder GitLab Runner fetches and leaves it at that: no file, and no commit at HEAD.
checkout_nothing() {
  case ${GIT_CHECKOUT-} in
  0 | f | F | false | False | FALSE) ;;
  *) return 0 ;;
  esac
  git read-tree --empty
  find . -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
  git symbolic-ref HEAD refs/heads/none
}

# Submodules. Jenkins' login for the project goes to the server it is for and to no other; it is in no command line and
# no configuration.
checkout_submodules() {
  case ${GIT_SUBMODULE_STRATEGY-} in
  '' | none) return 0 ;;
  normal) recursive= ;;
  recursive) recursive=--recursive ;;
  *) echo "GIT_SUBMODULE_STRATEGY must be none, normal or recursive, not '$GIT_SUBMODULE_STRATEGY'" >&2; return 1 ;;
  esac
  test -f .gitmodules || return 0
  origin=$(git config --get remote.origin.url)
  server=$(printf %s "$origin" | sed -n 's|^\(https*://[^/]*\)/.*|\1|p')
  host=${server#*://}
  cat >"$WORKSPACE_TMP/askpass.sh" <<'END'
#!/bin/sh
case $1 in
"Username for '$JENKINS_GIT_SERVER': ") printf '%s\n' "$JENKINS_GIT_USERNAME" ;;
"Password for '${JENKINS_GIT_SERVER%%://*}://"*"@${JENKINS_GIT_SERVER#*://}': ") printf '%s\n' "$JENKINS_GIT_PASSWORD" ;;
*) exit 1 ;;
esac
END
  chmod 700 "$WORKSPACE_TMP/askpass.sh"
  export GIT_TERMINAL_PROMPT=0 GIT_ASKPASS="$WORKSPACE_TMP/askpass.sh" JENKINS_GIT_SERVER="$server"
  test -n "${JENKINS_GIT_PASSWORD-}" || JENKINS_GIT_SERVER='nowhere'
  set -- -c credential.helper=
  if test "${GIT_SUBMODULE_FORCE_HTTPS-}" = true && test -n "$server"; then
    name=${host%%:*}
    set -- "$@" -c "url.$server/.insteadOf=git@$name:" -c "url.$server/.insteadOf=ssh://git@$name/"
  fi
  depth=${GIT_SUBMODULE_DEPTH:-${GIT_DEPTH:-20}}
  case $depth in 0 | *[!0-9]*) depth= ;; esac
  git submodule init --quiet
  git submodule --quiet sync $recursive
  # Paths and flags are lists of words; no glob in them is for the shell to expand.
  set -f
  git "$@" submodule update --init $recursive ${depth:+--depth "$depth"} ${GIT_SUBMODULE_UPDATE_FLAGS-} -- ${GIT_SUBMODULE_PATHS-}
  set +f
}
