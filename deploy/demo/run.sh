#!/bin/bash
# make demo: the main job on four bundled calls, then a page about the result. Offline once installed.
set -euo pipefail
bin=$(cd "${1:?usage: run.sh FOLDER_OF_callveil}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
rm -rf demo
"$bin/callveil" process "$here/calls" --out demo/store
"$bin/callveil" show demo-card-payment --store demo/store
"$bin/callveil" report demo/store --out demo/report.html --title "Callveil demo"
