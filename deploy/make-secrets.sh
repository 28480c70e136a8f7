#!/bin/bash
# make-secrets.sh [FOLDER]   make the secrets of an installation, each in a file of FOLDER (secrets, beside this).
#
# What is there already stays as it is. Back the folder up, encrypted, apart from the data it protects.
set -euo pipefail
umask 077

folder=${1:-$(dirname "$0")/secrets}
command -v openssl >/dev/null || { echo "make-secrets.sh: openssl is not installed" >&2; exit 1; }
mkdir -p "$folder"
# The folder keeps others out. The files are readable, for a container's user is another one than yours.
chmod 0700 "$folder"

new() { # NAME COMMAND...   a file with what the command prints
  local file=$folder/$1
  shift
  [ -e "$file" ] && return 0
  "$@" >"$file.draft"
  chmod 0644 "$file.draft"
  mv "$file.draft" "$file"
  echo "made $file"
}
ledger_url() { echo "postgresql+psycopg://callveil:$(cat "$folder/postgres_password")@postgres:5432/callveil"; }
office_keys() {
  printf '[{"key_id": "privacy-%s", "secret": "%s", "role": "privacy"},' "$(openssl rand -hex 4)" "$(openssl rand -hex 32)"
  printf ' {"key_id": "ops-%s", "secret": "%s", "role": "ops"}]\n' "$(openssl rand -hex 4)" "$(openssl rand -hex 32)"
}
ingest_keys() { printf '{"key_id": "key-%s", "secret": "%s"}\n' "$(openssl rand -hex 4)" "$(openssl rand -hex 32)"; }
subject_keys() { printf '{"keys": ["%s"]}\n' "$(openssl rand -base64 32)"; }
s3_identities() {
  printf '{"identities": [{"name": "callveil", "credentials": [{"accessKey": "%s", "secretKey": "%s"}],' \
    "$(cat "$folder/s3_access_key")" "$(cat "$folder/s3_secret_key")"
  printf ' "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}\n'
}

new landing_key openssl rand -base64 32          # raw audio waits under it
new subject_keys subject_keys                    # persons are found with them
new signing_key openssl genpkey -algorithm ed25519 # signs the certificates
new ingest_keys ingest_keys                      # signs what is pushed
new office_keys office_keys                      # sign what the privacy officer and ops ask for
new recipients echo '[]'                         # systems that got copies, with their secrets
new oidc_secret true                             # client secret of the identity provider, where there is one
new postgres_password openssl rand -hex 24
new ledger_url ledger_url
new s3_access_key openssl rand -hex 10
new s3_secret_key openssl rand -hex 24
new s3_identities s3_identities               # the same keys, as the S3 server reads them
