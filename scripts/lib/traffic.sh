# Traffic between test guests. Each function answers by its status whether every byte got where it had to, and leaves what it
# measured as words in TRAFFIC_TEXT. Only counts and contents decide; times and rates are for reading.
# Needs guest.sh, jq.
# shellcheck shell=bash

TRAFFIC_TEXT=''

# traffic_ping NAME ADDRESS [COUNT] [SIZE]: all of them answered.
traffic_ping() {
    local name=$1 address=$2 count=${3:-5} size=${4:-56} output
    # The first one also waits for ARP; -W is per answer.
    output=$(guest_run "$name" "ping -q -c $count -i 0.2 -W 3 -s $size $address" $((count + 20))) || true
    TRAFFIC_TEXT=$(sed -n 's/.*min\/avg\/max = [0-9.]*\/\([0-9.]*\)\/.*/\1 ms/p' <<<"$output")
    grep -q "^$count packets transmitted, $count packets received" <<<"$output" || {
        TRAFFIC_TEXT=$(grep -m 1 'packets transmitted' <<<"$output" || echo "no answer from $name")
        return 1
    }
}

# traffic_ping_once NAME ADDRESS: one answer. For waiting until traffic flows (again).
traffic_ping_once() { guest_run "$1" "ping -q -c 1 -W 1 $2" 5 >/dev/null; }

# traffic_iperf NAME ADDRESS MEBIBYTES [WORD…]: moves so much by TCP to the server that listens there (-R: from it).
traffic_iperf() {
    local name=$1 address=$2 mebibytes=$3 output
    shift 3
    output=$(guest_run "$name" "iperf3 -J -c $address -n ${mebibytes}M $*" 120) || {
        TRAFFIC_TEXT="iperf3: $(jq -r '.error // "no answer"' <<<"$output" 2>/dev/null || echo "no answer")"
        return 1
    }
    TRAFFIC_TEXT=$(jq -r '"\(.end.sum_received.bits_per_second // 0 | . / 1e6 | round) Mbit/s"' <<<"$output")
    # The server stops counting when the client says it has sent all, with data still on the way.
    jq -e --argjson n $((mebibytes * 1048576)) \
        '.end.sum_sent.bytes >= $n and .end.sum_received.bytes >= $n / 2' <<<"$output" >/dev/null
}

# traffic_iperf_serve NAME: once per boot.
traffic_iperf_serve() {
    guest_run "$1" 'iperf3 -s -D && sleep 1'
}

# traffic_copy FROM TO ADDRESS-OF-FROM MEBIBYTES: random bytes by HTTP; both ends' SHA-256 agree.
traffic_copy() {
    local from=$1 to=$2 address=$3 mebibytes=$4 sent received
    sent=$(guest_run "$from" "cd /tmp && dd if=/dev/urandom of=file bs=1M count=$mebibytes 2>/dev/null &&
        { pidof httpd >/dev/null || httpd -h /tmp; } && sha256sum <file") || return 1
    received=$(guest_run "$to" "wget -q -O - http://$address/file | sha256sum") || return 1
    TRAFFIC_TEXT="$mebibytes MiB, sha256 ${sent:0:8}…"
    # The sum of nothing must not pass for two empty answers.
    [ ${#sent} -ge 64 ] && [ "$sent" = "$received" ]
}

# traffic_probe FROM TO ADDRESS-OF-TO COUNT INTERVAL_US MIN MAX: UDP datagrams of these sizes, each arrives once and intact.
traffic_probe() {
    traffic_probe_begin "$@" && traffic_probe_end "$2" $(($4 * $5 / 1000000 + 20)) && traffic_probe_whole "$4"
}

# The same in parts, for what is to happen meanwhile.
# traffic_probe_begin FROM TO ADDRESS-OF-TO COUNT INTERVAL_US MIN MAX: returns at once.
traffic_probe_begin() {
    local from=$1 to=$2 address=$3 count=$4
    shift 3
    guest_run "$to" "rm -f /tmp/probe; (probe recv 7000 $count 10000 >/tmp/probe.part; mv /tmp/probe.part /tmp/probe) & sleep 0.5" &&
        guest_run "$from" "probe send $address 7000 $* >/tmp/probe.sent & sleep 0.1"
}

# traffic_probe_sending FROM: not all is sent yet.
traffic_probe_sending() { guest_run "$1" '[ ! -s /tmp/probe.sent ]'; }

# traffic_probe_end TO SECONDS: the receiver's count, into TRAFFIC_TEXT.
traffic_probe_end() {
    TRAFFIC_TEXT=$(guest_run "$1" 'while ! [ -f /tmp/probe ]; do sleep 0.2; done; cat /tmp/probe' "$2")
}

# traffic_probe_whole COUNT: by that count nothing was lost, doubled or damaged.
traffic_probe_whole() { [[ $TRAFFIC_TEXT == *"unique=$1 lost=0 duplicate=0 "*" corrupt=0 "* ]]; }

# traffic_offloads NAME on|off: what the guest's driver may leave to the device, while it runs.
traffic_offloads() {
    guest_run "$1" "ethtool -K eth0 tx $2 sg $2 tso $2 gso $2 gro $2" >/dev/null &&
        guest_run "$1" "ethtool -k eth0 | grep -q '^tx-checksumming: $2'"
}
