# Hugepages of 2 MiB: reserve what is missing, give back at the end exactly what was added.
# Needs say.sh, cleanup.sh.
# shellcheck shell=bash

HUGEPAGES_POOL=/sys/kernel/mm/hugepages/hugepages-2048kB

hugepages_free() { cat "$HUGEPAGES_POOL/free_hugepages" 2>/dev/null || echo 0; }
hugepages_total() { cat "$HUGEPAGES_POOL/nr_hugepages" 2>/dev/null || echo 0; }

# hugepages_need COUNT: afterwards COUNT pages are free, if the kernel can find them.
# Returns 1 when it can't; whoever can work on ordinary pages goes on after the warning.
hugepages_need() {
    local want=$1 free before added
    free=$(hugepages_free)
    if [ "$free" -ge "$want" ]; then
        note "hugepages: $free of 2 MiB are free"
        return 0
    fi
    before=$(hugepages_total)
    if ! { echo $((before + want - free)) >"$HUGEPAGES_POOL/nr_hugepages"; } 2>/dev/null; then
        warn "cannot reserve hugepages (root and kernel support needed): echo $want > $HUGEPAGES_POOL/nr_hugepages"
        return 1
    fi
    # The kernel gives as many as it can find and reports no error.
    added=$(($(hugepages_total) - before))
    at_exit hugepages_give_back "$added"
    free=$(hugepages_free)
    if [ "$free" -lt "$want" ]; then
        warn "only $free of $want hugepages could be had; free memory or reserve them at boot: hugepages=$want"
        return 1
    fi
    note "hugepages: reserved $added more of 2 MiB ($free free); given back at the end"
}

# Lowers the pool by what was added instead of writing the old number back: someone else may have raised it since.
hugepages_give_back() {
    local now
    now=$(hugepages_total)
    [ "$1" -gt 0 ] && [ "$now" -ge "$1" ] || return 0
    echo $((now - $1)) >"$HUGEPAGES_POOL/nr_hugepages"
}
