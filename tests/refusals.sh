#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Has each reason for which something is refused, and each counter of a vring, a test that looks at it? The lists are the
# source's (primary/nouns/refusal.h, shm/counters.h); a test names REFUSED_ID, HF_COUNTER_ID or "refused.name". That the line with
# the reason is run as well, scripts/coverage says.
# Usage: refusals.sh [TREE]. Exit 1 and one line for each without a test, or that nothing in the product gives.
set -eu
cd "${1:-$(dirname "$0")/..}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Words of code: comments are nobody's test.
words() {
	find "$@" -name '*.[ch]' -exec sed -e 's|/\*.*\*/||' -e '/^[[:space:]]*\*[ /]/d' -e '/^[[:space:]]*\/\*/d' {} + |
		sed -e 's/HF_CHAIN_DROP(/HF_COUNTER_DROP_/g' -e 's/REFUSE(/REFUSED_/g' |
		grep -oE 'REFUSED_[A-Z0-9_]+|HF_COUNTER_[A-Z0-9_]+|refused\.[a-z0-9_]+' | sort -u
}
words tests/unit tests/e2e tests/cuse tests/race tests/crash >"$work/tested"
words primary secondary >"$work/given"

# list FILE PREFIX: "PREFIX_ID name", a line each.
list() {
	sed -n "s/^	X(\([A-Z0-9_]*\), \"\([a-z0-9_]*\)\").*/$2\1 \2/p" "$1"
}
{
	list primary/nouns/refusal.h REFUSED_
	list shm/counters.h HF_COUNTER_
} >"$work/reasons"

bad=0
while read -r id name; do
	if ! grep -qxF -e "$id" -e "refused.$name" "$work/tested"; then
		echo "no test looks at $id ($name)"
		bad=1
	fi
	# Sizes of packets are counted from the first of them on.
	case $id in HF_COUNTER_SIZE_* | HF_COUNTER_*CAST_PACKETS) continue ;; esac
	grep -qxF "$id" "$work/given" || {
		echo "$id ($name) is given by nothing: take it out"
		bad=1
	}
done <"$work/reasons"
count=$(wc -l <"$work/reasons")
[ "$count" -gt 60 ] || { echo "only $count reasons were found: is the list where this looks?" && bad=1; }
[ "$bad" = 0 ] && echo "each of $count reasons and counters has a test"
exit "$bad"
