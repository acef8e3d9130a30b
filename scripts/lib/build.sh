# meson builds below the top folder. Needs say.sh.
# shellcheck shell=bash

# build_tree DIR [MESON OPTION…]: set up once, compile everything. Quiet when it works; the end of the log when not.
build_tree() {
    build_setup "$@" && build_compile "$1"
}

# build_programs DIR: only what runs, which is a few seconds; the tests take longer than all the rest.
build_programs() {
    build_setup "$1" && build_compile "$1" holdfastd:executable holdfast-vswitch:executable holdfast:executable
}

build_setup() {
    local dir=$1 log=$1.log
    shift
    mkdir -p "$(dirname "$dir")"
    if [ ! -f "$dir/build.ninja" ]; then
        # A set-up that was killed may have written down already that it is one: meson would make no build.ninja any more.
        rm -rf "$dir/meson-private"
        meson setup "$dir" "$TOP" "$@" >"$log" 2>&1 || build_failed "$dir" "$log"
    elif [ $# -gt 0 ] && ! build_was_said "$@"; then
        # The folder may be older than the options: say them again.
        meson configure "$dir" "$@" >"$log" 2>&1 || build_failed "$dir" "$log"
    else
        : >"$log"
        return 0
    fi || return 1
    printf '%s\n' "$@" >"$dir/options.said"
}

# build_was_said OPTION…: and nobody has said others since. To be told the same again makes meson look at everything anew.
build_was_said() {
    [ "$dir/options.said" -nt "$dir/meson-private/coredata.dat" ] && [ "$(cat "$dir/options.said")" = "$(printf '%s\n' "$@")" ]
}

build_compile() {
    local dir=$1
    shift
    meson compile -C "$dir" "$@" >>"$dir.log" 2>&1 || build_failed "$dir" "$dir.log"
}

build_failed() {
    tail -n 40 "$2" >&2
    say "${SAY_RED}error:$SAY_END building $1 failed; the whole log is in $2"
    return 1
}

# build_binary DIR NAME: where in a build folder a program is, whatever the source folder that makes it.
build_binary() {
    local found
    found=$(find "$1" -type f -name "$2" -perm -u+x -print -quit)
    [ -n "$found" ] || die "no $2 in $1; build it first: meson setup $1 && meson compile -C $1"
    printf '%s\n' "$found"
}
