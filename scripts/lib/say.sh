# Words for people. Everything that is narration goes to stderr, so that a function's stdout stays its result.
# shellcheck shell=bash

# Colour is for terminals only, and for nobody who set NO_COLOR (https://no-color.org).
if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
    SAY_BOLD=$'\e[1m' SAY_RED=$'\e[31m' SAY_GREEN=$'\e[32m' SAY_YELLOW=$'\e[33m' SAY_END=$'\e[0m'
else
    SAY_BOLD='' SAY_RED='' SAY_GREEN='' SAY_YELLOW='' SAY_END=''
fi

say() { printf '%s\n' "$*" >&2; }

# step 2/6 hugepages  ->  "[2/6] hugepages"
step() { printf '%s[%s]%s %s\n' "$SAY_BOLD" "$1" "$SAY_END" "${*:2}" >&2; }

# A line below a step: what was found or done.
note() { printf '      %s\n' "$*" >&2; }

warn() { printf '%swarning:%s %s\n' "$SAY_YELLOW" "$SAY_END" "$*" >&2; }

# The last argument should say what to do about it.
die() {
    printf '%serror:%s %s\n' "$SAY_RED" "$SAY_END" "$*" >&2
    exit 1
}

# A green "passed" or a red "FAILED" for tables; padded before colouring so that columns stay straight.
verdict() {
    if [ "$1" = 0 ]; then
        printf '%s%-6s%s' "$SAY_GREEN" passed "$SAY_END"
    else
        printf '%s%-6s%s' "$SAY_RED" FAILED "$SAY_END"
    fi
}
