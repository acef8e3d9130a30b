# What most scripts need. The caller sets TOP, the top folder of the source, and `set -euo pipefail` first.
# shellcheck shell=bash disable=SC1091

for library in say cleanup process packages hugepages build kernel guest-image guest traffic netns holdfast supervised watch report; do
    # shellcheck disable=SC1090
    . "$TOP/scripts/lib/$library.sh"
done
unset library
