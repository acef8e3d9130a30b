# A stack of undo actions. Whoever makes something pushes its undo at once; the stack is run backwards when the
# script ends, for whatever reason: end of script, an error under set -e, Ctrl-C, SIGTERM, SIGHUP.
# Only things pushed here are ever undone, so nothing that others started is touched.
# shellcheck shell=bash

CLEANUP_STACK=()

# at_exit WORD…: run these words at the end. They are kept quoted, so arguments may hold spaces.
at_exit() {
    local words
    printf -v words '%q ' "$@"
    CLEANUP_STACK+=("$words")
}

cleanup_run() {
    local status=$? i
    # A second Ctrl-C must not leave half of the things behind.
    trap '' INT TERM HUP
    trap - EXIT
    set +e
    for ((i = ${#CLEANUP_STACK[@]} - 1; i >= 0; i--)); do
        eval "${CLEANUP_STACK[i]}"
    done
    exit "$status"
}

trap cleanup_run EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# temp_dir VARIABLE: a new private directory, removed at the end. Its name goes into a variable and not to stdout,
# because in $(…) the undo would be pushed on the stack of a subshell and be lost.
temp_dir() {
    local -n ret_dir=$1
    ret_dir=$(mktemp -d "${TMPDIR:-/tmp}/holdfast.XXXXXX")
    at_exit rm -rf -- "$ret_dir"
}
