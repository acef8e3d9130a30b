# Guests that reboot and VMMs that are killed: traffic resumes each time, and nothing of them stays in our processes.
# shellcheck shell=bash disable=SC2015  # "a && b || { return 1; }": the braces always return

CHURN_TIMES=20

# What the back-end's processes hold.
churn_holdings() {
    # shellcheck disable=SC2046  # the pids are words
    churn_holdings_of $(backend_pids)
    echo
}

# churn_holdings_of PID…: a word each: descriptors, mappings, those on hugepages and resident memory (kB). What the machine has
# free of hugepages is others' business, too.
churn_holdings_of() {
    local pid
    for pid; do
        printf 'fds=%s maps=%s hugepages=%s rss=%s ' "$(find "/proc/$pid/fd" -mindepth 1 -maxdepth 1 | wc -l)" \
            "$(wc -l <"/proc/$pid/maps")" \
            "$(awk '/^Size:/ { size = $2 } /^KernelPageSize:/ && $2 >= 2048 { sum += size } END { print sum + 0 }' "/proc/$pid/smaps")" \
            "$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status")"
    done
}

# What went with the guests is gone: half a second changes nothing any more.
churn_still() {
    local before
    before=$(churn_holdings)
    sleep 0.5
    churn_same "$before"
}

# churn_same BEFORE [PID…]: equal in every count. Memory may differ by what an allocator keeps in hand: 1 MiB, where one guest's
# forgotten map would be 256.
churn_same() {
    local before now held i
    read -ra before <<<"$1"
    shift
    if [ $# -gt 0 ]; then held=$(churn_holdings_of "$@"); else held=$(churn_holdings); fi
    read -ra now <<<"$held"
    for i in "${!before[@]}"; do
        case ${now[i]} in
            rss=*) [ "${now[i]#rss=}" -le $((${before[i]#rss=} + 1024)) ] || return 1 ;;
            *) [ "${now[i]}" = "${before[i]}" ] || return 1 ;;
        esac
    done
}

churn_check_holdings() {
    if ! expect "after $2: descriptors, mappings, hugepages and memory are back where they were" wait_for 30 churn_same "$1"; then
        remark "before: $1"
        remark "now:    $(churn_holdings)"
    fi
}

churn_resumes() { wait_for 60 traffic_ping_once b "$A"; }

churn_reboots() {
    local i
    for ((i = 1; i <= CHURN_TIMES; i++)); do
        guest_reboot a 120 && churn_resumes && backend_sound || {
            remark "reboot $i of $CHURN_TIMES"
            guest_log a
            backend_log
            return 1
        }
    done
}

# churn_kills MODE: the guest's QEMU dies without a word, in the middle of traffic, and comes again on the same socket.
churn_kills() {
    local i socket
    socket=$(backend_socket "$([ "$1" = server ] && echo a || echo ca)")
    for ((i = 1; i <= $2; i++)); do
        guest_run b "ping -q -i 0.002 -w 3 $A >/dev/null 2>&1 &" || return 1
        guest_kill a
        # A socket file left by the dead QEMU would be in its successor's way.
        [ "$1" = server ] || rm -f "$socket"
        guest_start a "$socket" "mode=$1" "ip=$A/24"
        guest_wait_up a 120 && churn_resumes && backend_sound || {
            remark "kill $i of $2, $1 mode"
            guest_log a
            backend_log
            return 1
        }
    done
}

# The base line is taken after guests have come and gone once: what a process sets up on first use is no leak.
churn_warm_up() {
    [ "${PAIRS_STARTED[$1]}" = 0 ] || return 0
    pair_start "$1" '' '' || return 1
    pair_stop
}

# churn_round MODE TITLE COMMAND…: with a pair up, do it; then both guests away and compare.
churn_round() {
    local mode=$1 title=$2 before
    shift 2
    churn_warm_up "$mode" || true
    wait_for 30 churn_still || true
    before=$(churn_holdings)
    if expect "$title: both guests come up" pair_start "$mode" '' ''; then
        expect "$title: traffic resumes each time" "$@" || true
        expect "$title: a file arrives unchanged afterwards" traffic_copy a b "$A" 4 || true
    fi
    pair_stop
    churn_check_holdings "$before" "$title"
}
