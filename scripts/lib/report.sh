# Results of test cases, one line each on stdout:
#   ok - SENTENCE      not ok - SENTENCE      skip - SENTENCE: WHY
# A line that starts with # is a remark: rates and times go there, they decide nothing.
# shellcheck shell=bash

REPORT_PASSED=0 REPORT_FAILED=0 REPORT_SKIPPED=0

report_ok() {
    REPORT_PASSED=$((REPORT_PASSED + 1))
    printf 'ok - %s\n' "$1"
}

report_not_ok() {
    REPORT_FAILED=$((REPORT_FAILED + 1))
    printf 'not ok - %s\n' "$1"
}

report_skip() {
    REPORT_SKIPPED=$((REPORT_SKIPPED + 1))
    printf 'skip - %s: %s\n' "$1" "$2"
}

remark() { printf '# %s\n' "$*"; }

# expect SENTENCE COMMAND…: a case that passes when the command succeeds. Its status is the case's, so that a caller can
# show logs; `expect … || true` where nothing follows. Inside the command set -e is off (bash's rule for conditions): the
# functions used here return their verdict explicitly.
expect() {
    local sentence=$1
    shift
    if "$@"; then
        report_ok "$sentence"
    else
        report_not_ok "$sentence"
        return 1
    fi
}

# The closing line. True when nothing failed and something passed: a run that tested nothing is no success.
report_end() {
    printf '%d passed, %d failed, %d skipped\n' "$REPORT_PASSED" "$REPORT_FAILED" "$REPORT_SKIPPED"
    [ "$REPORT_FAILED" = 0 ] && [ "$REPORT_PASSED" -gt 0 ]
}
