#!/bin/bash
# Installs the Debian packages that up.sh starts an S3 server (Ceph RGW) from, when root on Debian or Ubuntu.
# Elsewhere it says what is missing and the S3 tests are skipped, unless CALLVEIL_TEST_S3_ENDPOINT names a server.
set -euo pipefail
packages="ceph-mon ceph-osd radosgw ceph-common uuid-runtime curl"
if command -v radosgw >/dev/null && command -v ceph-osd >/dev/null && command -v ceph-mon >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -q
  # shellcheck disable=SC2086  a list of package names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages
else
  echo "no S3 server here: install $packages, or name one in CALLVEIL_TEST_S3_ENDPOINT; S3 tests are skipped" >&2
fi
