# Our own programs: the primary, the switch, the control command. Needs say.sh, cleanup.sh, process.sh, build.sh.
#
#   holdfast_find BUILD-DIR          where the programs are
#   holdfast_primary PORT…           starts holdfastd with these --port arguments, and HF_PRIMARY_OPTIONS; waits until it answers
#   holdfast_switch [ARGUMENT…]      starts holdfast-vswitch; waits until it is attached
#   holdfast_switch_named NAME [ARGUMENT…]   the same for one of several: attached as NAME, its pid is HF_SWITCHES[NAME]
#   hf WORD…                         the control command, on this run's sockets
#   holdfast_socket NAME             the socket of a port
#   holdfast_sound                   true while both run
#   holdfast_end                     stops both in order; false when one had to be killed or failed
# shellcheck shell=bash

HF_PRIMARY_OPTIONS=()
HF_PRIMARY_PID='' HF_SWITCH_PID='' HF_RUN='' HF_LOGS=''
# shellcheck disable=SC2034  # set by process_start, through its name
declare -A HF_SWITCHES
# A network namespace for the switch, so that its uplinks touch nothing of the host. Empty: the one we are in.
HF_NETNS=''

holdfast_find() {
    HF_PRIMARY=$(build_binary "$1" holdfastd)
    HF_SWITCH=$(build_binary "$1" holdfast-vswitch)
    HF_CLI=$(build_binary "$1" holdfast)
}

hf() { "$HF_CLI" --run-dir "$HF_RUN" "$@"; }

holdfast_socket() { printf '%s/%s.sock\n' "$HF_RUN" "$1"; }

holdfast_primary() {
    local port arguments=()
    [ -n "$HF_RUN" ] || {
        temp_dir HF_LOGS
        HF_RUN=$HF_LOGS/run
        mkdir -p "$HF_RUN"
    }
    for port; do arguments+=(--port "$port"); done
    process_start HF_PRIMARY_PID "$HF_LOGS/holdfastd.log" "$HF_PRIMARY" --run-dir "$HF_RUN" "${arguments[@]}" "${HF_PRIMARY_OPTIONS[@]}"
    wait_for 30 holdfast_primary_up || {
        holdfast_log
        say "holdfastd did not come up"
        return 1
    }
}

holdfast_primary_up() { process_alive "$HF_PRIMARY_PID" && [ -S "$HF_RUN/attach.sock" ] && hf version >/dev/null 2>&1; }

holdfast_switch() { holdfast_switch_start HF_SWITCH_PID "$HF_LOGS/holdfast-vswitch.log" "$@"; }

holdfast_switch_named() {
    local name=$1
    shift
    holdfast_switch_start "HF_SWITCHES[$name]" "$HF_LOGS/$name.log" --name "$name" "$@"
}

# holdfast_switch_start VARIABLE LOGFILE [ARGUMENT…]
holdfast_switch_start() {
    local variable=$1 log=$2 prefix=()
    shift 2
    # nsenter changes the network only; the sockets are found by path, and paths are the same in there.
    [ -z "$HF_NETNS" ] || prefix=(nsenter "--net=/run/netns/$HF_NETNS" --)
    process_start "$variable" "$log" "${prefix[@]}" "$HF_SWITCH" --run-dir "$HF_RUN" "$@"
    wait_for 30 holdfast_switch_up "${!variable}" || {
        holdfast_log
        say "holdfast-vswitch did not attach"
        return 1
    }
}

holdfast_switch_up() {
    process_alive "$1" && hf secondary list -o json 2>/dev/null | jq -e --argjson pid "$1" 'any(.secondaries[]; .pid == $pid)' >/dev/null
}

holdfast_sound() { process_alive "$HF_PRIMARY_PID" && process_alive "$HF_SWITCH_PID"; }

holdfast_end() {
    local failed=0
    process_stop "$HF_SWITCH_PID" || failed=1
    process_stop "$HF_PRIMARY_PID" || failed=1
    return $failed
}

holdfast_log() {
    local file
    for file in "$HF_LOGS"/*.log; do
        [ -f "$file" ] || continue
        say "--- ${file##*/}"
        tail -n 30 "$file" >&2
    done
}

# holdfast_switch_counter PORT COLUMN…: the sum of these columns of the switch's own statistics, which it prints when asked by signal.
holdfast_switch_counter() {
    local port=$1 log=$HF_LOGS/holdfast-vswitch.log from
    shift
    from=$(wc -c <"$log")
    kill -USR1 "$HF_SWITCH_PID"
    # The line of totals is the last one.
    wait_for 30 holdfast_switch_printed "$log" "$from" || return 1
    tail -c "+$((from + 1))" "$log" | awk -v port="$port" -v columns="$*" '
        $1 == "port" { for (i = 2; i <= NF; i++) at[$i] = i }
        $1 == port { n = split(columns, name, " "); for (i = 1; i <= n; i++) sum += $(at[name[i]]) }
        END { printf "%d\n", sum }'
}

holdfast_switch_printed() { tail -c "+$(($2 + 1))" "$1" | grep -q '^switch: stations '; }
