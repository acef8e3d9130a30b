# A switch is killed, relieved and replaced below two guests that talk: they notice nothing, and neither does QEMU.
# On a primary of its own: two ports, a switch and a standby that takes its place, no uplink.
# shellcheck shell=bash disable=SC2015,SC2154  # "a && b || { return 1; }": the braces always return; A, B, BUILD: run sets them

# Datagrams a second, each way. A ring of 256 entries then bears a guest that a busy host does not run for two seconds: what is
# lost is lost by a change of switch.
CONTINUITY_RATE=100
# As long as the slowest machine may need: they are stopped when what they are for is over.
CONTINUITY_DATAGRAMS=60000
# Who runs the ports, who stands by, and how many switches there were. Each has a name of its own.
CONTINUITY_OWNER='' CONTINUITY_STANDBY='' CONTINUITY_SWITCHES=0
CONTINUITY_CARRIER=''
# What a QEMU had said by then: about its processor, say.
declare -A CONTINUITY_QEMU

# continuity TIMES: so many kills, so many hand-overs, and an upgrade.
continuity() {
    local before
    # Sources of traffic outside would only blur the counts.
    # shellcheck disable=SC2034  # for holdfast.sh
    HF_NETNS=''
    if expect "continuity: a switch, a standby and both guests come up" continuity_start; then
        CONTINUITY_CARRIER=$(continuity_carrier)
        continuity_note_qemu
        before=$(churn_holdings_of "$HF_PRIMARY_PID")
        continuity_kills_cases "$1"
        continuity_handovers_cases "$1"
        continuity_upgrade_cases
        continuity_guests_calm "continuity"
        # As at the base line: one runs, one stands by, both guests are there.
        expect "continuity: the primary's descriptors, mappings and memory are back where they were" \
            wait_for 30 churn_same "$before" "$HF_PRIMARY_PID" || true
        remark "before: $before now: $(churn_holdings_of "$HF_PRIMARY_PID")"
    fi
    pair_stop
    expect "continuity: both switches and the primary end by themselves on SIGTERM" continuity_end || holdfast_log
}

continuity_start() {
    holdfast_find "$BUILD"
    holdfast_primary a b && continuity_standby && CONTINUITY_OWNER=$CONTINUITY_STANDBY && continuity_standby &&
        pair_start server '' '' && wait_for 30 continuity_runs "$CONTINUITY_OWNER" || {
        holdfast_log
        return 1
    }
}

# continuity_standby [ROLE]: a new switch; the first to come finds the ports free and runs them.
continuity_standby() {
    CONTINUITY_SWITCHES=$((CONTINUITY_SWITCHES + 1))
    CONTINUITY_STANDBY=switch$CONTINUITY_SWITCHES
    holdfast_switch_named "$CONTINUITY_STANDBY" --role "${1:-standby}"
}

# continuity_runs NAME: both ports.
continuity_runs() {
    hf port list -o json | jq -e --arg owner "$1" '[.ports[].owner] == [$owner, $owner]' >/dev/null
}

continuity_carrier() {
    local name
    for name in a b; do
        guest_run "$name" 'cat /sys/class/net/eth0/carrier_changes' | tr '\n' ' '
    done
}

# continuity_guests_calm TITLE: what a guest or a QEMU would show that had been disturbed.
continuity_guests_calm() {
    expect "$1: neither guest saw its carrier change" continuity_carrier_same || remark "before: $CONTINUITY_CARRIER now: $(continuity_carrier)"
    expect "$1: each QEMU is still on its first connection, and says nothing" continuity_first_sessions || {
        hf port list
        guest_log a
        guest_log b
    }
}

continuity_note_qemu() {
    local name
    for name in a b; do CONTINUITY_QEMU[$name]=$(cat "${GUEST_DIR[$name]}/qemu.log"); done
}

# No "ring restore failed", no "disconnected": not a word.
continuity_qemu_silent() {
    local name
    for name in a b; do
        [ "$(cat "${GUEST_DIR[$name]}/qemu.log")" = "${CONTINUITY_QEMU[$name]}" ] || return 1
    done
}

continuity_carrier_same() {
    # Two numbers, or two guests that do not answer would be two that are calm.
    [[ $CONTINUITY_CARRIER =~ ^[0-9]+\ [0-9]+\ ?$ ]] && [ "$(continuity_carrier)" = "$CONTINUITY_CARRIER" ]
}

continuity_first_sessions() {
    hf port list -o json | jq -e '[.ports[] | .sessions] == [1, 1]' >/dev/null && continuity_qemu_silent &&
        process_alive "${GUEST_PID[a]}" && process_alive "${GUEST_PID[b]}"
}

# continuity_counter NAME: one of the primary's own.
continuity_counter() { hf stats -o json | jq --arg name "$1" '.counters[] | select(.counter == $name).value'; }

# Both ways, in the background.
continuity_probes() {
    continuity_probe a b "$B" && continuity_probe b a "$A"
}

continuity_probe() {
    traffic_probe_begin "$1" "$2" "$3" "$CONTINUITY_DATAGRAMS" $((1000000 / CONTINUITY_RATE)) 12 1472 "$TRAFFIC_WINDOW"
}

continuity_probing() { traffic_probe_sending a && traffic_probe_sending b; }

# continuity_probed CHECK: after a second more, for what comes behind the last change, both are stopped. The counts of both ways, each
# as a remark, and CHECK holds for each: it is given how many were sent.
continuity_probed() {
    local name failed=0
    local -A sent
    sleep 1
    traffic_probe_stop a && sent[b]=$TRAFFIC_SENT && traffic_probe_stop b && sent[a]=$TRAFFIC_SENT || return 1
    for name in a b; do
        traffic_probe_end "$name" 60 && "$1" "${sent[$name]}" || failed=1
        remark "to $name: sent=${sent[$name]} $TRAFFIC_TEXT"
    done
    return $failed
}

# What a killed switch had taken and not yet given is gone. All else holds.
continuity_nothing_twice() { [[ $TRAFFIC_TEXT == *" duplicate=0 "*" corrupt=0 "* ]]; }

# ---- kill -9, under TCP

continuity_kills_cases() {
    local times=$1 title="$1 kills of the switch under TCP"
    expect "$title: a stream runs" continuity_stream_begin || return 0
    expect "$title: the standby runs both ports, TCP goes on, and a new standby comes, each time" continuity_kills "$times" ||
        holdfast_log
    continuity_stream_cases "$title"
    remark "longest take-over, by the primary: $(($(continuity_counter longest_takeover_ns) / 1000)) us"
    expect "$title: ping afterwards" traffic_ping a "$B" 5 || true
    continuity_guests_calm "$title"
}

# continuity_stream_cases TITLE: what became of the connection, and of the datagrams beside it.
continuity_stream_cases() {
    expect "$1: they were over before the stream was" continuity_stream_runs || true
    expect "$1: the connection lives to its end, and every byte arrives" continuity_stream_end || true
    remark "$TRAFFIC_TEXT"
    expect "$1: no datagram beside it came twice or damaged" continuity_probed continuity_nothing_twice || true
}

# One connection, and the datagrams. 7001 is 1B59.
continuity_stream_begin() {
    guest_run b "stream drain 7001 & until grep -q ':1B59 .* 0A ' /proc/net/tcp; do sleep 0.02; done" 30 &&
        guest_run a "rm -f /tmp/stream*; (stream pour $B 7001 >/tmp/stream 2>&1; echo \$? >/tmp/stream.status) &" &&
        continuity_probes
}

continuity_stream_runs() { guest_run a 'pidof stream >/dev/null && [ ! -f /tmp/stream.status ]'; }

continuity_stream_end() {
    # shellcheck disable=SC2016  # for the guest
    TRAFFIC_TEXT=$(guest_run a 'kill $(pidof stream); while ! [ -f /tmp/stream.status ]; do sleep 0.05; done
        cat /tmp/stream; exit $(cat /tmp/stream.status)' 120)
}

continuity_received() { guest_run b 'cat /sys/class/net/eth0/statistics/rx_bytes'; }

# More than the probe brings along, so it is the stream's.
continuity_flows() {
    local now
    now=$(continuity_received) && [ "$now" -ge $(($1 + 2 * 1048576)) ]
}

continuity_kills() {
    local i received begin=$SECONDS
    for ((i = 1; i <= $1; i++)); do
        process_kill "${HF_SWITCHES[$CONTINUITY_OWNER]}"
        CONTINUITY_OWNER=$CONTINUITY_STANDBY
        continuity_standby && wait_for 30 continuity_runs "$CONTINUITY_OWNER" && received=$(continuity_received) &&
            wait_for 60 continuity_flows "$received" || {
            remark "kill $i of $1"
            return 1
        }
    done
    remark "$((SECONDS - begin)) s for all kills"
}

# ---- hand-over

continuity_handovers_cases() {
    local times=$1 title="$1 hand-overs there and back"
    expect "$title: datagrams go both ways, and a ping every 10 ms" continuity_probes_and_ping || return 0
    expect "$title: each is done when the command is" continuity_handovers "$times" || holdfast_log
    expect "$title: they were over before the datagrams and pings were" continuity_probing_and_pinging || true
    expect "$title: nothing lost, nothing twice" continuity_probed traffic_probe_whole || true
    expect "$title: every ping was answered" continuity_ping_whole "$times" || true
    remark "$TRAFFIC_TEXT"
    remark "longest hand-over, by the primary: $(($(continuity_counter longest_handover_ns) / 1000)) us"
    continuity_guests_calm "$title"
}

continuity_handovers() {
    local i
    for ((i = 1; i <= $1; i++)); do
        hf handover all --to "$CONTINUITY_STANDBY" -o json |
            jq -e '.handover | .moved == 2 and .failed == 0' >/dev/null && continuity_runs "$CONTINUITY_STANDBY" || {
            remark "hand-over $i of $1, to $CONTINUITY_STANDBY"
            return 1
        }
        continuity_swap
        sleep 0.2
    done
}

continuity_probes_and_ping() {
    guest_run a "rm -f /tmp/answers; pace ping $B 10000 /tmp/answers & until [ -s /tmp/answers ]; do sleep 0.05; done" 30 &&
        continuity_probes
}

continuity_probing_and_pinging() { continuity_probing && guest_run a 'pidof pace >/dev/null'; }

# continuity_ping_whole LEAST: of those before the newest answer, and there are so many at least.
continuity_ping_whole() {
    # shellcheck disable=SC2016  # for the guest
    TRAFFIC_TEXT=$(guest_run a 'kill $(pidof pace); pace gaps /tmp/answers 0') || return 1
    [[ $TRAFFIC_TEXT == *" lost=0 "* ]] && [ "$(watch_value answers "$TRAFFIC_TEXT")" -ge "$1" ]
}

continuity_swap() {
    local was=$CONTINUITY_OWNER
    CONTINUITY_OWNER=$CONTINUITY_STANDBY
    CONTINUITY_STANDBY=$was
}

# ---- upgrade

continuity_upgrade_cases() {
    local title="upgrade"
    expect "$title: datagrams go both ways" continuity_probes || return 0
    expect "$title: a new switch comes, the old one is drained, stopped, and ends well" continuity_upgrade || holdfast_log
    expect "$title: it was over before the datagrams were" continuity_probing || true
    expect "$title: nothing lost, nothing twice" continuity_probed traffic_probe_whole || true
    continuity_guests_calm "$title"
}

# A switch goes before a standby, so the new one has the ports and not who stood by.
continuity_upgrade() {
    local old=$CONTINUITY_OWNER stands_by=$CONTINUITY_STANDBY
    continuity_standby vswitch && continuity_runs "$old" || return 1
    CONTINUITY_OWNER=$CONTINUITY_STANDBY CONTINUITY_STANDBY=$stands_by
    hf drain "$old" >/dev/null && continuity_runs "$CONTINUITY_OWNER" && process_stop "${HF_SWITCHES[$old]}" &&
        continuity_runs "$CONTINUITY_OWNER"
}

continuity_end() {
    local name failed=0
    for name in "$CONTINUITY_STANDBY" "$CONTINUITY_OWNER"; do
        [ -z "$name" ] || process_stop "${HF_SWITCHES[$name]}" || failed=1
    done
    process_stop "$HF_PRIMARY_PID" || failed=1
    return $failed
}
