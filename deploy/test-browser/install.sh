#!/bin/bash
# Installs the Debian package of the browser that tests/browser drives, when root on Debian or Ubuntu.
# Elsewhere it says what is missing and those tests are skipped, unless CALLVEIL_TEST_REQUIRE_BROWSER=1.
set -euo pipefail
if [ -n "${CALLVEIL_TEST_CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core
else
  echo "no browser here: install the package chromium; its tests are skipped" >&2
fi
