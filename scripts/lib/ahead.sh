# Builds that go on behind a running test, with the processor time that nobody else wants. Needs build.sh, cleanup.sh, process.sh.
# shellcheck shell=bash
#
# Most end-to-end tests wait for something; the next tree is built meanwhile. SCHED_IDLE gets nothing while a test could run, so
# a test sees a machine that is not busier. Whoever needs the tree takes it over with ahead_take: what is built by then is kept,
# and ninja goes on from there.

AHEAD_PID=''

# tree_build TREE: a build folder and its meson options in one word, split by commas; "CC=…" may stand before them.
tree_build() {
    local words
    IFS=, read -ra words <<<"$1"
    case ${words[0]} in
        CC=*) CC=${words[0]#CC=} build_tree "${words[@]:1}" ;;
        *) build_tree "${words[@]}" ;;
    esac
}

# tree_dir TREE: its folder.
tree_dir() {
    local words=${1#CC=*,}
    printf '%s\n' "${words%%,*}"
}

# ahead_start TREE…: one after the other. Behind the first one a script of ours may stand, with its words.
ahead_start() {
    [ -z "$AHEAD_PID" ] || return 0
    setsid chrt --idle 0 bash -c '
        TOP=$1; shift
        for library in say build ahead; do . "$TOP/scripts/lib/$library.sh"; done
        for tree; do
            case $tree in
                "$TOP"/scripts/*) $tree ;;
                *) tree_build "$tree" ;;
            esac
        done' ahead "$TOP" "$@" >"$(tree_dir "$1").ahead.log" 2>&1 </dev/null &
    AHEAD_PID=$!
    at_exit ahead_take
}

# Nothing is built behind from here on. An error of it is found again, and shown, by who builds that tree next.
ahead_take() {
    [ -n "$AHEAD_PID" ] || return 0
    kill -- "-$AHEAD_PID" 2>/dev/null || true
    wait "$AHEAD_PID" 2>/dev/null || true
    # ninja takes back what it has half done: two of them in one folder would take it from each other.
    wait_for 60 ahead_is_gone || warn "what was built ahead does not end"
    AHEAD_PID=''
}

# Nobody of its session is there; who is dead and not buried does nothing any more.
ahead_is_gone() { [ -z "$(ps -o stat= -s "$AHEAD_PID" | sed '/^Z/d')" ]; }
