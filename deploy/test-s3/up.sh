#!/bin/bash
# up.sh FOLDER PORT   start an S3 server for tests: one Ceph monitor, one store in memory, one RADOS Gateway.
#
# It listens on 127.0.0.1:PORT (the monitor on MON_PORT, PORT + 1 if not set), needs no root and no container,
# and takes about 15 seconds and 120 MB. FOLDER must be empty or missing, and its path at most 70 characters
# long (unix sockets). What is stored is gone after down.sh.
#
# Debian: apt-get install --no-install-recommends ceph-mon ceph-osd ceph-common radosgw uuid-runtime curl
# Environment: S3_ACCESS_KEY, S3_SECRET_KEY (devaccess, devsecret123); MEMORY_GIB (1): room for objects;
# LIFECYCLE_DAY_S: how many seconds lifecycle rules take for a day.
set -euo pipefail
export LC_ALL=C
umask 077

die() { echo "up.sh: $*" >&2; exit 1; }

[ $# -eq 2 ] || die "usage: $0 FOLDER PORT"
folder=$(realpath -m "$1")
port=$2
mon_port=${MON_PORT:-$((port + 1))}
access_key=${S3_ACCESS_KEY:-devaccess}
secret_key=${S3_SECRET_KEY:-devsecret123}
bytes=$((${MEMORY_GIB:-1} * 1024 * 1024 * 1024))
conf=$folder/ceph.conf
keyring=$folder/keyring

for program in ceph ceph-authtool ceph-mon ceph-osd curl monmaptool radosgw radosgw-admin uuidgen; do
  command -v "$program" >/dev/null || die "$program is not installed; the head of this file names the packages"
done
[ ${#folder} -le 70 ] || die "the path of the folder is longer than 70 characters"
[ ! -e "$folder" ] || [ -z "$(ls -A "$folder")" ] || die "the folder is not empty"
mkdir -p "$folder"/{mon,osd,rgw,log,run}

# Whatever goes wrong from here on, no daemon is left behind.
trap '[ $? -eq 0 ] || "$(dirname "$0")/down.sh" "$folder" || true' EXIT

wait_for() { # SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "waited too long for the $what; see $folder/log"
    sleep 0.1
  done
}
ceph_() { ceph -c "$conf" --connect-timeout 20 "$@"; }
osd_is_up() { ceph_ osd stat | grep -q '1 up'; }
gateway_answers() { [ "$(curl -s -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/")" = 200 ]; }

# cephx and not "none": radosgw insists on a secure connection to the monitor, which "none" does not have.
cat >"$conf" <<END
[global]
fsid = $(uuidgen)
mon_host = [v2:127.0.0.1:$mon_port]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
public_network = 127.0.0.0/8
cluster_network = 127.0.0.0/8
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = $keyring
run_dir = $folder/run
admin_socket = $folder/run/\$name.asok
pid_file = $folder/run/\$name.pid
log_file = $folder/log/\$name.log
mon_cluster_log_file = $folder/log/cluster.log
crash_dir = $folder/log
mon_data = $folder/mon
osd_data = $folder/osd
rgw_data = $folder/rgw
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_warn_on_insecure_global_id_reclaim_allowed = false
auth_allow_insecure_global_id_reclaim = false
mon_data_avail_warn = 2
mon_data_avail_crit = 1
osd_objectstore = memstore
memstore_device_bytes = $bytes
osd_memory_target = 939524096
osd_heartbeat_grace = 60
rgw_frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw_thread_pool_size = 32
rgw_enable_usage_log = false
rgw_lc_debug_interval = ${LIFECYCLE_DAY_S:--1}
END

new_key() { ceph-authtool "$keyring" --gen-key "$@" >/dev/null; }
ceph-authtool --create-keyring "$keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
new_key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
new_key -n osd.0 --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *'
new_key -n client.rgw.a --cap mon 'allow rw' --cap osd 'allow rwx' --cap mgr 'allow rw'

uuid=$(uuidgen)
monmaptool --create --addv a "[v2:127.0.0.1:$mon_port]" --fsid "$(sed -n 's/^fsid = //p' "$conf")" \
  "$folder/monmap" >/dev/null
ceph-mon -c "$conf" --mkfs -i a --monmap "$folder/monmap" --keyring "$keyring"
ceph-mon -c "$conf" -i a
wait_for 20 monitor ceph_ osd new "$uuid" 0
ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$uuid" >"$folder/log/osd.out" 2>&1 || die "ceph-osd --mkfs failed"
ceph-osd -c "$conf" -i 0 >>"$folder/log/osd.out" 2>&1 || die "ceph-osd failed; see $folder/log"
wait_for 30 "object store" osd_is_up
timeout 60 radosgw-admin -c "$conf" user create --uid=dev --display-name=dev \
  --access-key="$access_key" --secret="$secret_key" >/dev/null 2>"$folder/log/user.out" || die "no S3 user could be made"
radosgw -c "$conf" -n client.rgw.a >>"$folder/log/rgw.out" 2>&1 || die "radosgw failed; see $folder/log"
wait_for 60 gateway gateway_answers
echo "up.sh: http://127.0.0.1:$port"
