# Debian packages the scripts need. Only what is missing gets installed, and it is said what.
# Needs say.sh.
# shellcheck shell=bash

# One list per purpose; a script asks for the purposes it has.
# shellcheck disable=SC2034  # read through a name reference in packages_need
{
    PACKAGES_BUILD=(
        gcc libc6-dev meson ninja-build pkg-config
        protobuf-c-compiler libprotobuf-c-dev
        libhugetlbfs-dev libnuma-dev libsmartcols-dev libcunit1-dev
        libcap-ng-dev libseccomp-dev
    )
    PACKAGES_TOOLS=(jq iproute2 util-linux procps)
    # clang for libFuzzer and for coverage of source lines; libclang-rt-14-dev has the run-time part of both.
    PACKAGES_FUZZ=(clang-14 libclang-rt-14-dev llvm-14)
    PACKAGES_MODEL=(spin gcc libc6-dev)
    PACKAGES_GUEST=(qemu-system-x86 busybox-static iperf3 ethtool gcc libc6-dev)
    PACKAGES_VM=(qemu-system-x86 busybox-static)
    # dpdk-testpmd is in dpdk-dev; the PMDs it loads come with libdpdk-dev, which it depends on.
    PACKAGES_PEER=(dpdk-dev)
    PACKAGES_OVS=(openvswitch-switch-dpdk)
    PACKAGES_PLOT=(gnuplot-nox)
    PACKAGES_COUNT=(valgrind)
}

# packages_missing NAME…: those of them that are not installed, one a line.
packages_missing() {
    local have
    # dpkg-query fails when any name is unknown; what it prints about the others still counts.
    # shellcheck disable=SC2016  # the ${…} are dpkg-query's own
    have=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' || true)
    printf '%s\n' "$@" | sort -u | grep -vxF -f <(printf '%s\n' "$have" | grep . || true) || true
}

# Its words are read here.
packages_apt() {
    LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# The index. apt waits for dpkg's lock and not for that of the lists, which a machine's daily update may have.
packages_update() {
    local log tries=60 status=0
    log=$(mktemp)
    while status=0 && ! packages_apt update >"$log" 2>&1; do
        status=1
        tries=$((tries - 1))
        grep -q 'Could not get lock' "$log" && [ "$tries" -gt 0 ] || break
        sleep 5
    done
    cat "$log"
    rm -f "$log"
    return "$status"
}

# packages_need LIST…: LIST is the end of a PACKAGES_… name, as in `packages_need BUILD GUEST`.
packages_need() {
    local list missing=() wanted=() log
    for list; do
        local -n names=PACKAGES_$list
        wanted+=("${names[@]}")
    done
    command -v dpkg-query >/dev/null ||
        die "this is not a Debian system; install by hand what matches: ${wanted[*]}"
    mapfile -t missing < <(packages_missing "${wanted[@]}")
    [ ${#missing[@]} -gt 0 ] || return 0

    [ "$(id -u)" = 0 ] || die "missing packages, and installing needs root: apt-get install ${missing[*]}"
    note "installing from Debian: ${missing[*]}"
    log=$(mktemp)
    # The package index may be absent (a bare machine) or out of date (404s): fetch it only then.
    if ! packages_apt install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
        note "package index absent or old: apt-get update"
        if ! { packages_update && packages_apt install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            rm -f "$log"
            die "apt-get could not install: ${missing[*]}"
        fi
    fi
    rm -f "$log"
}
