# scripts/demo --chaos: the switch and the primary are killed, stopped and upgraded in turn below two guests that talk, and
# what the guests felt of it is counted. Needs all.sh; ALPHA, BETA, HOST: demo sets them.
# shellcheck shell=bash disable=SC2153,SC2154

# Enough to be seen, and not so much that two emulated guests fill the machine, whose own pauses would be taken for ours.
CHAOS_TCP='-b 20M'
CHAOS_ROWS=()
CHAOS_FAILED=0

chaos_prepare() {
    netns_new HF_NETNS
    # The packet uplink can be open in both switches; whoever runs no ports drops what it reads.
    ip -n "$HF_NETNS" link add hf0 type veth peer name host
    ip -n "$HF_NETNS" link set hf0 up
    netns_link_up "$HF_NETNS" host "$HOST/24"
}

chaos_service() { supervised_start "$HF_SWITCH --uplink packet:hf0" "$@"; }

chaos_traffic() {
    watch_guests alpha beta
    # Answers that take a second the first time, for ARP, are none of the events'.
    wait_for 20 traffic_ping_once alpha "$BETA" && wait_for 20 traffic_ping_once alpha "$HOST" || return 1
    # shellcheck disable=SC2086  # words
    watch_tcp alpha beta "$BETA" $CHAOS_TCP && watch_ping alpha "$BETA" && watch_ping_host "$HF_NETNS" "$ALPHA" && sleep 2
}

# ---- what is done to it. Each returns when it is done and the service is whole again.

chaos_nothing() { sleep 2; }

chaos_kill_switch() {
    supervised_signal KILL "$(supervised_pid "$(supervised_owner)")" && chaos_whole
}

# The second one is killed as soon as it is told that it has the ports.
chaos_kill_both_switches() {
    local first second
    first=$(supervised_pid "$(supervised_owner)") second=$(supervised_pid "$(supervised_other)")
    supervised_signal KILL "$first" && sleep 0.05 && supervised_signal KILL "$second" && chaos_whole
}

chaos_hand_over() { hf handover all --to "$(supervised_other)" >/dev/null && chaos_whole; }

# Nobody is told: the primary notices by itself.
chaos_stop_switch() {
    local other pid
    other=$(supervised_other)
    pid=$(supervised_pid "$(supervised_owner)")
    supervised_signal STOP "$pid" && wait_for 30 chaos_owns "$other" || return 1
    # Stopped in a burst, it was fenced: killed. Stopped outside, it finds out now that its ports are another's.
    supervised_signal CONT "$pid" || true
    chaos_whole
}

chaos_owns() { [ "$(supervised_owner)" = "$1" ]; }

# A new program takes the old one's place, which ends only when it has nothing to do any more; then the same with the other one.
chaos_upgrade_switch() {
    local name pid
    for name in $(supervised_owner) $(supervised_other); do
        pid=$(supervised_pid "$name") && hf drain "$name" >/dev/null && supervised_signal TERM "$pid" &&
            process_wait_end "$pid" 30 && chaos_whole || return 1
    done
}

chaos_kill_primary() { chaos_strike_primary && chaos_whole; }

chaos_strike_primary() {
    local pid
    pid=$(supervised_primary) && supervised_signal KILL "$pid" && wait_for 30 chaos_successor "$pid"
}

chaos_successor() {
    local pid
    pid=$(supervised_primary) && [ "$pid" != "$1" ]
}

chaos_kill_primary_often() {
    local i
    for ((i = 0; i < 5; i++)); do chaos_strike_primary || return 1; done
    chaos_whole
}

chaos_stop_primary() {
    local pid
    pid=$(supervised_primary) && supervised_signal STOP "$pid" && sleep 2 && supervised_signal CONT "$pid" && chaos_whole
}

# Nobody is there to give the ports to the other switch until there is a primary again.
chaos_kill_both() {
    local switch primary
    switch=$(supervised_pid "$(supervised_owner)") primary=$(supervised_primary)
    supervised_signal KILL "$primary" && supervised_signal KILL "$switch" && wait_for 30 chaos_successor "$primary" && chaos_whole
}

chaos_can_upgrade_primary() { hf upgrade --help >/dev/null 2>&1; }
chaos_upgrade_primary() { hf upgrade >/dev/null && chaos_whole; }

# A switch that was killed comes again after 100 ms, one that was killed often after 5 s at most.
chaos_whole() { wait_for 30 supervised_whole; }

# ---- what was felt of it

# What every event leaves as it was.
chaos_calm() {
    [ "${WATCH[flaps]}" = 0 ] && [ "${WATCH[resets]}" = 0 ] && [ "${WATCH[guest_answers]}" -gt 0 ] &&
        process_alive "${GUEST_PID[alpha]}" && process_alive "${GUEST_PID[beta]}" &&
        hf port list -o json | jq -e '[.ports[].sessions] == [1, 1]' >/dev/null
}

chaos_lossless() { [ "${WATCH[guest_lost]}" = 0 ]; }

chaos_ms() { printf '%d ms' $((($1 + 500) / 1000)); }

# chaos_event whole|some SENTENCE COMMAND: what the command does may cost the guests no packet, or some.
chaos_event() {
    local may=$1 sentence=$2 status=0
    shift 2
    # The windows of events leave out what is between them.
    watch_window || status=1
    "$@" || status=1
    # What was lost is known when later answers have come.
    sleep 1.5
    watch_window || status=1
    chaos_calm || status=1
    [ "$may" = some ] || chaos_lossless || status=1
    [ "$status" = 0 ] || CHAOS_FAILED=$((CHAOS_FAILED + 1))
    CHAOS_ROWS+=("$(printf '%s  %-44s %9s %6s %9s %6s %6s %7s' "$(verdict "$status")" "$sentence" \
        "$(chaos_ms "${WATCH[guest_gap_us]:-0}")" "${WATCH[guest_lost]:--}" \
        "$(chaos_ms "${WATCH[host_gap_us]:-0}")" "${WATCH[host_lost]:--}" "${WATCH[flaps]}" "${WATCH[resets]}")")
    note "$(verdict "$status") $sentence: silence of $(chaos_ms "${WATCH[guest_gap_us]:-0}"), ${WATCH[guest_lost]:--} lost"
}

chaos_events() {
    chaos_event whole "nothing, for comparison" chaos_nothing
    chaos_event some "the switch is killed" chaos_kill_switch
    chaos_event whole "its ports are handed over to the other one" chaos_hand_over
    chaos_event whole "and back" chaos_hand_over
    chaos_event some "the switch is stopped (SIGSTOP)" chaos_stop_switch
    chaos_event whole "both switches are upgraded, one by one" chaos_upgrade_switch
    chaos_event whole "the primary is killed" chaos_kill_primary
    chaos_event whole "the primary is killed 5 times in a row" chaos_kill_primary_often
    chaos_event whole "the primary is stopped for 2 s" chaos_stop_primary
    if chaos_can_upgrade_primary; then
        chaos_event whole "the primary is upgraded" chaos_upgrade_primary
    else
        note "skipped the primary is upgraded: this build has no holdfast upgrade"
    fi
    chaos_event some "primary and switch are killed at once" chaos_kill_both
    chaos_event some "the switch is killed, and its successor" chaos_kill_both_switches
    chaos_event whole "nothing, once more" chaos_nothing
}

chaos_table() {
    local row
    printf '\n%-6s  %-44s %16s %16s %6s %7s\n' '' '' 'alpha -> beta' 'host -> alpha' link TCP
    printf '%-6s  %-44s %9s %6s %9s %6s %6s %7s\n' result event pause lost pause lost flaps resets
    for row in "${CHAOS_ROWS[@]}"; do printf '%s\n' "$row"; done
    printf '\n%s\n' "pause: the longest time without an answer to a ping every 10 ms around the event, less those 10 ms"
    printf '\n$ holdfast events --last 40\n'
    hf events --last 40
    printf '\n$ holdfast stats\n'
    hf stats
    printf '\n$ holdfast health\n'
    hf health || true
    printf '\n'
}
