# DPDK's virtio-user on the character device. Needs all.sh; BUILD.
# shellcheck shell=bash disable=SC2034,SC2154  # for holdfast.sh

dpdk_cases() {
    local sentence="DPDK virtio-user on the character device" major
    holdfast_find "$BUILD"
    HF_RUN='' HF_PRIMARY_OPTIONS=(--cuse hf8)
    if ! holdfast_primary || ! holdfast_switch; then
        report_not_ok "$sentence: primary and switch start"
        return 0
    fi
    major=$((16#$(stat -c %t /dev/hf8)))
    dpdk_run /dev/hf8 || true
    if grep -aq 'TX-packets: [1-9]' "$HF_LOGS/testpmd.log"; then
        report_ok "$sentence"
    elif [ "$major" != 10 ] && grep -aq 'unable to determine backend type' "$HF_LOGS/testpmd.log"; then
        report_skip "$sentence" "it knows vhost-net by the major number 10 of its device, and this one has $major: $(dpdk_error)"
    else
        report_not_ok "$sentence"
    fi
    grep -a 'EAL\|virtio\|vdev\|rror' "$HF_LOGS/testpmd.log" | sed 's/^/#   testpmd: /' || true
    holdfast_end || true
}

# dpdk_run DEVICE: until it has sent, or has said that it does not.
dpdk_run() {
    local pid
    process_start pid "$HF_LOGS/testpmd.log" dpdk-testpmd --lcores '0@0,1@1' --in-memory --single-file-segments --file-prefix cuse -m 256 --no-pci \
        --log-level=pmd.net.virtio:debug --vdev "net_virtio_user0,path=$1,queues=1" -- \
        --forward-mode=txonly --auto-start --no-lsc-interrupt --total-num-mbufs=2048 --stats-period 1
    wait_for 90 dpdk_is_clear "$pid" || true
    process_stop "$pid"
}

dpdk_is_clear() {
    ! process_alive "$1" || grep -aqE 'TX-packets: [1-9]|unable to determine backend type' "$HF_LOGS/testpmd.log"
}

dpdk_error() { grep -a -m 1 'unable to determine' "$HF_LOGS/testpmd.log"; }
