# Builds that count which lines are run, and where their counters go. Needs ahead.sh.
# shellcheck shell=bash

# coverage_tree DIR: the word for tree_build. clang's counters, since gcc's are written only by who ends well; they have to be movable
# to live in a mapped file. Warnings are for the compiler that the product is built with.
coverage_tree() {
    local flags='-fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation'
    printf 'CC=clang-14,%s,-Dwerror=false,-Dbench=disabled,-Dc_args=%s,-Dc_link_args=-fprofile-instr-generate\n' "$1" "$flags"
}

coverage_profiles() { printf '%s/profiles\n' "$1"; }

# coverage_begin DIR: programs of that build that are started from here on count, until coverage_end.
coverage_begin() {
    local profiles
    profiles=$(coverage_profiles "$1")
    rm -rf "$profiles"
    mkdir -p "$profiles"
    # Whoever gives up its privileges has opened it before, but the programs it starts have not.
    chmod 1777 "$profiles"
    # %m: one file for each program, shared by all its processes; %c: mapped.
    export LLVM_PROFILE_FILE="$profiles/%m%c.profraw"
}

coverage_end() { unset LLVM_PROFILE_FILE; }
