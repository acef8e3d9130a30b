# The back-end under test: holdfastd and holdfast-vswitch. See backend-dpdk.sh for the other one.
#
#   backend_start PORT…   ports as holdfastd's --port takes them: NAME[,client][,queues=N]
#   backend_socket NAME   backend_pids   backend_sound   backend_log   backend_end
#
# Needs all.sh; BUILD says where the programs are. BACKEND_SWITCH holds further arguments for the switch.
# shellcheck shell=bash disable=SC2034  # the names are read by the runners

backend_name='holdfastd and holdfast-vswitch'
backend_has_uplinks=1
backend_has_counters=1
backend_has_standbys=1
BACKEND_SWITCH=()

backend_start() {
    holdfast_find "$BUILD"
    holdfast_primary "$@" && holdfast_switch --ports '*' --mode adaptive "${BACKEND_SWITCH[@]}"
}

backend_socket() { holdfast_socket "$1"; }
backend_pids() { echo "$HF_PRIMARY_PID $HF_SWITCH_PID"; }
backend_sound() { holdfast_sound; }
backend_log() { holdfast_log; }
backend_end() { holdfast_end; }

# What the switch took from a port, gave to it, and could not give to it.
backend_taken() { holdfast_switch_counter "$1" rx_packets; }
backend_given() { holdfast_switch_counter "$1" tx_packets; }
backend_dropped() { holdfast_switch_counter "$1" tx_no_buffer tx_no_queue tx_left_full tx_error; }
