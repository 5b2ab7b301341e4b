# The job's caches: tar files on this agent, one folder a key. What goes wrong here is said, and never fails the job.
cache_root="${CI_PROJECT_DIR%/*}/$(basename "${CI_PROJECT_DIR%@*}")@cache"
case ${CI_COMMIT_REF_PROTECTED-} in true) cache_kind=-protected ;; *) cache_kind=-non_protected ;; esac
cache_line='
'

# A key as the name of a folder: no other key has it, and nothing in it leads elsewhere.
cache_name() {
  printf '%s-' "$(printf %s "$1" | LC_ALL=C tr -c 'A-Za-z0-9_.-' _ | cut -c1-80)"
  printf %s "$1" | { sha256sum || shasum -a 256 || cksum; } 2>/dev/null | tr -cd 0-9a-f | cut -c1-16
}
test -z "${SMARTCLIDE_CACHE_DIR-}" || cache_root="$SMARTCLIDE_CACHE_DIR/$(cache_name "${JOB_NAME-$cache_root}")"

# Of the files in standard input, one a line, those that a glob selects; of a folder that it selects, the folder alone.
cache_match() {
  awk '
    function ere(glob,    out, i, c, braces, end) {
      out = ""; braces = 0
      for (i = 1; i <= length(glob); i++) {
        c = substr(glob, i, 1)
        if (substr(glob, i, 3) == "**/") { out = out "(.*/)?"; i += 2 }
        else if (substr(glob, i, 2) == "**") { out = out ".*"; i++ }
        else if (c == "*") out = out "[^/]*"
        else if (c == "?") out = out "[^/]"
        else if (c == "{") { out = out "("; braces++ }
        else if (c == "}" && braces) { out = out ")"; braces-- }
        else if (c == "," && braces) out = out "|"
        else if (c == "[" && (end = index(substr(glob, i + 2), "]"))) {
          c = substr(glob, i + 1, end)
          sub(/^!/, "^", c)
          out = out "[" c "]"
          i += end + 1
        } else {
          if (c == "\\") c = substr(glob, ++i, 1)
          if (c == "^") out = out "\\^"
          else if (c == "\\") out = out "\\\\"
          else out = out "[" c "]"
        }
      }
      while (braces--) out = out ")"
      return out
    }
    BEGIN { for (i = 1; i < ARGC; i++) { wanted[i] = "^(" ere(ARGV[i]) ")$"; ARGV[i] = "" } }
    { name = substr($0, 3) }
    name == "" { next }
    last != "" && index(name, last "/") == 1 { next }
    { for (i in wanted) if (name ~ wanted[i]) { print; last = name; break } }
  ' "$@"
}

# A key made of what files of the commit hold: its beginning, then their globs.
cache_files_key() (
  key=$1
  shift
  commit=${CI_COMMIT_SHA:-HEAD}
  found=$(git -c core.quotePath=false ls-tree -r --name-only "$commit" 2>/dev/null | sed 's|^|./|' | cache_match "$@" |
    while IFS= read -r file; do git rev-parse "$commit:$file"; done)
  if test -n "$found"; then
    printf '%s-%s' "$key" "$(printf %s "$found" | git hash-object --stdin)"
  else
    printf '%s-default' "$key"
  fi
)

# Looks for a cache under each of these keys; the first that is there is restored.
cache_restore() (
  policy=$1 kind=$2 key=$3
  shift 2
  case $policy in
  pull | pull-push) ;;
  push) echo "Not restoring cache $key$kind due to policy"; return 0 ;;
  *) echo "WARNING: cache $key$kind has the unknown policy '$policy'"; return 0 ;;
  esac
  for key in "$@"; do
    test -z "$key" || ! cache_extract "$key$kind" || return 0
  done
  case ${CACHE_FALLBACK_KEY-} in
  '') ;;
  *-protected) echo "WARNING: CACHE_FALLBACK_KEY must not end in -protected" ;;
  *) cache_extract "$CACHE_FALLBACK_KEY" || cache_extract "$CACHE_FALLBACK_KEY$kind" ;;
  esac
)

cache_extract() {
  file="$cache_root/$(cache_name "$1")/cache.tar"
  if ! test -f "$file"; then
    echo "No cache $1"
    return 1
  fi
  touch -c "$file" # those that nobody used for a month are removed
  if tar -xpf "$file"; then
    echo "Restored cache $1"
  else
    echo "WARNING: cache $1 could not be restored, or not wholly"
  fi
}

# Saves a cache of these paths, so that it is there as a whole or not at all, also when two builds save it at once.
cache_save() (
  when=$1 policy=$2 key=$4$3 untracked=$5
  test -n "$4" || return 0
  shift 5
  case $when:$CI_JOB_STATUS in always:success | always:failed | on_success:success | on_failure:failed) ;; *) return 0 ;; esac
  case $policy in
  push | pull-push) ;;
  pull) echo "Not saving cache $key due to policy"; return 0 ;;
  *) echo "WARNING: cache $key has the unknown policy '$policy'"; return 0 ;;
  esac
  list="$WORKSPACE_TMP/cache-list" folder="$cache_root/$(cache_name "$key")"
  cache_list "$untracked" "$@" >"$list"
  if ! test -s "$list"; then
    echo "Nothing to save in cache $key"
    return 0
  fi
  mkdir -p "$folder" && new=$(mktemp "$folder/.new.XXXXXX") || { echo "WARNING: cache $key was not saved"; return 0; }
  # The lists of GNU's and BSD's tar can be ended by NUL, and then no name in them is anything but a name. Busybox' may
  # know no lists.
  case $(tar --version 2>&1) in
  *GNU* | *bsdtar*) tr '\n' '\0' <"$list" >"$list.0" && tar -cf "$new" --null -T "$list.0" ;;
  *)
    set --
    while IFS= read -r path; do set -- "$@" "$path"; done <"$list"
    tar -cf "$new" "$@"
    ;;
  esac && mv -f "$new" "$folder/cache.tar" && echo "Saved cache $key" ||
    { rm -f "$new"; echo "WARNING: cache $key was not saved"; }
  find "$cache_root" -type f \( -name cache.tar -mtime +30 -o -name '.new.*' -mtime +1 \) -exec rm -f {} \;
)

# The files and folders that these globs select, one a line, each beginning with ./
cache_list() {
  {
    test "$1" != true || git ls-files --others -z 2>/dev/null | tr '\0' '\n' | sed 's|^|./|'
    shift
    for path in "$@"; do cache_paths "$path"; done
  } | sort -u
}

cache_paths() (
  path=$1
  case $path in "$CI_PROJECT_DIR") path=. ;; "$CI_PROJECT_DIR"/*) path=${path#"$CI_PROJECT_DIR"} path=${path#/} ;; esac
  while :; do
    case $path in ./*) path=${path#./} ;; ?*/) path=${path%/} ;; *) break ;; esac
  done
  case "/$path/" in
  // | ///* | */../*) echo "WARNING: $1 is not in the project's folder, and not kept" >&2; return 0 ;;
  /./) path='*' ;;
  esac
  if test -e "./$path" || test -L "./$path"; then
    printf './%s\n' "$path"
    return 0
  fi
  found=$(find . -path ./.git -prune -o -name "*$cache_line*" -prune -o -print | cache_match "$path")
  if test -n "$found"; then printf '%s\n' "$found"; else echo "WARNING: $1: no matching files" >&2; fi
)
