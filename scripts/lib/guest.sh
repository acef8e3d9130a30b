# Real guests: QEMU with the stock Linux virtio-net driver, and a way to run commands in them.
# Needs say.sh, cleanup.sh, process.sh, guest-image.sh; guest_image_need must have run.
#
#   guest_start NAME SOCKET [OPTION…]   starts QEMU; returns at once
#       queues=N        queue pairs (1)
#       ip=ADDR/LEN     the guest's address on eth0
#       mac=MAC         (one made from the name)
#       mtu=BYTES       what the guest sets on eth0 (the kernel's 1500)
#       host_mtu=BYTES  what the device offers as VIRTIO_NET_F_MTU
#       mode=server     we, the back-end, listen on SOCKET and QEMU connects (default)
#       mode=client     QEMU listens and the back-end connects
#       mode=cuse       SOCKET is a character device with the kernel's vhost-net ioctls; QEMU has tap=NAME, which exists, beside it
#       reconnect=SECS  with mode=server: QEMU reconnects after the back-end went away
#       legacy=1        a transitional device driven as virtio 0.9.5, without VERSION_1
#       offloads=off    no checksum or segmentation offload is offered to the guest
#       mrg=off         no mergeable receive buffers
#       indirect=off    no indirect descriptors
#       event_idx=off   no event index
#       rings=SIZE      entries of both rings
#       mem=MIB         (256)
#       small=1         the small image, and a processor with few features: boots sooner, where the emulator is emulated itself
#   guest_wait_up NAME [SECS]           until this boot's user space answers
#   guest_run NAME COMMAND [SECS]       runs a shell command in it: its output, its exit status (124: no answer)
#   guest_reboot NAME [SECS]            a true reboot of the machine inside a QEMU that stays; waits until it is up
#   guest_stop NAME                     power off, QEMU ends by itself; guest_off and guest_gone are its halves
#   guest_kill NAME                     kill -9 of QEMU
#   guest_log NAME                      the end of the console, for a test that failed
#
# The command channel is the guest's second serial port on a pair of FIFOs: no network, no extra tool on the host.
#
# Lessons that are easy to lose:
# - Debian 12's QEMU 7.2 crashes under TCG when a vhost-user guest turns MSI-X on: hence vectors=0. The driver then uses the
#   one INTx line for all queues, which also carries several queue pairs.
# - KVM may be there and yet not work (nested hosts), so the emulator is always used: the same result everywhere.
# shellcheck shell=bash

declare -A GUEST_PID GUEST_DIR GUEST_IN GUEST_OUT

guest_mac() {
    # Locally administered, and stable for a name.
    local sum
    sum=$(printf '%s' "$1" | cksum | cut -d' ' -f1)
    printf '52:54:00:%02x:%02x:%02x' $((sum >> 16 & 255)) $((sum >> 8 & 255)) $((sum & 255))
}

# Sets the variables of its caller, guest_start.
guest_options() {
    local word
    for word; do
        case $word in
            queues=* | ip=* | mac=* | mtu=* | host_mtu=* | mode=* | reconnect=* | legacy=* | offloads=* | mrg=* | \
                indirect=* | event_idx=* | packed=* | rings=* | mem=* | tap=* | small=*)
                printf -v "${word%%=*}" '%s' "${word#*=}"
                ;;
            *) die "guest_start: unknown option $word" ;;
        esac
    done
}

# shellcheck disable=SC2154  # the options are locals of guest_start, set by guest_options
guest_device() {
    local device="virtio-net-pci,netdev=n,mac=$mac,romfile=,vectors=0" name
    [ "$queues" = 1 ] || device+=,mq=on
    [ -z "$host_mtu" ] || device+=,host_mtu=$host_mtu
    [ "$legacy" = 0 ] || device+=,disable-modern=on,disable-legacy=off
    [ "$mrg" = on ] || device+=,mrg_rxbuf=off
    [ "$indirect" = on ] || device+=,indirect_desc=off
    [ "$event_idx" = on ] || device+=,event_idx=off
    [ "$packed" = off ] || device+=,packed=on
    [ -z "$rings" ] || device+=,rx_queue_size=$rings,tx_queue_size=$rings
    if [ "$offloads" = off ]; then
        for name in csum gso guest_csum guest_tso4 guest_tso6 guest_ecn guest_ufo host_tso4 host_tso6 host_ecn host_ufo; do
            device+=,$name=off
        done
    fi
    printf '%s' "$device"
}

guest_start() {
    local name=$1 socket=$2
    local queues=1 ip='' mac='' mtu='' host_mtu='' mode=server reconnect='' legacy=0 offloads=on mrg=on indirect=on
    local event_idx=on packed=off rings='' mem=256 tap='' small=0
    shift 2
    guest_options "$@"
    mac=${mac:-$(guest_mac "$name")}

    guest_channel "$name"
    local dir=${GUEST_DIR[$name]} cpu=max initramfs=$GUEST_INITRAMFS opener=() backend=()
    # What only costs time where all is emulated: guards against others in the same machine, and what a kernel tries out on itself.
    local append="console=ttyS0 quiet mitigations=off cryptomgr.notests no_timer_check random.trust_cpu=on"
    append+=" net.ifnames=0 hf.queues=$queues${ip:+ hf.ip=$ip}${mtu:+ hf.mtu=$mtu}"
    guest_backend
    if [ "$small" = 1 ]; then
        cpu=qemu64 initramfs=$GUEST_SMALL
        append+=" nokaslr nosmp apparmor=0 audit=0"
    fi
    process_start "GUEST_PID[$name]" "$dir/qemu.log" "${opener[@]}" qemu-system-x86_64 \
        -name "$name" -accel tcg,thread=multi -cpu "$cpu" -M q35 -m "$mem" -smp "$((queues > 1 ? 2 : 1))" \
        -display none -monitor none -nodefaults \
        -object "memory-backend-memfd,id=m,size=${mem}M,share=on" -numa node,memdev=m \
        -serial "file:$dir/console.log" -serial "pipe:$dir/command" \
        "${backend[@]}" -device "$(guest_device)" \
        -kernel "$GUEST_KERNEL" -initrd "$initramfs" -append "$append"
}

# Where QEMU's packets go. Sets `backend` and `opener` of its caller, guest_start.
# shellcheck disable=SC2034,SC2154
guest_backend() {
    local chardev="socket,id=c,path=$socket"
    if [ "$mode" = cuse ]; then
        # QEMU opens no vhost device but its own kernel's: it gets a descriptor, of the process that it is going to be.
        # shellcheck disable=SC2016  # the shell that is started expands it
        opener=(bash -c 'exec "$@" 9<>"$0"' "$socket")
        backend=(-netdev "tap,id=n,ifname=$tap,script=no,downscript=no,vhost=on,vhostfd=9")
        return 0
    fi
    [ "$mode" = server ] || chardev+=,server=on,wait=off
    [ -z "$reconnect" ] || chardev+=,reconnect=$reconnect
    backend=(-chardev "$chardev" -netdev "vhost-user,id=n,chardev=c,queues=$queues")
}

# A fresh pair of FIFOs for each start: nothing of a killed guest's last words can be taken for an answer.
guest_channel() {
    local name=$1 dir fd
    if [ -z "${GUEST_DIR[$name]:-}" ]; then
        temp_dir dir
        GUEST_DIR[$name]=$dir
    fi
    dir=${GUEST_DIR[$name]}
    if [ -n "${GUEST_IN[$name]:-}" ]; then
        fd=${GUEST_IN[$name]}
        exec {fd}>&-
        fd=${GUEST_OUT[$name]}
        exec {fd}>&-
    fi
    rm -f "$dir"/command.in "$dir"/command.out
    mkfifo "$dir"/command.in "$dir"/command.out
    # Open for both directions, or opening would wait for QEMU.
    exec {fd}<>"$dir/command.in"
    GUEST_IN[$name]=$fd
    exec {fd}<>"$dir/command.out"
    GUEST_OUT[$name]=$fd
}

# guest_line NAME DEADLINE: the next line the guest wrote, into $GUEST_LINE. False when time is up or QEMU ended.
guest_line() {
    local part=''
    GUEST_LINE=''
    while [ "$SECONDS" -lt "$2" ]; do
        # A read that times out hands over the start of a line: keep it.
        if IFS= read -r -t 0.5 -u "${GUEST_OUT[$1]}" part; then
            GUEST_LINE+=$part
            return 0
        fi
        GUEST_LINE+=$part
        process_alive "${GUEST_PID[$1]}" || return 1
    done
    return 1
}

guest_wait_up() {
    local deadline=$((SECONDS + ${2:-60}))
    while guest_line "$1" "$deadline"; do
        [ "$GUEST_LINE" != "@hf:ready" ] || return 0
    done
    return 1
}

guest_run() {
    local name=$1 command=$2 seconds=${3:-60} id=$SRANDOM output='' deadline
    deadline=$((SECONDS + seconds + 5))
    printf '%s %s %s\n' "$id" "$seconds" "$(printf '%s' "$command" | base64 -w 0)" >&"${GUEST_IN[$name]}"
    while guest_line "$name" "$deadline"; do
        if [[ $GUEST_LINE == "@hf:$id:"* ]]; then
            # The guest adds one line end before its marker.
            output=${output%$'\n'}
            [ -z "$output" ] || printf '%s' "$output"
            return "${GUEST_LINE##*:}"
        fi
        output+=$GUEST_LINE$'\n'
    done
    return 124
}

guest_reboot() {
    # No answer to wait for: the machine is gone before the loop could send one.
    printf '%s 10 %s\n' reboot "$(printf 'reboot -f' | base64 -w 0)" >&"${GUEST_IN[$1]}"
    guest_wait_up "$1" "${2:-60}"
}

guest_stop() { guest_off "$1" && guest_gone "$1"; }

# In two parts, for several at once.
guest_off() { printf '%s 10 %s\n' off "$(printf 'poweroff -f' | base64 -w 0)" >&"${GUEST_IN[$1]}"; }

guest_gone() {
    process_wait_end "${GUEST_PID[$1]}" 30 || process_stop "${GUEST_PID[$1]}" || true
    process_forget "${GUEST_PID[$1]}"
}

guest_kill() { process_kill "${GUEST_PID[$1]}"; }

guest_log() {
    local dir=${GUEST_DIR[$1]}
    say "--- console of guest $1"
    tail -n 25 "$dir/console.log" >&2 || true
    say "--- QEMU of guest $1"
    tail -n 10 "$dir/qemu.log" >&2 || true
}
