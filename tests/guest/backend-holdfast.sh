# The back-end under test: holdfastd and holdfast-vswitch.
# shellcheck shell=bash disable=SC2034  # the two names are read by tests/guest/run

backend_name='holdfastd and holdfast-vswitch'
backend_has_uplinks=1

# backend_start: ports a, b (we listen) and ca, cb (QEMU listens), two queue pairs each, and the uplinks of uplink.sh.
backend_start() {
    holdfast_find "$BUILD"
    netns_new HF_NETNS
    uplink_prepare
    holdfast_primary a,queues=2 b,queues=2 ca,client,queues=2 cb,client,queues=2 &&
        holdfast_switch --ports '*' --uplink tap:hf0 --uplink packet:hf1 --mode adaptive &&
        uplink_configure
}

backend_socket() { holdfast_socket "$1"; }
backend_pids() { echo "$HF_PRIMARY_PID $HF_SWITCH_PID"; }
backend_sound() { holdfast_sound; }
backend_log() { holdfast_log; }
backend_end() { holdfast_end; }
