#!/usr/bin/env bash
# An S3 store on one node for trying things out: Ceph's monitor, one object store daemon on a sparse file, and the gateway, without redundancy.
#
# Run as it is: yes, with Debian 12's Ceph 16.2 as a process; what it stored was there after a restart, and the registry's race of writers had
# one winner (tests/e2e/test_infra_compose.py).
#
# STORE_FOLDER keeps everything; STORE_BYTES is the most it may grow to. The credentials are those of its only user.
set -euo pipefail
: "${AWS_ACCESS_KEY_ID:?the name of the key that the store is to take}" "${AWS_SECRET_ACCESS_KEY:?the secret of that key}"
folder=${STORE_FOLDER:-/var/lib/store} address=${STORE_ADDRESS:-0.0.0.0} port=${STORE_PORT:-7480} monitor=${STORE_MONITOR_PORT:-17301}
export CEPH_CONF=$folder/ceph.conf
monitors="[v2:127.0.0.1:$monitor,v1:127.0.0.1:$((monitor + 1))]"
mkdir -p "$folder"/{mon,osd,run,rgw,log}
[ -s "$folder/cluster" ] || cat /proc/sys/kernel/random/uuid >"$folder/cluster"

cat >"$CEPH_CONF" <<END
[global]
fsid = $(cat "$folder/cluster")
mon_host = $monitors
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = $folder/run
admin_socket = $folder/run/\$name.\$pid.asok
log_file = $folder/log/\$name.log
mon_cluster_log_file = /dev/null
pid_file =
setuser =
keyring = /dev/null
ms_bind_ipv6 = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_mon_initial_require_min_compat_client = luminous
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
mon_tick_interval = 1
rgw_zone_root_pool_pg = 8
[mon]
mon_data = $folder/mon
mon_initial_members = a
auth_allow_insecure_global_id_reclaim = true
[osd]
osd_data = $folder/osd
osd_objectstore = bluestore
bluestore_block_size = ${STORE_BYTES:-21474836480}
osd_memory_target = 1073741824
osd_numa_auto_affinity = false
[client.rgw.a]
rgw_data = $folder/rgw
rgw_frontends = beast endpoint=$address:$port tcp_nodelay=1
ms_mon_client_mode = crc
rgw_enable_usage_log = false
rgw_dynamic_resharding = false
rgw_run_sync_thread = false
END

begin() {
  "$@" -f &
  running+=($!)
}
end() {
  trap - TERM INT
  for ((at = ${#running[@]} - 1; at >= 0; at--)); do
    kill "${running[at]}" 2>/dev/null && wait "${running[at]}" || true
  done
  exit "${1:-0}"
}
running=()
trap 'end 0' TERM INT

if [ ! -e "$folder/mon/store.db" ]; then
  monmaptool --create --clobber --fsid "$(cat "$folder/cluster")" --addv a "$monitors" "$folder/monmap" >/dev/null
  ceph-mon --mkfs -i a --monmap "$folder/monmap"
fi
begin ceph-mon -i a
if [ ! -e "$folder/osd/ready" ]; then
  cat /proc/sys/kernel/random/uuid >"$folder/osd-uuid"
  ceph osd new "$(cat "$folder/osd-uuid")" >"$folder/number"
  ceph-osd -i "$(cat "$folder/number")" --mkfs --osd-uuid "$(cat "$folder/osd-uuid")" --monmap "$folder/monmap"
fi
begin ceph-osd -i "$(cat "$folder/number")"
until ceph osd stat | grep -q '1 up'; do sleep 0.2; done
radosgw-admin -n client.rgw.a user info --uid=distrnn >/dev/null 2>&1 ||
  radosgw-admin -n client.rgw.a user create --uid=distrnn --display-name=distrnn \
    --access-key="$AWS_ACCESS_KEY_ID" --secret-key="$AWS_SECRET_ACCESS_KEY" >/dev/null
begin radosgw -n client.rgw.a
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
  kill -0 "${running[2]}" 2>/dev/null || end 1
  sleep 0.2
done
echo "the store answers at http://$address:$port"
wait -n || true
echo "a part of the store has ended, so the rest is stopped too" >&2
end 1
