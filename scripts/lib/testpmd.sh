# DPDK's dpdk-testpmd, from Debian's dpdk-dev. Needs process.sh, cleanup.sh.
#
#   testpmd_start VARIABLE LOGFILE CORE EAL-WORD… -- TESTPMD-WORD…   forwards until it is stopped
#   pmd_start NAME CORE EAL-WORD… -- TESTPMD-WORD…                   takes commands
#   pmd_do NAME COMMAND… [-- PATTERN]     each COMMAND at its prompt; waits until the answer has a line that matches PATTERN
#   pmd_count NAME PORT RX-packets|TX-packets|…                      one of the port's statistics
#   pmd_end NAME
# shellcheck shell=bash

# Its memory is its own (--in-memory: no hugetlbfs mount, no files, so several can run at once), backed by one memfd per size, as
# few regions as vhost-user's memory table allows. The main core sleeps; CORE polls. The number of mbufs is said, or it takes
# several hundred MiB of hugepages.
TESTPMD_EAL=(--in-memory --single-file-segments --no-pci --no-telemetry -m 128)
TESTPMD_APP=(--nb-cores=1 --no-lsc-interrupt --no-mlockall --disable-link-check)

# Without a terminal it reads end of file and stops at once, unless --stats-period gives it something to do.
testpmd_start() {
    local variable=$1 log=$2 core=$3 eal=()
    shift 3
    while [ "$1" != -- ]; do
        eal+=("$1")
        shift
    done
    shift
    process_start "$variable" "$log" dpdk-testpmd --lcores "0@0,1@$core" "${TESTPMD_EAL[@]}" \
        --file-prefix "holdfast$$-$SRANDOM" "${eal[@]}" -- "${TESTPMD_APP[@]}" --total-num-mbufs=16384 "$@"
}

declare -A PMD_PID PMD_LOG PMD_IN

pmd_start() {
    local name=$1 core=$2 dir eal=() fd
    shift 2
    while [ "$1" != -- ]; do
        eal+=("$1")
        shift
    done
    shift
    temp_dir dir
    PMD_LOG[$name]=$dir/log
    mkfifo "$dir/in"
    exec {fd}<>"$dir/in"
    PMD_IN[$name]=$fd
    # stdbuf: it writes its answers with stdio, which would hold them back in a file. The shell opens the FIFO for it, as
    # process_start gives its children no input. --no-flush-rx: what arrives before "start" counts, a capture file's frames too.
    # shellcheck disable=SC2016  # for the inner shell
    process_start "PMD_PID[$name]" "$dir/log" sh -c 'exec "$@" <"$0"' "$dir/in" stdbuf -oL \
        dpdk-testpmd --lcores "0@0,1@$core" "${TESTPMD_EAL[@]}" --file-prefix "holdfast$$-$SRANDOM" \
        --log-level=pmd.net.virtio.init:info "${eal[@]}" -- \
        -i "${TESTPMD_APP[@]}" --no-flush-rx "$@"
    wait_for 60 pmd_at_prompt "$name" || {
        pmd_log "$name"
        return 1
    }
}

pmd_at_prompt() {
    process_alive "${PMD_PID[$1]}" && grep -q 'testpmd>' "${PMD_LOG[$1]}"
}

pmd_do() {
    local name=$1 pattern='' from command commands=()
    shift
    while [ $# -gt 0 ]; do
        if [ "$1" = -- ]; then
            pattern=$2
            break
        fi
        commands+=("$1")
        shift
    done
    from=$(wc -c <"${PMD_LOG[$name]}")
    for command in "${commands[@]}"; do
        printf '%s\n' "$command" >&"${PMD_IN[$name]}"
    done
    [ -z "$pattern" ] || wait_for 60 pmd_said "$name" "$from" "$pattern"
}

pmd_said() { tail -c "+$(($2 + 1))" "${PMD_LOG[$1]}" | grep -qE "$3"; }

# The statistics of a port are printed as a block; the last one counts.
pmd_count() {
    pmd_do "$1" "clear fwd stats all" "show port stats $2" -- '^  Tx-pps:' || return 1
    sed -n "/NIC statistics for port $2 /,/Throughput/p" "${PMD_LOG[$1]}" | sed -n "s/.*$3: *\([0-9]*\).*/\1/p" | tail -n 1
}

pmd_end() {
    pmd_do "$1" stop quit
    process_wait_end "${PMD_PID[$1]}" 10 || true
    process_stop "${PMD_PID[$1]}" || true
    local fd=${PMD_IN[$1]}
    exec {fd}>&-
}

pmd_log() {
    say "--- testpmd $1"
    tail -n 30 "${PMD_LOG[$1]}" >&2
}
