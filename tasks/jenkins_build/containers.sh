#!/bin/sh
# Waits for a service as GitLab Runner does: until it listens on one of the ports its image exposes, for half a minute
# at most; then it says so, shows the service's log and goes on. The image of the job looks at the ports, which takes
# nothing but a shell.
# Its name, its container, the port to look at instead; then the words of a `docker run` without image and command.
service_wait() {
  service=$1 container=$2 ports=$3
  shift 3
  test -n "$ports" || ports=$(docker inspect --format '{{range $port, $no := .Config.ExposedPorts}}{{$port}} {{end}}' "$container")
  wanted=
  for port in $ports; do
    case $port in *[!0-9/tcp]*) ;; *) wanted="$wanted $(printf %04X "${port%/tcp}")" ;; esac
  done
  if test -z "$wanted"; then
    echo "Service $service exposes no port to wait for."
    return 0
  fi
  docker run --rm --network="container:$container" --entrypoint=sh "$@" -c '
    second=0
    while test "$second" -lt 30; do
      for file in /proc/net/tcp /proc/net/tcp6; do
        test -r "$file" || continue
        while read -r number here there state rest; do
          case $here in 0100007F:* | 00000000000000000000000001000000:*) continue ;; esac
          case "$state:$1 " in 0A:*" ${here##*:} "*) exit 0 ;; esac
        done <"$file"
      done
      second=$((second + 1))
      sleep 1 || exit 1
    done
    exit 1' sh "$wanted" >/dev/null 2>&1 && return 0
  echo "*** WARNING: Service $service probably did not start: none of its ports ($ports) answered. Its log:"
  docker logs --tail 100 "$container" 2>&1
  echo '***'
}

# Sees to it that an image is there, by the first of its policies that works. The image, its platform, the policies.
image_pull() {
  image=$1 platform=${2:+--platform=$2}
  shift 2
  for policy in "$@"; do
    case $policy in
    always) docker pull -q $platform "$image" >/dev/null && return 0 ;;
    if-not-present) docker image inspect "$image" >/dev/null 2>&1 && return 0
      docker pull -q $platform "$image" >/dev/null && return 0 ;;
    never) docker image inspect "$image" >/dev/null && return 0 ;;
    esac
    echo "WARNING: the pull policy $policy gave no image $image"
  done
  return 1
}
