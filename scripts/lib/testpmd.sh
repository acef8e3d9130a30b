# DPDK's dpdk-testpmd, from Debian's dpdk-dev. Needs process.sh.
# shellcheck shell=bash

# testpmd_start VARIABLE LOGFILE CORE EAL-WORD… -- TESTPMD-WORD…
# Its memory is its own (--in-memory: no hugetlbfs mount, no files, so several can run at once), backed by one memfd per size, as
# few regions as vhost-user's memory table allows. The main core sleeps; CORE polls.
testpmd_start() {
    local variable=$1 log=$2 core=$3 eal=()
    shift 3
    while [ "$1" != -- ]; do
        eal+=("$1")
        shift
    done
    shift
    process_start "$variable" "$log" dpdk-testpmd --lcores "0@0,1@$core" --in-memory --single-file-segments --no-pci \
        --no-telemetry -m 256 --file-prefix "holdfast$$-$SRANDOM" "${eal[@]}" -- --nb-cores=1 --no-lsc-interrupt --no-mlockall "$@"
}
