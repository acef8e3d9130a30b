# The service that heals itself: holdfastd --supervise with the switch it runs. Needs all of holdfast.sh.
#
#   supervised_start COMMAND PORT…   waits until the switch and its standby are attached
#   supervised_primary               the pid of the primary that answers
#   supervised_owner                 the name of the switch that runs all ports
#   supervised_other                 the name of the one that stands by
#   supervised_pid NAME              of an attached switch
#   supervised_switches              the pids of all of them
#   supervised_signal SIGNAL PID     to a child of the supervisor's, and nobody else
#   supervised_whole                 both switches are attached, and one of them runs all ports
#   supervised_end                   ends all of it; false when that took force
# shellcheck shell=bash

supervised_start() {
    local command=$1 port arguments=() prefix=()
    shift
    [ -n "$HF_RUN" ] || {
        temp_dir HF_LOGS
        HF_RUN=$HF_LOGS/run
        mkdir -p "$HF_RUN"
    }
    for port; do arguments+=(--port "$port"); done
    [ -z "$HF_NETNS" ] || prefix=(nsenter "--net=/run/netns/$HF_NETNS" --)
    # Its children are not ours: on SIGTERM it ends them before itself.
    PROCESS_DEATH=TERM process_start HF_PRIMARY_PID "$HF_LOGS/holdfastd.log" "${prefix[@]}" \
        "$HF_PRIMARY" --run-dir "$HF_RUN" --supervise --run "$command" "${arguments[@]}"
    wait_for 60 supervised_both || {
        holdfast_log
        say "holdfastd --supervise did not come up with its switches"
        return 1
    }
}

supervised_primary() { hf version -o json 2>/dev/null | jq -e .version.pid; }

supervised_pid() {
    hf secondary list -o json 2>/dev/null | jq -e --arg name "$1" 'first(.secondaries[] | select(.name == $name)).pid'
}

supervised_switches() { hf secondary list -o json 2>/dev/null | jq -r '[.secondaries[].pid] | join(" ")'; }

# Both are there, whoever runs what.
supervised_both() { hf secondary list -o json 2>/dev/null | jq -e '[.secondaries[].name] | unique | length == 2' >/dev/null; }

# Empty when the ports have no owner, or not all the same.
supervised_owner() {
    hf port list -o json 2>/dev/null | jq -re '[.ports[].owner] | unique | if length == 1 then .[0] // empty else empty end'
}

supervised_other() {
    hf secondary list -o json 2>/dev/null |
        jq -re --arg owner "$(supervised_owner)" 'first(.secondaries[] | select(.name != $owner)).name'
}

supervised_whole() { supervised_both && [ -n "$(supervised_owner)" ]; }

supervised_signal() {
    [ "$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$2/status" 2>/dev/null)" = "$HF_PRIMARY_PID" ] && kill "-$1" "$2"
}

supervised_end() {
    local failed=0
    process_stop "$HF_PRIMARY_PID" 30 || failed=1
    return $failed
}
