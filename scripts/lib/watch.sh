# What guests feel while something happens below them: echo requests at a steady pace, one TCP connection, and the counters that show a
# lost link or a reset. Everything is counted in windows, one for each event, that leave nothing out.
# Needs guest.sh, netns.sh, jq; pace is in the guests' image.
#
#   watch_ping NAME ADDRESS           from a guest, every WATCH_INTERVAL_US
#   watch_ping_host NETNS ADDRESS     from the host's side of an uplink
#   watch_tcp FROM TO ADDRESS [WORD…] iperf3, for as long as it is let
#   watch_guests NAME…                those whose carrier and connections are looked at
#   watch_window                      the figures since the window before, into WATCH; true when all could be had
# shellcheck shell=bash

WATCH_INTERVAL_US=10000
# In the last window. gap_us: the longest silence between two answers, less the interval; flaps: of the carrier, in all guests;
# resets: of established connections, in all guests, and one when iperf3 has ended.
declare -A WATCH
WATCH_PINGER='' WATCH_TCP='' WATCH_HOST_PID=''
WATCH_GUESTS=()
declare -A WATCH_NEXT WATCH_CARRIER WATCH_RESETS

watch_ping() {
    WATCH_PINGER=$1
    WATCH_NEXT[guest]=0
    guest_run "$1" "pace ping $2 $WATCH_INTERVAL_US /tmp/answers & sleep 0.5; [ -s /tmp/answers ]"
}

watch_ping_host() {
    WATCH_NEXT[host]=0
    process_start WATCH_HOST_PID "$HF_LOGS/ping" nsenter "--net=/run/netns/$1" -- \
        "$GUEST_PACE" ping "$2" "$WATCH_INTERVAL_US" "$HF_LOGS/answers"
}

watch_tcp() {
    local from=$1 to=$2 address=$3
    shift 3
    WATCH_TCP=$from
    traffic_iperf_serve "$to" &&
        guest_run "$from" "(iperf3 -c $address -t 3600 -i 0 $* >/tmp/tcp 2>&1; echo ended >>/tmp/tcp) & sleep 1; pidof iperf3 >/dev/null"
}

watch_guests() { WATCH_GUESTS=("$@"); }

# watch_value NAME LINE: of a line of name=value words.
watch_value() { sed -n "s/.*\b$1=\([0-9-]*\).*/\1/p" <<<"$2"; }

# watch_gaps WHO LINE: what pace said.
watch_gaps() {
    local gap
    gap=$(watch_value longest_gap_us "$2")
    [ -n "$gap" ] || return 1
    WATCH[$1_gap_us]=$((gap > WATCH_INTERVAL_US ? gap - WATCH_INTERVAL_US : 0))
    WATCH[$1_lost]=$(watch_value lost "$2")
    WATCH[$1_answers]=$(watch_value answers "$2")
    WATCH_NEXT[$1]=$(watch_value next "$2")
}

# One command a guest, so that looking disturbs little. EstabResets is the 8th figure of Tcp.
watch_guest() {
    local name=$1 output carrier resets
    output=$(guest_run "$name" "echo carrier=\$(cat /sys/class/net/eth0/carrier_changes) \
resets=\$(grep ^Tcp: /proc/net/snmp | tail -n 1 | cut -d' ' -f9) tcp=\$(pidof iperf3 >/dev/null && echo 1 || echo 0)
$([ "$name" != "$WATCH_PINGER" ] || echo "pace gaps /tmp/answers ${WATCH_NEXT[guest]}")") || return 1
    carrier=$(watch_value carrier "$output")
    resets=$(watch_value resets "$output")
    [ -n "$carrier" ] && [ -n "$resets" ] || return 1
    WATCH[flaps]=$((WATCH[flaps] + carrier - ${WATCH_CARRIER[$name]:-$carrier}))
    WATCH[resets]=$((WATCH[resets] + resets - ${WATCH_RESETS[$name]:-$resets}))
    WATCH_CARRIER[$name]=$carrier
    WATCH_RESETS[$name]=$resets
    [ "$name" != "$WATCH_TCP" ] || [ "$(watch_value tcp "$output")" = 1 ] || WATCH[resets]=$((WATCH[resets] + 1))
    [ "$name" != "$WATCH_PINGER" ] || watch_gaps guest "$output"
}

watch_window() {
    local name failed=0
    WATCH=([flaps]=0 [resets]=0)
    for name in "${WATCH_GUESTS[@]}"; do
        watch_guest "$name" || failed=1
    done
    [ -z "$WATCH_HOST_PID" ] || watch_gaps host "$("$GUEST_PACE" gaps "$HF_LOGS/answers" "${WATCH_NEXT[host]}")" || failed=1
    return $failed
}
