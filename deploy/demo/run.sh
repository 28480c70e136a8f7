#!/bin/bash
# make demo: the main job on four bundled calls, then a page about the result. Offline once installed.
set -euo pipefail
bin=$(cd "${1:?usage: run.sh FOLDER_OF_callveil}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
rm -rf demo
# A key of the demo's own, so that it neither needs nor touches yours.
export CALLVEIL_KEYS_DIR="$PWD/demo/keys"
unset CALLVEIL_SIGNING_KEY CALLVEIL_SIGNING_KEY_FILE
"$bin/callveil" keys create
"$bin/callveil" process "$here/calls" --out demo/store
"$bin/callveil" show demo-card-payment --store demo/store
"$bin/callveil" verify --all --store demo/store
"$bin/callveil" report demo/store --out demo/report.html --title "Callveil demo"
