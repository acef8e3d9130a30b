# Adds up test cases over runners of different kinds. Needs say.sh, jq.
# shellcheck shell=bash

COUNT_PASSED=0 COUNT_FAILED=0 COUNT_SKIPPED=0
COUNT_BAD=()

# count_add PASSED FAILED SKIPPED [WHAT FAILED]
count_add() {
    COUNT_PASSED=$((COUNT_PASSED + $1))
    COUNT_FAILED=$((COUNT_FAILED + $2))
    COUNT_SKIPPED=$((COUNT_SKIPPED + $3))
    [ "$2" = 0 ] || COUNT_BAD+=("$4")
}

# count_meson LOG WHAT: the results in a test log of meson's. A program that says how many cases it ran, as CUnit's summary or as
# TAP, counts as so many; one that ended badly without a failed case (a crash, a time-out, a sanitizer's report) is one failure more.
count_meson() {
    local name result passed failed skipped
    if ! [ -s "$1" ]; then
        count_add 0 1 0 "no test result in $2"
        return 1
    fi
    while IFS=$'\t' read -r name result passed failed skipped; do
        case $result in
            OK | EXPECTEDFAIL) [ $((passed + failed + skipped)) -gt 0 ] || passed=1 ;;
            SKIP) [ $((passed + skipped)) -gt 0 ] || skipped=1 ;;
            *) [ "$failed" -gt 0 ] || failed=1 ;;
        esac
        count_add "$passed" "$failed" "$skipped" "$2: $name"
    done < <(jq -r '
        (.stdout // "") as $out
        | ($out | [scan("(?m)^ +tests +\\d+ +\\d+ +(\\d+) +(\\d+) +(\\d+)")]) as $cunit
        | ($out | [scan("(?m)^(ok|not ok|skip)( .*)?$")]) as $lines
        | ($lines | map(select((.[0] == "skip") or (.[0] == "ok" and ((.[1] // "") | test("# *skip"; "i")))))) as $skip
        | [ .name, .result,
            ($cunit | map(.[0] | tonumber) | add // 0) + ($lines | map(select(.[0] == "ok")) | length)
                - ($skip | map(select(.[0] == "ok")) | length),
            ($cunit | map(.[1] | tonumber) | add // 0) + ($lines | map(select(.[0] == "not ok")) | length),
            ($skip | length)
          ] | @tsv' "$1")
}

# meson_failed LOG: names of the programs in a test log that failed, a line each.
meson_failed() { jq -r 'select(.result | IN("OK", "EXPECTEDFAIL", "SKIP") | not) | .name' "$1"; }

# meson_may_again LOG: of those that failed, the end-to-end ones without a sanitizer's report: what real processes do depends on
# when they get a processor, and some waits run out on a machine that others use as well. A report is a finding, whenever it comes.
meson_may_again() {
    jq -r 'select((.result | IN("OK", "EXPECTEDFAIL", "SKIP") | not) and (.name | test("^[^/]*\\be2e\\b"))
        and ((.stdout // "") + (.stderr // "") | test("Sanitizer|runtime error:") | not)) | .name' "$1"
}

# meson_merge FIRST AGAIN: the first log, with what ran again in the place of what it was.
meson_merge() {
    jq -s --slurpfile again "$2" '($again | INDEX(.name)) as $new | .[] | $new[.name] // .' -c "$1"
}

# count_lines LOG STATUS WHAT: a runner that printed ok / not ok / skip lines and ended with STATUS.
count_lines() {
    local passed failed skipped
    passed=$(grep -c '^ok - ' "$1" || true)
    failed=$(grep -c '^not ok - ' "$1" || true)
    skipped=$(grep -c '^skip - ' "$1" || true)
    # It broke off, or it ran nothing at all: neither may pass for success.
    if [ "$2" != 0 ] && [ "$failed" = 0 ]; then
        failed=1
        say "$3 ended with status $2"
    elif [ $((passed + failed + skipped)) = 0 ]; then
        failed=1
        say "$3 ran no test"
    fi
    count_add "$passed" "$failed" "$skipped" "$3"
}

# The closing line, alone. Its status: nothing failed, and something ran.
count_end() {
    [ ${#COUNT_BAD[@]} = 0 ] || printf 'failed: %s\n' "${COUNT_BAD[@]}"
    printf '%d passed, %d failed, %d skipped\n' "$COUNT_PASSED" "$COUNT_FAILED" "$COUNT_SKIPPED"
    [ "$COUNT_FAILED" = 0 ] && [ "$COUNT_PASSED" -gt 0 ]
}
