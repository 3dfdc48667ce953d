#!/bin/sh
# The entry of the image: `flatline.sh <program> [arguments]` becomes the program of that name in dist/apps. Signals
# reach Node itself, because `exec` leaves no shell in between. Without a known name it says which there are.
set -eu
cd "$(dirname "$0")"

name=${1-}
known=
for main in dist/apps/*/main.js; do
  program=$(basename "$(dirname "$main")")
  known="$known $program"
  if [ "$program" = "$name" ]; then
    shift
    exec node "$main" "$@"
  fi
done

echo "flatline: say which program to run:$known" >&2
exit 64
