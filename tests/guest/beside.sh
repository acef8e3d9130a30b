# Another run of this script beside this one. Needs all.sh.
# shellcheck shell=bash

BESIDE_PID='' BESIDE_LOG=''

# beside_start WORD…
beside_start() {
    local dir
    temp_dir dir
    BESIDE_LOG=$dir/log
    # On SIGTERM it cleans up after itself.
    PROCESS_DEATH=TERM process_start BESIDE_PID "$BESIDE_LOG" "$TOP/tests/guest/run" "$@"
}

# beside_end WHAT: its lines among ours, and its counts in ours.
beside_end() {
    local status=0
    [ -n "$BESIDE_PID" ] || return 0
    wait "$BESIDE_PID" || status=$?
    process_forget "$BESIDE_PID"
    BESIDE_PID=''
    # All but its own sum.
    grep -vE '^[0-9]+ passed, ' "$BESIDE_LOG" || true
    REPORT_PASSED=$((REPORT_PASSED + $(grep -c '^ok - ' "$BESIDE_LOG" || true)))
    REPORT_FAILED=$((REPORT_FAILED + $(grep -c '^not ok - ' "$BESIDE_LOG" || true)))
    REPORT_SKIPPED=$((REPORT_SKIPPED + $(grep -c '^skip - ' "$BESIDE_LOG" || true)))
    [ "$status" = 0 ] || grep -q '^not ok - ' "$BESIDE_LOG" || report_not_ok "$1: the run beside this one comes to its end (status $status)"
}
