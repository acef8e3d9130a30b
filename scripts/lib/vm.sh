# A machine with Debian's full kernel and this machine's own files: see scripts/vm. Needs all.sh.
# shellcheck shell=bash

VM_CACHE=${HF_GUEST_CACHE:-$TOP/build/guest}/full
# In the order they have to be loaded.
VM_MODULES=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
    netfs fscache 9pnet 9pnet_virtio 9p fuse cuse tun virtio_console failover net_failover virtio_net)

vm_image_need() {
    [ "$(uname -m)" = x86_64 ] || die "this machine is $(uname -m), the emulated one x86_64"
    mkdir -p "$VM_CACHE"
    (
        flock 9
        [ -f "$VM_CACHE/kernel-package" ] || kernel_fetch linux-image-amd64 "$VM_CACHE" "${VM_MODULES[@]}"
    ) 9>"$VM_CACHE/lock"
}

# vm_pack INITRAMFS BINDS WORD…: with the command in it. It starts in the current folder, with our PATH and HOME.
vm_pack() {
    local image=$1 binds=$2 root
    shift 2
    temp_dir root
    mkdir -p "$root"/{bin,proc,sys,dev,modules,vm}
    cp "$(command -v busybox)" "$root/bin/busybox"
    cp "$VM_CACHE"/modules/* "$root/modules/"
    install -m 755 "$TOP/scripts/guest/vm-init" "$root/init"
    # Those that the machine's own /tmp and /run would hide.
    sort -u <<<"$binds" | grep -E '^/(tmp|run)/' >"$root/vm/binds" || true
    {
        printf 'export PATH=%q HOME=%q\ncd %q || exit 125\n' "$PATH" "$HOME" "$PWD"
        printf '%q ' "$@"
        echo
    } >"$root/vm/command"
    (cd "$root" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null | gzip -1) >"$image"
}

# vm_run MEMORY CPUS SECONDS BINDS WORD…
vm_run() {
    local memory=$1 cpus=$2 limit=$3 binds=$4 dir pid status=0
    shift 4
    temp_dir dir
    vm_pack "$dir/initramfs" "$binds" "$@"
    : >"$dir/output"
    process_start pid "$dir/qemu.log" qemu-system-x86_64 \
        -accel tcg,thread=multi -cpu max -smp "$cpus" -M q35 -m "$memory" -display none -monitor none -nodefaults -no-reboot \
        -virtfs local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap \
        -serial "file:$dir/console" -device virtio-serial \
        -chardev "file,id=o,path=$dir/output" -device virtserialport,chardev=o,nr=1 \
        -chardev "file,id=s,path=$dir/status" -device virtserialport,chardev=s,nr=2 \
        -kernel "$VM_CACHE/vmlinuz" -initrd "$dir/initramfs" -append "console=ttyS0 quiet panic=-1"
    # It ends with QEMU.
    tail -n +1 -s 0.2 -f "--pid=$pid" "$dir/output" &
    process_wait_end "$pid" "$limit" || status=124
    process_stop "$pid" || true
    wait $! || true
    [ "$status" = 0 ] || say "scripts/vm: time was up after $limit s"
    vm_status "$dir" "$status"
}

# What the command's exit status was, by the machine's last word.
vm_status() {
    local word
    [ "$2" = 0 ] || return "$2"
    word=$(sed -n 's/^@vm:exit:\([0-9]*\).*/\1/p' "$1/status" | tail -n 1)
    [ -z "$word" ] || return "$word"
    say "scripts/vm: the machine ended without a word:"
    tail -n 20 "$1/console" "$1/qemu.log" >&2
    return 125
}
