# A control experiment: the same guests on DPDK's own vhost back-end. When a case fails here too, the guest or the harness is to
# blame and not Holdfast.
# shellcheck shell=bash disable=SC2034  # the two names are read by tests/guest/run

backend_name="DPDK's net_vhost"
backend_has_uplinks=0
PMD_PID=''

# io forwarding joins ports 0 and 1, 2 and 3: a with b, ca with cb.
backend_start() {
    packages_need PEER
    hugepages_need 256 || return 1
    temp_dir PMD_DIR
    testpmd_start PMD_PID "$PMD_DIR/testpmd.log" 1 \
        --vdev "net_vhost0,iface=$PMD_DIR/a.sock,queues=2,tso=1" --vdev "net_vhost1,iface=$PMD_DIR/b.sock,queues=2,tso=1" \
        --vdev "net_vhost2,iface=$PMD_DIR/ca.sock,queues=2,client=1,tso=1" \
        --vdev "net_vhost3,iface=$PMD_DIR/cb.sock,queues=2,client=1,tso=1" -- \
        --forward-mode=io --auto-start --disable-link-check --rxq=2 --txq=2 --stats-period 60
    wait_for 15 test -S "$PMD_DIR/b.sock" || {
        backend_log
        return 1
    }
}

backend_socket() { printf '%s/%s.sock\n' "$PMD_DIR" "$1"; }
backend_pids() { echo "$PMD_PID"; }
backend_sound() { process_alive "$PMD_PID"; }
backend_log() { tail -n 30 "$PMD_DIR/testpmd.log" >&2; }
# testpmd ends with an error when a signal stops it.
backend_end() { process_stop "$PMD_PID" || true; }
