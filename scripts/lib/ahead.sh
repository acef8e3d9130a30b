# Builds that go on behind a running test, with the processor time that nobody else wants. Needs build.sh, cleanup.sh.
# shellcheck shell=bash
#
# Most end-to-end tests wait for something; the next tree is built meanwhile. SCHED_IDLE gets nothing while a test could run, so
# a test sees a machine that is not busier. Whoever needs the tree takes it over with ahead_take: what is built by then is kept,
# and ninja goes on from there.

AHEAD_PID=''

# ahead_start DIR,OPTION… …: each word a tree and its meson options, split by commas; built one after the other.
ahead_start() {
    [ -z "$AHEAD_PID" ] || return 0
    local log=$1
    log=${log%%,*}.ahead.log
    setsid chrt --idle 0 bash -c '
        TOP=$1; shift
        . "$TOP/scripts/lib/say.sh"; . "$TOP/scripts/lib/build.sh"
        for tree; do IFS=, read -ra words <<<"$tree"; build_tree "${words[@]}"; done' ahead "$TOP" "$@" \
        >"$log" 2>&1 </dev/null &
    AHEAD_PID=$!
    at_exit ahead_take
}

# Nothing is built behind from here on. An error of it is found again, and shown, by who builds that tree next.
ahead_take() {
    [ -n "$AHEAD_PID" ] || return 0
    kill -- "-$AHEAD_PID" 2>/dev/null || true
    wait "$AHEAD_PID" 2>/dev/null || true
    AHEAD_PID=''
}
