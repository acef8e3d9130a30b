# One command line gives a service that heals itself: `holdfastd --supervise --run 'holdfast-vswitch …'` below two guests that talk,
# one whose QEMU connects to us and one whose QEMU listens. The primary is killed, the switches are, and both at once.
# Uses continuity.sh's traffic and its questions to the guests.
# shellcheck shell=bash disable=SC2015,SC2154  # "a && b || { return 1; }": the braces always return; A, B, BUILD: run sets them

# survival TIMES: so many kills of the primary.
survival() {
    # shellcheck disable=SC2034  # for supervised.sh
    HF_NETNS=''
    if expect "survival: one command line brings up primary, switch and standby, and both guests come up" survival_start; then
        CONTINUITY_CARRIER=$(continuity_carrier)
        continuity_note_qemu
        survival_heals_cases
        survival_kills_cases "$1"
        survival_upgrade_cases
        continuity_guests_calm "survival"
    fi
    pair_stop
    expect "survival: everything ends on one SIGTERM, nothing is left" survival_end || holdfast_log
}

survival_start() {
    holdfast_find "$BUILD"
    supervised_start "$HF_SWITCH" a cb,client || return 1
    guest_start a "$(holdfast_socket a)" mode=server "ip=$A/24"
    guest_start b "$(holdfast_socket cb)" mode=client "ip=$B/24"
    guest_wait_up a 120 && guest_wait_up b 120 && wait_for 30 supervised_whole && wait_for 30 traffic_ping_once a "$B" || {
        guest_log a
        guest_log b
        holdfast_log
        return 1
    }
}

# ---- it heals

survival_heals_cases() {
    expect "heals: after a kill of the switch a standby runs, another comes, ping goes on" survival_switch_killed || holdfast_log
    expect "heals: after a kill of the primary there is a new one, ping goes on" survival_primary_killed || holdfast_log
    expect "heals: after a kill of both at once everything is there again, ping goes on" survival_both_killed || holdfast_log
    continuity_guests_calm "heals"
    expect "heals: its events tell all of it, also what was before the primary's deaths" survival_told || hf events --last 40
}

survival_switch_killed() {
    supervised_signal KILL "$(supervised_pid "$(supervised_owner)")" && wait_for 30 traffic_ping_once a "$B" &&
        wait_for 30 supervised_whole && traffic_ping a "$B" 5
}

# survival_strike SIGNAL: to the primary; true when another one answers.
survival_strike() {
    local pid
    pid=$(supervised_primary) && supervised_signal "$1" "$pid" && wait_for 30 survival_other "$pid"
}

survival_other() {
    local pid
    pid=$(supervised_primary) && [ "$pid" != "$1" ]
}

survival_primary_killed() { survival_strike KILL && wait_for 30 traffic_ping_once a "$B" && wait_for 30 supervised_whole && traffic_ping a "$B" 5; }

survival_both_killed() {
    local switch primary
    switch=$(supervised_pid "$(supervised_owner)") && primary=$(supervised_primary) && supervised_signal KILL "$primary" &&
        supervised_signal KILL "$switch" && wait_for 30 survival_other "$primary" && wait_for 30 traffic_ping_once a "$B" &&
        wait_for 30 supervised_whole && traffic_ping a "$B" 5
}

survival_told() {
    hf events --last 1000 -o json | jq -e '[.events[] | {event, ns: .duration_ns}] |
        ([.[] | select(.event == "taken_over" and .ns > 0)] | length >= 4) and
        ([.[] | select(.event == "secondary_died")] | length >= 2) and
        ([.[] | select(.event == "primary_resumed" and .ns > 0)] | length >= 2)' >/dev/null
}

# ---- kill -9 of the primary, under TCP and datagrams

survival_kills_cases() {
    local times=$1 title="$1 kills of the primary under TCP"
    expect "$title: a stream runs" continuity_stream_begin || return 0
    expect "$title: another one answers, TCP goes on, each time" survival_kills "$times" || holdfast_log
    continuity_stream_cases "$title"
    expect "$title: ping afterwards" traffic_ping a "$B" 5 || true
    continuity_guests_calm "$title"
}

survival_kills() {
    local i received begin=$SECONDS
    for ((i = 1; i <= $1; i++)); do
        survival_strike KILL && received=$(continuity_received) && wait_for 60 continuity_flows "$received" || {
            remark "kill $i of $1"
            return 1
        }
    done
    remark "$((SECONDS - begin)) s for all kills; longest time without a primary: $(survival_longest_ms) ms"
}

survival_longest_ms() {
    hf events --last 1000 -o json | jq '[.events[] | select(.event == "primary_resumed").duration_ns] | max / 1e6 | round'
}

# ---- upgrade of the primary in place

survival_upgrade_cases() {
    local title="the primary is upgraded"
    if ! hf upgrade --help >/dev/null 2>&1; then
        report_skip "$title: nothing is lost" "this build has no holdfast upgrade"
        return 0
    fi
    expect "$title: datagrams go both ways" continuity_probes || return 0
    expect "$title: five times, and it answers" survival_upgrades 5 || holdfast_log
    expect "$title: it was over before the datagrams were" continuity_probing || true
    expect "$title: nothing lost, nothing twice" continuity_probed traffic_probe_whole || true
    continuity_guests_calm "$title"
}

survival_upgrades() {
    local i
    for ((i = 0; i < $1; i++)); do
        hf upgrade >/dev/null && wait_for 30 supervised_whole || return 1
    done
}

survival_end() {
    local pid all=()
    read -ra all <<<"$(supervised_primary) $(supervised_switches)"
    [ ${#all[@]} = 3 ] && supervised_end || return 1
    for pid in "${all[@]}"; do
        ! process_alive "$pid" || return 1
    done
}
