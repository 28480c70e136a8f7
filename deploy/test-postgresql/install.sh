#!/bin/bash
# Installs the Debian package that the tests start a PostgreSQL server from, when root on Debian or Ubuntu.
# Elsewhere it says what is missing and those tests are skipped, unless CALLVEIL_TEST_REQUIRE_POSTGRESQL=1.
set -euo pipefail
if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  # The package would start a server of its own; the tests start theirs.
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql
else
  echo "no PostgreSQL here: install the package postgresql; its tests are skipped" >&2
fi
