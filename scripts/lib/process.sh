# Background processes of a script: started so that none can outlive it, stopped by their own pid only.
# Needs say.sh, cleanup.sh.
# shellcheck shell=bash

# Pids we started and have not waited for yet. As long as one is in here the kernel cannot give it to anybody else.
declare -A PROCESS_OURS

# process_start VARIABLE LOGFILE COMMAND…: the pid goes into VARIABLE.
# - setsid: Ctrl-C on the terminal reaches the script only, which then stops its children in order.
# - pdeathsig: if the script itself is killed with -9 and no trap runs, the children still go. PROCESS_DEATH=TERM for those that
#   have children of their own to take along.
# Both programs exec, so $! is the pid of the command itself.
process_start() {
    local -n ret_pid=$1
    local log=$2
    shift 2
    setsid setpriv --pdeathsig "${PROCESS_DEATH:-KILL}" -- "$@" </dev/null >>"$log" 2>&1 &
    ret_pid=$!
    PROCESS_OURS[$ret_pid]=1
    at_exit process_stop "$ret_pid"
}

# A zombie still has a /proc entry; for us it is gone.
process_alive() {
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 1
    [ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ]
}

# process_wait_end PID SECONDS: true when it ended in time.
process_wait_end() {
    local end=$((SECONDS + $2 + 1))
    while process_alive "$1"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# process_stop PID [SECONDS]: SIGTERM, and SIGKILL for what does not end in time. Fine to call twice.
# Returns 1 when the process had to be killed, so that a test can tell.
process_stop() {
    local pid=$1 killed=0
    [ -n "${PROCESS_OURS[$pid]:-}" ] || return 0
    if process_alive "$pid"; then
        kill -TERM "$pid" 2>/dev/null || true
        if ! process_wait_end "$pid" "${2:-20}"; then
            killed=1
            kill -KILL "$pid" 2>/dev/null || true
        fi
    fi
    process_forget "$pid"
    return "$killed"
}

process_kill() {
    [ -n "${PROCESS_OURS[$1]:-}" ] || return 0
    kill -KILL "$1" 2>/dev/null || true
    process_forget "$1"
}

process_forget() {
    wait "$1" 2>/dev/null || true
    unset "PROCESS_OURS[$1]"
}

# wait_for SECONDS COMMAND…: until the command succeeds, at most so long.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}
