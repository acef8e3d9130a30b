# A real QEMU in the emulated machine, with the character device for its vhost descriptor: its guest talks to the machine's own TAP, and
# to a second device, behind which is the front-end model (pong.c). Then what it talks through dies.
# Needs all.sh; BUILD.
# shellcheck shell=bash disable=SC2034,SC2154  # for holdfast.sh; set by process_start

NESTED_GUEST=192.0.2.1 NESTED_PONG=192.0.2.2 NESTED_HOST=192.0.2.254
NESTED_UP=0
# Of pings at five a second; a new switch needs a second or two in here to come up.
NESTED_PINGS=100 NESTED_LOST=40

nested_begin() {
    nested_start || {
        holdfast_log
        report_not_ok "nested QEMU: primary, switch and QEMU start"
        return 0
    }
    NESTED_UP=1
}

nested_start() {
    holdfast_find "$BUILD"
    HF_PRIMARY_OPTIONS=(--supervise --cuse hf0 --cuse hf1)
    holdfast_primary || return 1
    # The TAP stays when the switch that has it dies.
    ip tuntap add up0 mode tap vnet_hdr && ip addr add "$NESTED_HOST/24" dev up0 && ip link set up0 up || return 1
    nested_switch a vswitch || return 1
    process_start NESTED_PONG_PID "$HF_LOGS/pong.log" "$(build_binary "$BUILD" cuse-pong)" /dev/hf1 "$NESTED_PONG"
    ip tuntap add t0 mode tap vnet_hdr || return 1
    guest_start g /dev/hf0 mode=cuse tap=t0 small=1 mem=128 "ip=$NESTED_GUEST/24"
}

# nested_switch NAME ROLE
nested_switch() {
    if [ "$2" = vswitch ]; then
        holdfast_switch_named "$1" --role "$2" --uplink tap:up0
    else
        holdfast_switch_named "$1" --role "$2"
    fi
}

nested_cases() {
    [ "$NESTED_UP" = 1 ] || return 0
    if expect "nested QEMU: its guest comes up" guest_wait_up g 400; then
        nested_traffic
    else
        guest_log g
        holdfast_log
    fi
    nested_end
}

nested_traffic() {
    local carrier
    carrier=$(nested_carrier)
    nested_expect "nested QEMU: the guest's link is up" test "$(guest_run g 'cat /sys/class/net/eth0/carrier')" = 1
    nested_expect "nested QEMU: ping to the TAP of the machine below" traffic_ping g "$NESTED_HOST" 5
    nested_expect "nested QEMU: ping to a second device" traffic_ping g "$NESTED_PONG" 5
    nested_expect "nested QEMU: the switch is killed and replaced while it pings the TAP" nested_survives "$NESTED_HOST" nested_replace
    nested_expect "nested QEMU: ... and the second device answers through the new one" traffic_ping g "$NESTED_PONG" 5
    nested_expect "nested QEMU: the switch is killed and its standby goes on while it pings the second device" \
        nested_survives "$NESTED_PONG" nested_standby
    nested_expect "nested QEMU: the primary is killed while it pings the second device" nested_survives "$NESTED_PONG" nested_kill_primary
    nested_expect "nested QEMU: the guest has seen no change of its link" test "$(nested_carrier)" = "$carrier"
}

nested_expect() {
    TRAFFIC_TEXT=''
    expect "$@" || {
        guest_log g
        holdfast_log
        return 0
    }
    [ -z "$TRAFFIC_TEXT" ] || remark "$1: $TRAFFIC_TEXT"
}

nested_carrier() { guest_run g 'cat /sys/class/net/eth0/carrier_changes'; }

# nested_survives ADDRESS STRIKE: pings while it strikes; the last ones are answered, and most are.
nested_survives() {
    local came
    guest_run g "rm -f /tmp/pinged; (ping -q -i 0.2 -W 1 -c $NESTED_PINGS $1 >/tmp/ping; mv /tmp/ping /tmp/pinged) & sleep 1" || return 1
    "$2" || return 1
    came=$(guest_run g 'while ! [ -f /tmp/pinged ]; do sleep 0.5; done; cat /tmp/pinged' 120) || return 1
    TRAFFIC_TEXT=$(grep 'packets received' <<<"$came") || return 1
    came=${TRAFFIC_TEXT#*transmitted, }
    came=${came%% packets*}
    [ "$came" -ge $((NESTED_PINGS - NESTED_LOST)) ] && traffic_ping g "$1" 3
}

nested_replace() {
    process_kill "${HF_SWITCHES[a]}"
    nested_switch b vswitch
}

nested_standby() {
    nested_switch c standby || return 1
    sleep 1
    process_kill "${HF_SWITCHES[b]}"
}

nested_kill_primary() {
    local pid
    pid=$(supervised_primary) && supervised_signal KILL "$pid"
}

# All of it goes in order; QEMU has given back the device by then.
nested_end() {
    guest_stop g
    expect "nested QEMU: powered off, the device is nobody's any more" wait_for 20 nested_is_free hf0 || hf port list
    process_stop "$NESTED_PONG_PID" || true
    process_stop "${HF_SWITCHES[c]:-0}" || true
    expect "nested QEMU: the primary ends by itself on SIGTERM" process_stop "$HF_PRIMARY_PID" 20 || holdfast_log
}

nested_is_free() {
    hf port list -o json | jq -e --arg name "$1" 'first(.ports[] | select(.name == $name)).status == "disconnected"' >/dev/null
}
