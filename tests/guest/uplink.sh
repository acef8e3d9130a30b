# From a guest to the host's side: through a TAP, and through a packet socket on one end of a veth pair.
# Everything is in network namespaces of this run: TAP hf0 and veth hf1 in the switch's own, hf1's other end in a second one.
# shellcheck shell=bash

UPLINK_TAP=192.0.2.254 UPLINK_VETH=192.0.2.253
UPLINK_FAR=''

# Before the switch starts: where it runs, and the interface it is to open.
uplink_prepare() {
    netns_new HF_NETNS
    netns_new UPLINK_FAR
    ip -n "$HF_NETNS" link add hf1 type veth peer name hf1 netns "$UPLINK_FAR"
    ip -n "$HF_NETNS" link set hf1 up
    # shellcheck disable=SC2034  # read by backend-holdfast.sh
    BACKEND_SWITCH=(--uplink tap:hf0 --uplink packet:hf1)
}

# After: the switch has made the TAP.
uplink_configure() {
    netns_link_up "$HF_NETNS" hf0 "$UPLINK_TAP/24" && netns_link_up "$UPLINK_FAR" hf1 "$UPLINK_VETH/24"
}

# uplink_cases TITLE NAMESPACE ADDRESS
uplink_cases() {
    local title=$1 netns=$2 address=$3 server
    process_start server "$HF_LOGS/iperf3.log" nsenter "--net=/run/netns/$netns" -- iperf3 -s
    pair_expect "$title: ping from the guest" traffic_ping a "$address" 5
    pair_expect "$title: iperf3 out" traffic_iperf a "$address" 32
    pair_expect "$title: iperf3 in" traffic_iperf a "$address" 32 -R
    pair_expect "$title: 500 datagrams into the guest, each once and intact" uplink_probe "$netns"
    process_stop "$server" || true
}

uplink_probe() {
    traffic_probe_listen a 500 || return 1
    netns_run "$1" "$GUEST_PROBE" send "$A" 7000 500 1000 12 1472 "$TRAFFIC_WINDOW" >/dev/null || return 1
    traffic_probe_end a 60 && traffic_probe_whole 500
}
