# Traffic between test guests. Each function answers by its status whether every byte got where it had to, and leaves what it
# measured as words in TRAFFIC_TEXT. Only counts and contents decide; times and rates are for reading.
# Needs guest.sh, jq.
# shellcheck shell=bash

TRAFFIC_TEXT='' TRAFFIC_SENT=''

# traffic_ping NAME ADDRESS [COUNT] [SIZE]: all of them answered. One at a time: in a row busybox gives the last one a second, and a
# guest may not be run for so long.
traffic_ping() {
    local name=$1 address=$2 count=${3:-5} size=${4:-56} output answered
    output=$(guest_run "$name" "for i in \$(seq $count); do ping -q -c 1 -W 20 -s $size $address || break; done" $((count * 20 + 20))) || true
    answered=$(grep -c '^1 packets transmitted, 1 packets received' <<<"$output" || true)
    TRAFFIC_TEXT=$(sed -n 's/.*min\/avg\/max = [0-9.]*\/\([0-9.]*\)\/.*/\1/p' <<<"$output" | awk '{ sum += $1 } END { if (NR) printf "%.3f ms", sum / NR }')
    [ "$answered" = "$count" ] || {
        TRAFFIC_TEXT="$answered of $count answered"
        return 1
    }
}

# traffic_ping_once NAME ADDRESS: one answer. For waiting until traffic flows (again).
traffic_ping_once() { guest_run "$1" "ping -q -c 1 -W 1 $2" 5 >/dev/null; }

# traffic_iperf NAME ADDRESS MEBIBYTES [WORD…]: moves so much by TCP to the server that listens there (-R: from it).
traffic_iperf() {
    local name=$1 address=$2 mebibytes=$3 output='' deadline=$((SECONDS + 60))
    shift 3
    until output=$(guest_run "$name" "iperf3 -J -c $address -n ${mebibytes}M $*" 120); do
        if ! traffic_iperf_early "$output" || [ "$SECONDS" -ge "$deadline" ]; then
            TRAFFIC_TEXT="iperf3: $(jq -r '.error // "no answer"' <<<"$output" 2>/dev/null || echo "no answer")"
            return 1
        fi
        sleep 0.1
    done
    TRAFFIC_TEXT=$(jq -r '"\(.end.sum_received.bits_per_second // 0 | . / 1e6 | round) Mbit/s"' <<<"$output")
    # The server stops counting when the client says it has sent all, with data still on the way.
    jq -e --argjson n $((mebibytes * 1048576)) \
        '.end.sum_sent.bytes >= $n and .end.sum_received.bytes >= $n / 2' <<<"$output" >/dev/null
}

# The server does not listen yet: it is only starting, or has not done with the client before, between which and the next one it
# closes its socket. Nothing was moved then.
traffic_iperf_early() {
    jq -e '(.start.connected // [] | length) == 0 and
        (.error // "" | test("Connection refused|Connection reset|server is busy"))' <<<"$1" >/dev/null 2>&1
}

# traffic_iperf_serve NAME: once per boot.
traffic_iperf_serve() { guest_run "$1" 'iperf3 -s -D'; }

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
    traffic_probe_begin "$@" "$TRAFFIC_WINDOW" && traffic_probe_end "$2" $(($4 * $5 / 1000000 + 60)) && traffic_probe_whole "$4"
}

# As many fit into the smallest ring that a guest has here, so that none is lost for want of a processor.
TRAFFIC_WINDOW=64

# The same in parts, for what is to happen meanwhile.
# traffic_probe_begin FROM TO ADDRESS-OF-TO COUNT INTERVAL_US MIN MAX [WINDOW]: returns when somebody listens and the first one is sent.
traffic_probe_begin() {
    local from=$1 to=$2 address=$3 count=$4
    shift 3
    traffic_probe_listen "$to" "$count" &&
        guest_run "$from" ": >/tmp/probe.sent; probe send $address 7000 $* >>/tmp/probe.sent & echo \$! >/tmp/probe.pid"
}

# traffic_probe_listen TO COUNT: its socket is there. 7000 is 1B58. One of an earlier case that failed may have it still, and is ended.
traffic_probe_listen() {
    guest_run "$1" "while [ -f /tmp/probe.recv ]; do kill \$(cat /tmp/probe.recv) 2>/dev/null; sleep 0.02; done
        rm -f /tmp/probe
        (probe recv 7000 $2 20000 >/tmp/probe.part & echo \$! >/tmp/probe.recv
            wait; mv /tmp/probe.part /tmp/probe; rm /tmp/probe.recv) &
        until grep -q ':1B58 ' /proc/net/udp || [ -f /tmp/probe ]; do sleep 0.02; done"
}

# traffic_probe_sending FROM: not all is sent yet.
traffic_probe_sending() { guest_run "$1" '[ ! -s /tmp/probe.sent ]'; }

# traffic_probe_stop FROM: it ends, and how many it sent goes into TRAFFIC_SENT. With a window only: the receiver has to be told.
traffic_probe_stop() {
    local output
    # shellcheck disable=SC2016  # for the guest
    output=$(guest_run "$1" 'kill $(cat /tmp/probe.pid); while ! [ -s /tmp/probe.sent ]; do sleep 0.05; done; cat /tmp/probe.sent') || return 1
    TRAFFIC_SENT=$(sed -n 's/^sent=\([0-9]*\)$/\1/p' <<<"$output")
    [ -n "$TRAFFIC_SENT" ]
}

# traffic_probe_end TO SECONDS: the receiver's count, into TRAFFIC_TEXT.
traffic_probe_end() {
    TRAFFIC_TEXT=$(guest_run "$1" 'while ! [ -f /tmp/probe ]; do sleep 0.05; done; cat /tmp/probe' "$2")
}

# traffic_probe_whole COUNT: by that count nothing was lost, doubled or damaged.
traffic_probe_whole() { [ "$1" -gt 0 ] && [[ $TRAFFIC_TEXT == *"unique=$1 lost=0 duplicate=0 "*" corrupt=0 "* ]]; }

# traffic_offloads NAME on|off: what the guest's driver may leave to the device, while it runs.
traffic_offloads() {
    guest_run "$1" "ethtool -K eth0 tx $2 sg $2 tso $2 gso $2 gro $2" >/dev/null &&
        guest_run "$1" "ethtool -k eth0 | grep -q '^tx-checksumming: $2'"
}
