# Debian's kernels for machines that are only emulated: fetched and unpacked, never installed. Needs say.sh, packages.sh.
# shellcheck shell=bash

# The meta package says which kernel is the current one. Empty when apt has no package index yet.
kernel_package() {
    { apt-cache depends "$1" 2>/dev/null || true; } | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | sed 1q
}

# kernel_fetch META-PACKAGE DIR MODULE…: DIR/vmlinuz, and DIR/modules/ with those of the modules that are not built in, and
# DIR/modules/order, the order in which they are to be loaded; last of all DIR/kernel-package, its name.
kernel_fetch() {
    local meta=$1 dir=$2 package work name
    shift 2
    package=$(kernel_package "$meta")
    if [ -z "$package" ]; then
        packages_update >/dev/null || die "apt-get update failed; the kernel comes from Debian"
        package=$(kernel_package "$meta")
    fi
    [ -n "$package" ] || die "no $meta in the package index; check the sources of apt"
    note "fetching a kernel, unpacked only: $package"

    # What a run left that was killed here.
    rm -rf "$dir"/fetch.*
    work=$(mktemp -d "$dir/fetch.XXXXXX")
    # An index that is a few days old may name a version the mirror no longer has.
    # _apt cannot write into our folder, and needs not: the package is checked against the signed index either way.
    (
        cd "$work"
        apt-get -qq -o APT::Sandbox::User=root download "$package" ||
            { packages_update && apt-get -qq -o APT::Sandbox::User=root download "$package"; }
        dpkg-deb -x ./*.deb tree
    ) >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        rm -rf "$work"
        die "could not fetch $package"
    }
    mkdir -p "$dir/modules"
    for name; do
        find "$work/tree" -name "$name.ko" -exec cp {} "$dir/modules/" \;
        # A kernel may have one of them built in.
        [ ! -f "$dir/modules/$name.ko" ] || echo "$name"
    done >"$work/order"
    cp "$work"/tree/boot/vmlinuz-* "$dir/vmlinuz"
    [ -s "$work/order" ] || die "$package has none of the modules that are needed: $*"
    mv "$work/order" "$dir/modules/order"
    rm -rf "$work"
    echo "$package" >"$dir/kernel-package"
}
