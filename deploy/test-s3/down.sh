#!/bin/bash
# down.sh FOLDER   stop what up.sh started in FOLDER, and delete FOLDER.
set -euo pipefail

[ $# -eq 1 ] || { echo "down.sh: usage: $0 FOLDER" >&2; exit 2; }
folder=$(realpath -m "$1")
[ -e "$folder" ] || exit 0
[ -e "$folder/ceph.conf" ] || { echo "down.sh: $folder was not made by up.sh" >&2; exit 1; }

runs() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "-c $folder/ceph.conf "; }

# The gateway first, the monitor last. The gateway keeps no state, so it is not waited for long.
for name in client.rgw.a osd.0 mon.a; do
  pid=$(cat "$folder/run/$name.pid" 2>/dev/null) || continue
  runs "$pid" || continue
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 40); do
    runs "$pid" || break
    sleep 0.1
  done
  ! runs "$pid" || kill -KILL "$pid" 2>/dev/null || true
done
rm -rf "$folder"
