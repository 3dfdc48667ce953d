#!/bin/sh
# Writes the secrets that docker-compose.yml needs to .env (or to the file given), each made at random. What is in the
# file already stays as it is, so it is safe to run again: after an upgrade it adds what has become necessary.
set -eu
umask 077 # the file is for its owner alone
file=${1:-.env}

hex() { # bytes
  head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

# 16 bytes in base64url, as Kafka names clusters; a leading dash would read as an option.
cluster_id() {
  head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' | sed 's/^-/A/'
}

add() { # name, value
  if [ -f "$file" ] && grep -q "^$1=" "$file"; then return; fi
  printf '%s=%s\n' "$1" "$2" >>"$file"
  echo "$file: $1 added"
}

# A last line without an end would swallow the first one that is added.
if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then echo >>"$file"; fi

add POSTGRES_PASSWORD "$(hex 24)"
add REDIS_PASSWORD "$(hex 24)"
add KAFKA_CLUSTER_ID "$(cluster_id)"
add PING_TOKEN_KEYS "$(hex 32)"
add FLATLINE_BOOTSTRAP_API_KEY "flk_$(hex 24)"
