# A control experiment: the same tests on DPDK's own vhost back-end. When a case fails here too, the peer or the harness is to
# blame and not Holdfast. Same functions as backend-holdfast.sh. Needs all.sh, testpmd.sh.
# shellcheck shell=bash disable=SC2034  # the names are read by the runners

backend_name="DPDK's net_vhost"
backend_has_uplinks=0
backend_has_counters=0
backend_has_standbys=0
VHOST_PID='' VHOST_DIR=''

# io forwarding joins the first port with the second, the third with the fourth.
backend_start() {
    local word number=0 queues=1 vdev vdevs=() listening=''
    packages_need PEER
    hugepages_need 256 || return 1
    temp_dir VHOST_DIR
    for word; do
        vdev="net_vhost$number,iface=$VHOST_DIR/${word%%,*}.sock,tso=1"
        [[ $word != *,queues=* ]] || queues=${word##*,queues=}
        if [[ $word == *,client* ]]; then vdev+=,client=1; else listening=${word%%,*}; fi
        vdevs+=(--vdev "$vdev,queues=$queues")
        number=$((number + 1))
    done
    testpmd_start VHOST_PID "$VHOST_DIR/testpmd.log" 1 "${vdevs[@]}" -- \
        --forward-mode=io --auto-start --disable-link-check "--rxq=$queues" "--txq=$queues" --stats-period 60
    wait_for 60 test -S "$VHOST_DIR/$listening.sock" || {
        backend_log
        return 1
    }
}

backend_socket() { printf '%s/%s.sock\n' "$VHOST_DIR" "$1"; }
backend_pids() { echo "$VHOST_PID"; }
backend_sound() { process_alive "$VHOST_PID"; }
backend_log() { tail -n 30 "$VHOST_DIR/testpmd.log" >&2; }
# testpmd ends with an error when a signal stops it.
backend_end() { process_stop "$VHOST_PID" || true; }
