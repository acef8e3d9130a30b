# What two virtio-user devices do with each other through the back-end.
# shellcheck shell=bash disable=SC2034  # names set by the runner and read here, and the other way round

LEFT_MAC=02:00:00:00:00:01 RIGHT_MAC=02:00:00:00:00:02
# All frames of one go fit into the rings, so that nothing has to be lost however slowly anyone is scheduled.
RING=1024 IN_FLIGHT=256

# peer_configuration TITLE PARAMETERS QUEUES LARGEST-FRAME PATH
peer_configuration() {
    local title=$1 parameters=$2 queues=$3 largest=$4 path=$5 ok=1 count=400
    # A frame of 9014 bytes takes five of the receiver's buffers.
    [ "$largest" -le 1514 ] || count=150
    peer_make_files "$queues" "$count" "$largest"
    expect "$title: both peers come up" peer_pair "$parameters" "$queues" || ok=0
    if [ $ok = 1 ]; then
        peer_expect "$title: its receive path is the one meant" peer_path "$path"
        peer_expect "$title: $count frames by queue, each once and byte for byte" peer_contents "$queues" "$count" "$largest"
        peer_expect "$title: $IN_FLIGHT frames circle by macswap and none is lost" peer_circle macswap "$queues"
        if [ "$backend_has_counters" = 0 ]; then
            report_skip "$title: flat out from txonly to rxonly" "$backend_name tells no drops here"
        else
            peer_expect "$title: flat out from txonly to rxonly, every frame is counted alike at all places" peer_flood
        fi
    fi
    peer_end
}

peer_expect() {
    PEER_TEXT=''
    if ! expect "$@"; then
        pmd_log left
        pmd_log right
        backend_log
    fi
    [ -z "$PEER_TEXT" ] || remark "$PEER_TEXT"
}

# peer_make_files QUEUES COUNT LARGEST: one capture file a queue: the pcap driver has as many queues as it has files.
peer_make_files() {
    local q
    rm -f "$WORK"/*.pcap
    for ((q = 0; q < $1; q++)); do
        "$FRAMES" make "$WORK/in$q.pcap" "$RIGHT_MAC" "$LEFT_MAC" $((q * $2)) "$2" 60 "$3"
    done
}

# Port 0 of each is the device, port 1 its capture files: left plays, right records.
peer_pair() {
    local parameters=$1 queues=$2 q plays='' records='' unused=''
    for ((q = 0; q < queues; q++)); do
        plays+=,rx_pcap=$WORK/in$q.pcap
        records+=,tx_pcap=$WORK/out$q.pcap
        unused+=,tx_pcap=$WORK/unused$q.pcap
    done
    local common=("--rxq=$queues" "--txq=$queues" "--rxd=$RING" "--txd=$RING" --total-num-mbufs=24576)
    # Nothing is asked for jumbo frames: the device moves chains of any length anyway, and the capture driver, which has to be
    # configured alike, lacks the offloads that would be the words for it.
    # A capture file to read needs one to write, or the driver has no transmit queues.
    pmd_start right 1 \
        --vdev "net_virtio_user0,path=$(backend_socket right),queues=$queues,queue_size=$RING,mac=$RIGHT_MAC,$parameters" \
        --vdev "net_pcap0$records$(peer_no_input "$queues")" -- "${common[@]}" "--eth-peer=0,$LEFT_MAC" &&
        pmd_start left 0 \
            --vdev "net_virtio_user0,path=$(backend_socket left),queues=$queues,queue_size=$RING,mac=$LEFT_MAC,$parameters" \
            --vdev "net_pcap0$plays$unused" -- "${common[@]}" "--eth-peer=0,$RIGHT_MAC"
}

# Empty capture files, so that the recorder has as many receive queues as it records.
peer_no_input() {
    local q
    for ((q = 0; q < $1; q++)); do
        head -c 24 "$WORK/in0.pcap" >"$WORK/none$q.pcap"
        printf ',rx_pcap=%s' "$WORK/none$q.pcap"
    done
}

peer_end() {
    pmd_end left
    pmd_end right
}

peer_path() {
    local name
    for name in left right; do
        grep -q "virtio: using $1 Rx path on port 0" "${PMD_LOG[$name]}" || {
            PEER_TEXT="$name: $(grep -m 1 'Rx path on port 0' "${PMD_LOG[$name]}" || echo 'no path named')"
            return 1
        }
    done
}

peer_contents() {
    local total=$(($1 * $2)) largest=$3 files=("$WORK"/out*.pcap)
    pmd_do right "set portlist 0,1" "set fwd io" start -- 'io packet forwarding - ports=2' &&
        pmd_do left "set portlist 0,1" "set fwd io" start -- 'io packet forwarding - ports=2' || return 1
    wait_for 60 peer_arrived "$total" || true
    # The frames were last here; now the files are written out.
    pmd_do left stop -- '^Done' && pmd_do right stop -- '^Done' || return 1
    pmd_do right "port stop 1" "port close 1" -- 'Port 1 is closed' || return 1
    PEER_TEXT=$("$FRAMES" check 0 "$total" 60 "$largest" "${files[@]}")
}

peer_arrived() { [ "$(pmd_count right 0 RX-packets)" -ge "$1" ]; }

peer_clear() {
    pmd_do left "clear port stats 0" -- 'NIC statistics for port 0 cleared' &&
        pmd_do right "clear port stats 0" -- 'NIC statistics for port 0 cleared'
}

# A fixed number of frames goes round for ever; then left only receives and all must be back home. The rate is the slowest one's:
# whatever the machine does, the rings can hold them all, so a frame that is missing was lost by the back-end.
peer_circle() {
    local mode=$1 bursts=$((IN_FLIGHT / 32 / $2)) sent received begin=$SECONDS
    peer_clear || return 1
    pmd_do right "set portlist 0" "set fwd $mode" start -- "$mode packet forwarding - ports=1" &&
        pmd_do left "set portlist 0" "set fwd $mode" "start tx_first $bursts" -- "$mode packet forwarding - ports=1" || return 1
    sleep $((2 * rounds))
    pmd_do left stop -- '^Done' && pmd_do left "set fwd rxonly" start -- 'rxonly packet forwarding - ports=1' || return 1
    wait_for 60 peer_home || true
    sent=$(pmd_count left 0 TX-packets) received=$(pmd_count left 0 RX-packets)
    PEER_TEXT="left sent $sent, received $received; right received $(pmd_count right 0 RX-packets), sent $(pmd_count right 0 TX-packets)"
    PEER_TEXT+="; in $((SECONDS - begin)) s"
    pmd_do left stop -- '^Done' && pmd_do right stop -- '^Done' || return 1
    # More than were put in: it really went round.
    [ "$sent" -gt $((4 * IN_FLIGHT)) ] && [ "$sent" = "$received" ]
}

peer_home() { [ "$(pmd_count left 0 TX-packets)" = "$(pmd_count left 0 RX-packets)" ]; }

# Faster than anyone can take, so frames are dropped; but each is counted once at every place it came to.
peer_flood() {
    local taken given dropped
    peer_clear || return 1
    taken=$(backend_taken left) given=$(backend_given right) dropped=$(backend_dropped right)
    pmd_do right "set portlist 0" "set fwd rxonly" start -- 'rxonly packet forwarding - ports=1' &&
        pmd_do left "set portlist 0" "set fwd txonly" start -- 'txonly packet forwarding - ports=1' || return 1
    sleep $((2 * rounds))
    pmd_do left stop -- '^Done' || return 1
    # What is still in the rings.
    wait_for 60 peer_flood_counted "$taken" "$given" "$dropped" || true
    pmd_do right stop -- '^Done' && peer_flood_counted "$taken" "$given" "$dropped"
}

# peer_flood_counted TAKEN GIVEN DROPPED: by the switch, before.
peer_flood_counted() {
    local taken=$1 given=$2 dropped=$3 sent received
    sent=$(pmd_count left 0 TX-packets) received=$(pmd_count right 0 RX-packets)
    taken=$(($(backend_taken left) - taken)) given=$(($(backend_given right) - given))
    dropped=$(($(backend_dropped right) - dropped))
    PEER_TEXT="left sent $sent; switch took $taken, gave $given, dropped $dropped; right received $received"
    [ "$received" -gt 0 ] && [ "$sent" = "$taken" ] && [ "$taken" = $((given + dropped)) ] && [ "$given" = "$received" ]
}
