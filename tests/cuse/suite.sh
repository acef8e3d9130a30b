# CUnit programs with devices for ports, a line for each of their sentences. Needs report.sh, build.sh; BUILD.
# shellcheck shell=bash

# A program that takes longer is stuck.
SUITE_LIMIT=600

# suite_run TITLE PROGRAM
suite_run() {
    local title=$1 program log status=0 begin=$SECONDS
    program=$(build_binary "$BUILD" "$2") && temp_dir log && log=$log/log
    HF_TEST_DOOR=cuse HOLDFASTD=$(build_binary "$BUILD" holdfastd) ECHO=$(build_binary "$BUILD" echo-secondary) \
        VSWITCH=$(build_binary "$BUILD" holdfast-vswitch) HOLDFAST=$(build_binary "$BUILD" holdfast) \
        POISON=$(build_binary "$BUILD" poison) \
        timeout -k 5 "$SUITE_LIMIT" "$program" >"$log" 2>&1 || status=$?
    suite_lines "$title" "$log" "$status"
    remark "$title: $((SECONDS - begin)) s"
}

# suite_lines TITLE LOG STATUS: what CUnit said in its verbose mode; between a sentence's name and its result anything may be printed.
suite_lines() {
    local verdict sentence failed=0
    while IFS=$'\t' read -r verdict sentence; do
        if [ "$verdict" = passed ]; then
            report_ok "$1: ${sentence//_/ }"
        else
            report_not_ok "$1: ${sentence//_/ }"
            failed=1
        fi
    done < <(awk '
        /^  Test: / { if (name) print "broke off\t" name; name = $0; sub(/^  Test: /, "", name); sub(/ \.\.\..*/, "", name) }
        name && /passed$/ { print "passed\t" name; name = "" }
        name && /FAILED$/ { print "failed\t" name; name = "" }
        END { if (name) print "broke off\t" name }' "$2")
    if [ "$failed" = 0 ] && [ "$3" != 0 ]; then
        report_not_ok "$1: ends in good order (status $3)"
        failed=1
    fi
    [ "$failed" = 0 ] || grep -v '^holdfast-vswitch: port' "$2" | tail -n 60 | sed 's/^/#   /'
}
