# Open vSwitch on DPDK, for comparison: its own database and directories, two ports that connect to QEMU's sockets.
# Needs say.sh, cleanup.sh, process.sh.
#
#   ovs_start PORT…     database, switch, one dpdkvhostuserclient port each
#   ovs_socket PORT     where QEMU is to listen (guest_start mode=client)
#   ovs_kill_restart    kill -9 of ovs-vswitchd, and the same command again at once
#   ovs_end
# shellcheck shell=bash

OVS_DIR='' OVS_PID='' OVS_DB_PID=''
OVS_PROGRAM=/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk
OVS_SCHEMA=/usr/share/openvswitch/vswitch.ovsschema

ovs_socket() { printf '%s/%s.sock\n' "$OVS_DIR" "$1"; }

ovs_vsctl() { ovs-vsctl --timeout=30 "--db=unix:$OVS_DIR/db.sock" "$@"; }

ovs_start() {
    local port commands=()
    temp_dir OVS_DIR
    export OVS_RUNDIR=$OVS_DIR OVS_LOGDIR=$OVS_DIR OVS_DBDIR=$OVS_DIR
    ovsdb-tool create "$OVS_DIR/conf.db" "$OVS_SCHEMA" >>"$OVS_DIR/tool.log" 2>&1 || return 1
    process_start OVS_DB_PID "$OVS_DIR/db.log" ovsdb-server "$OVS_DIR/conf.db" "--remote=punix:$OVS_DIR/db.sock" \
        "--unixctl=$OVS_DIR/db.ctl"
    wait_for 10 test -S "$OVS_DIR/db.sock" || return 1
    ovs_vsctl --no-wait init -- set Open_vSwitch . other_config:dpdk-init=true \
        'other_config:dpdk-extra="--no-pci --in-memory"' other_config:dpdk-socket-mem=512 \
        other_config:pmd-cpu-mask=1 other_config:dpdk-lcore-mask=2 || return 1
    ovs_switch_start
    commands=(-- add-br br0 -- set bridge br0 datapath_type=netdev)
    for port; do
        commands+=(-- add-port br0 "$port" -- set interface "$port" type=dpdkvhostuserclient
            "options:vhost-server-path=$(ovs_socket "$port")")
    done
    # Waits until the switch has done it.
    ovs_vsctl "${commands[@]}" || {
        ovs_log
        return 1
    }
}

ovs_switch_start() {
    process_start OVS_PID "$OVS_DIR/vswitchd.log" "$OVS_PROGRAM" "unix:$OVS_DIR/db.sock" "--unixctl=$OVS_DIR/switch.ctl"
}

ovs_kill_restart() {
    process_kill "$OVS_PID"
    ovs_switch_start
}

ovs_log() { tail -n 20 "$OVS_DIR/vswitchd.log" >&2 || true; }

ovs_end() {
    process_stop "$OVS_PID" 10 || true
    process_stop "$OVS_DB_PID" || true
}
