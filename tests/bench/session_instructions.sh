#!/bin/sh
# session_instructions.sh check|update PROGRAM - instructions per request at the session
# layer, counted by callgrind and compared with tests/bench/instructions.txt.
# check: fails when one is more than 5 % above what is recorded (slower, unseen), or more than 5 %
# below (record the better figure, so that it is kept). Figures belong to one compiler, named in
# the file: with another, the comparison is printed and decides nothing. update: writes the file.
set -eu
mode=$1 program=$2
file=$(dirname "$0")/instructions.txt
requests=10000
percent=5
command -v valgrind >/dev/null || { echo "instructions: valgrind is not installed" >&2; exit 2; }

# The compiler that made the program, as it says itself ("GCC: (Debian 12.2.0-14) 12.2.0").
compiler=$(readelf -p .comment "$program" | sed -n 's/^ *\[ *[0-9a-f]*\] *//p' | tail -n 1)
machine=$(uname -m)

count() {
    log=$(mktemp)
    if ! valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no \
        --toggle-collect=measured "$program" "$1" >/dev/null 2>"$log"; then
        cat "$log" >&2
        rm -f "$log"
        exit 2
    fi
    total=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log")
    rm -f "$log"
    echo $((total / requests))
}

kinds="get put task task-native resp-get resp-set resp-mset resp-evalsha resp-fcall"
figures=$(for what in $kinds; do echo "$what $(count "$what")"; done)

if [ "$mode" = update ]; then
    {
        echo "# Instructions per request at the session layer: make instructions-update"
        echo "compiler $machine $compiler"
        echo "$figures"
    } >"$file"
    cat "$file"
    exit 0
fi

if [ ! -f "$file" ]; then
    echo "instructions:" $figures "- nothing is recorded: make instructions-update" >&2
    exit 1
fi
same=$(grep -cxF "compiler $machine $compiler" "$file" || true)
failed=0
for what in $kinds; do
    now=$(echo "$figures" | sed -n "s/^$what //p")
    recorded=$(sed -n "s/^$what //p" "$file")
    off=$(((now - recorded) * 1000 / recorded))
    echo "instructions per $what: $now, recorded $recorded ($((off / 10)).$((${off#-} % 10)) %)"
    if [ "${off#-}" -gt $((percent * 10)) ]; then failed=1; fi
done
if [ "$failed" -eq 1 ] && [ "$same" -eq 0 ]; then
    echo "instructions: recorded with another compiler or machine, not compared"
    exit 0
fi
[ "$failed" -eq 0 ] ||
    echo "instructions: more than $percent % off; if it is meant: make instructions-update" >&2
exit "$failed"
