# A network namespace to stand for "the host's side" of an uplink: interfaces, addresses and traffic of a test stay in it.
# Needs cleanup.sh, process.sh.
# shellcheck shell=bash

# netns_new VARIABLE: a name nobody else has.
netns_new() {
    local -n ret_netns=$1
    ret_netns=holdfast-$$-$SRANDOM
    ip netns add "$ret_netns"
    at_exit ip netns del "$ret_netns"
    ip -n "$ret_netns" link set lo up
}

# netns_run NAME COMMAND…
netns_run() { nsenter "--net=/run/netns/$1" -- "${@:2}"; }

netns_has_link() { ip -n "$1" link show "$2" >/dev/null 2>&1; }

# netns_link_up NAME INTERFACE ADDRESS/LEN [MTU]: the interface is made by somebody else, so wait for it.
netns_link_up() {
    wait_for 30 netns_has_link "$1" "$2" || return 1
    [ -z "${4:-}" ] || ip -n "$1" link set "$2" mtu "$4"
    ip -n "$1" addr add "$3" dev "$2"
    ip -n "$1" link set "$2" up
}
