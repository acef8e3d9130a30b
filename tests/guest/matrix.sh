# Two guests talk, in all shapes of device a stock driver can be given.
# shellcheck shell=bash

# A combination: QUEUES OFFLOADS MTU FLAVOUR MODE.
MATRIX_QUEUES=(1 2) MATRIX_OFFLOADS=(on off) MATRIX_MTU=(1500 9000) MATRIX_FLAVOUR=(modern legacy) MATRIX_MODE=(server client)

# Six of the 32 combinations in which every two values of any two settings meet at least once (a covering array of strength two:
# its columns are distinct three-element sets of the last five rows). A fault that needs one or two settings together is found.
matrix_covering() {
    local row
    for row in 00000 11010 10110 10101 01101 01011; do
        matrix_row "${row:0:1}" "${row:1:1}" "${row:2:1}" "${row:3:1}" "${row:4:1}"
    done
}

matrix_full() {
    local q o m f s
    for q in 0 1; do for o in 0 1; do for m in 0 1; do for f in 0 1; do for s in 0 1; do
        matrix_row $q $o $m $f $s
    done; done; done; done; done
}

# Packed rings are modern; beside the matrix, since legacy ones cannot have them.
matrix_packed() {
    echo "2 on 9000 packed server"
    echo "1 off 1500 packed client"
}

matrix_row() {
    echo "${MATRIX_QUEUES[$1]} ${MATRIX_OFFLOADS[$2]} ${MATRIX_MTU[$3]} ${MATRIX_FLAVOUR[$4]} ${MATRIX_MODE[$5]}"
}

# How often a pair was started, by mode.
declare -A PAIRS_STARTED=([server]=0 [client]=0)

# pair_start MODE OPTIONS-OF-A OPTIONS-OF-B: both guests up, or the case fails with their logs.
pair_start() {
    local mode=$1 prefix='' name
    [ "$mode" = server ] || prefix=c
    PAIRS_STARTED[$mode]=$((PAIRS_STARTED[$mode] + 1))
    # shellcheck disable=SC2086  # the options are words
    {
        guest_start a "$(backend_socket ${prefix}a)" "mode=$mode" "ip=$A/24" $2
        guest_start b "$(backend_socket ${prefix}b)" "mode=$mode" "ip=$B/24" $3
    }
    for name in a b; do
        guest_wait_up "$name" 120 || {
            guest_log "$name"
            return 1
        }
    done
}

pair_stop() {
    guest_off a
    guest_off b
    guest_gone a
    guest_gone b
}

# pair_talks TITLE MTU MEBIBYTES: the cases for two guests that are up.
pair_talks() {
    local title=$1 mtu=$2 mebibytes=$3
    pair_expect "$title: ping" traffic_ping a "$B" 5
    # The largest packet that needs no fragments: 20 bytes of IP header, 8 of ICMP.
    pair_expect "$title: ping with full packets" traffic_ping b "$A" 3 $((mtu - 28))
    pair_expect "$title: 500 datagrams of all sizes, each once and intact" traffic_probe a b "$B" 500 1000 12 $((mtu - 28))
    traffic_iperf_serve b || true
    pair_expect "$title: iperf3 there" traffic_iperf a "$B" "$mebibytes"
    pair_expect "$title: iperf3 back" traffic_iperf a "$B" "$mebibytes" -R
    pair_expect "$title: a file arrives unchanged" traffic_copy a b "$A" 4
}

pair_expect() {
    TRAFFIC_TEXT=''
    expect "$@" || backend_sound || backend_log
    [ -z "$TRAFFIC_TEXT" ] || remark "$TRAFFIC_TEXT"
}

# matrix_combination QUEUES OFFLOADS MTU FLAVOUR MODE
matrix_combination() {
    local queues=$1 offloads=$2 mtu=$3 flavour=$4 mode=$5 options
    local title="$queues queue pair(s), offloads $offloads, MTU $mtu, $flavour, $mode mode"
    options="queues=$queues offloads=$offloads mtu=$mtu"
    [ "$mtu" = 1500 ] || options+=" host_mtu=$mtu"
    case $flavour in
        legacy) options+=" legacy=1" ;;
        packed) options+=" packed=on" ;;
    esac
    if ! expect "$title: both guests come up" pair_start "$mode" "$options" "$options"; then
        backend_log
    else
        expect "$title: the device is what was asked for" matrix_is_so "$queues" "$offloads" "$mtu" "$flavour" || true
        pair_talks "$title" "$mtu" 32
    fi
    pair_stop
}

# A test that asks for two queues and silently gets one would prove nothing. Feature bits, in the string lowest first:
# 0 CSUM, 1 GUEST_CSUM, 7 GUEST_TSO4, 11 HOST_TSO4, 32 VERSION_1, 34 RING_PACKED.
matrix_is_so() {
    local name features bit want
    for name in a b; do
        [ "$(guest_run "$name" 'cat /sys/class/net/eth0/mtu' | tr -d '\n')" = "$3" ] || return 1
        guest_run "$name" "[ \$(ls -d /sys/class/net/eth0/queues/rx-* | wc -l) -ge $1 ] &&
            [ \$(ethtool -l eth0 | grep -c 'Combined:[[:space:]]*$1\$') = 2 ]" || return 1
        features=$(guest_run "$name" 'cat /sys/class/net/eth0/device/features') || return 1
        for bit in 0 1 7 11; do
            want=1
            [ "$2" = on ] || want=0
            [ "${features:bit:1}" = $want ] || return 1
        done
        want=1
        [ "$4" != legacy ] || want=0
        [ "${features:32:1}" = $want ] || return 1
        want=0
        [ "$4" != packed ] || want=1
        [ "${features:34:1}" = $want ] || return 1
    done
}

# Unlike partners: what one may send the other was never promised to understand, so it has to be computed or cut on the way.
matrix_unlike() {
    local title=$1
    if ! expect "$title: both guests come up" pair_start server "$2" "$3"; then
        backend_log
    else
        pair_talks "$title" 1500 16
    fi
    pair_stop
}
