# The test guest: Debian's own cloud kernel and a small initramfs. Nothing is installed on the host for it; the kernel package
# is only unpacked. Needs kernel.sh and TOP.
# shellcheck shell=bash

GUEST_CACHE=${HF_GUEST_CACHE:-$TOP/build/guest}
GUEST_KERNEL=$GUEST_CACHE/vmlinuz
GUEST_INITRAMFS=$GUEST_CACHE/initramfs.gz
# Nothing but busybox and the modules, not compressed: for a guest that is emulated by what is emulated itself.
GUEST_SMALL=$GUEST_CACHE/small.cpio
GUEST_PROBE=$GUEST_CACHE/probe
GUEST_PACE=$GUEST_CACHE/pace
GUEST_STREAM=$GUEST_CACHE/stream

# In the order they have to be loaded.
GUEST_MODULES=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net)

guest_image_need() {
    [ "$(uname -m)" = x86_64 ] || die "the test guests are x86_64 only, and this machine is $(uname -m)"
    mkdir -p "$GUEST_CACHE"
    # Two scripts started at the same time (two checkouts' cache can be one folder) take turns.
    (
        flock 9
        [ -f "$GUEST_CACHE/kernel-package" ] || kernel_fetch linux-image-cloud-amd64 "$GUEST_CACHE" "${GUEST_MODULES[@]}"
        guest_image_build_tool "$GUEST_PROBE"
        guest_image_build_tool "$GUEST_PACE"
        guest_image_build_tool "$GUEST_STREAM"
        guest_image_pack
    ) 9>"$GUEST_CACHE/lock"
}

guest_image_build_tool() {
    local source=$TOP/tests/guest/${1##*/}.c
    [ "$1" -nt "$source" ] && return 0
    # This may be killed: what is there is whole.
    gcc -std=gnu17 -O2 -Wall -Wextra -static -o "$1.new" "$source" && mv "$1.new" "$1"
}

# guest_image_copy PROGRAM ROOT: a program and the libraries it is linked with, each at its own path.
guest_image_copy() {
    local file
    for file in "$1" $(ldd "$1" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p'); do
        mkdir -p "$2$(dirname "$file")"
        cp -L "$file" "$2$file"
    done
}

# Cheap enough to be done afresh each time, and so never stale.
guest_image_pack() {
    local root
    rm -rf "$GUEST_CACHE"/root.*
    root=$(mktemp -d "$GUEST_CACHE/root.XXXXXX")
    mkdir -p "$root"/{bin,proc,sys,dev,tmp,modules,usr/bin,sbin}
    cp "$(command -v busybox)" "$root/bin/busybox"
    cp "$GUEST_CACHE"/modules/* "$root/modules/"
    cp "$TOP/scripts/guest/command-loop" "$root/command-loop"
    install -m 755 "$TOP/scripts/guest/init" "$root/init"
    guest_image_archive "$root" cat "$GUEST_SMALL"
    guest_image_copy "$(command -v iperf3)" "$root"
    guest_image_copy "$(PATH=$PATH:/usr/sbin:/sbin command -v ethtool)" "$root"
    cp "$GUEST_PROBE" "$GUEST_PACE" "$GUEST_STREAM" "$root/bin/"
    guest_image_archive "$root" "gzip -1" "$GUEST_INITRAMFS"
    rm -rf "$root"
}

# guest_image_archive ROOT FILTER FILE
# shellcheck disable=SC2086  # a filter is words
guest_image_archive() {
    (cd "$1" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null | $2) >"$3.new"
    mv "$3.new" "$3"
}
