#!/bin/bash
# Breaks one line at a time in a copy of the project, and expects a test to fail.
#
#   tests/sabotage/run.sh [--check] [--together] [NAME...]
#
# --check     only checks that every line of the list occurs exactly once
# --together  one sabotage of each room at a time, in one build: rooms do not reach each other's tests
# NAME...     only these
#
# SABOTAGE_TARGET is a build directory to keep, SABOTAGE_LOGS a directory for the output of the tests. A sabotage that
# survives, a missing line and a copy that does not build are failures.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
list=$root/tests/sabotage/list.txt
check=false together=false wanted=()
for argument; do
    case $argument in
        --check) check=true ;;
        --together) together=true ;;
        -*) echo "$0: unknown option $argument" >&2; exit 64 ;;
        *) wanted+=("$argument") ;;
    esac
done

names=()
declare -A room file after old new test line
name=
while IFS= read -r text; do
    case $text in
        '#'* | '') ;;
        '['*']') name=${text#[} name=${name%]}; names+=("$name"); after[$name]= new[$name]= ;;
        room\ *) room[$name]=${text#room } ;;
        file\ *) file[$name]=${text#file } ;;
        after\ *) after[$name]=${text#after } ;;
        old\ *) old[$name]=${text#old } ;;
        new) new[$name]= ;;
        new\ *) new[$name]=${text#new } ;;
        test\ *) test[$name]=${text#test } ;;
        *) echo "$list: unknown line: $text" >&2; exit 65 ;;
    esac
done < "$list"

# The number of the line that is to be broken: the only one like it, or the only one up to the next like `after`.
find_line() {
    LINE=${old[$1]} AFTER=${after[$1]} awk '
        function bare(text) { sub(/^[ \t]+/, "", text); return text }
        ENVIRON["AFTER"] != "" && index($0, ENVIRON["AFTER"]) { begun = 1; next }
        bare($0) == ENVIRON["LINE"] && (ENVIRON["AFTER"] == "" || (begun && !found)) { found = NR; count++ }
        END { if (count != 1) exit 1; print found }
    ' "$root/${file[$1]}"
}

stale=0
for name in "${names[@]}"; do
    if ! line[$name]=$(find_line "$name"); then
        echo "$name: ${file[$name]} does not have this line, or has it more than once: ${old[$name]}" >&2
        stale=1
    fi
done
[ "$(printf '%s\n' "${names[@]}" | sort | uniq -d)" = "" ] || { echo "$list: a name occurs twice" >&2; exit 65; }
[ $stale = 0 ] || exit 65
if $check; then
    echo "${#names[@]} sabotages, each with its line"
    exit 0
fi

[ -z "${SABOTAGE_LOGS:-}" ] || mkdir -p "$SABOTAGE_LOGS" || exit 1
if [ -n "${SABOTAGE_TARGET:-}" ]; then
    copy=$SABOTAGE_TARGET/copy
    rm -rf "$copy" && mkdir -p "$copy" || exit 1
else
    copy=$(mktemp -d) || exit 1
fi
trap 'rm -rf "$copy"' EXIT
# With the time of now: everything that was built from an earlier copy is older.
(cd "$root" && git ls-files -z --cached --others --exclude-standard | tar -c --null -T -) | tar -x -m -C "$copy"
export CARGO_TARGET_DIR=${SABOTAGE_TARGET:-$copy/target}
cd "$copy" || exit 1

apply() {
    NEW=${new[$1]} awk -v at="${line[$1]}" '
        NR == at { match($0, /^[ \t]*/); print substr($0, 1, RLENGTH) ENVIRON["NEW"]; next } { print }
    ' "$root/${file[$1]}" > broken && mv broken "${file[$1]}"
}
restore() { cp "$root/${file[$1]}" "${file[$1]}"; }

todo=()
for name in "${names[@]}"; do
    if [ ${#wanted[@]} = 0 ] || printf '%s\n' "${wanted[@]}" | grep -qxF -- "$name"; then todo+=("$name"); fi
done

# A test that fails anyway shows nothing.
programs=$(for name in "${todo[@]}"; do echo "${test[$name]%% -- *}"; done | sort -u)
while IFS= read -r program; do
    filters=()
    for name in "${todo[@]}"; do
        [ "${test[$name]%% -- *}" = "$program" ] || continue
        # A filter may come with an option, which is given once.
        for word in ${test[$name]#* -- }; do
            [[ " ${filters[*]} " == *" $word "* ]] || filters+=("$word")
        done
    done
    # shellcheck disable=SC2086 -- words of a command line
    if ! cargo test -q $program -- "${filters[@]}" > test.log 2>&1 < /dev/null; then
        echo "these tests fail before anything is broken: cargo test $program" >&2
        tail -20 test.log >&2
        exit 1
    fi
done <<< "$programs"

red=0 survived=0 broken=0
say() { printf '%-44s %-9s %s\n' "$1" "$2" "$3"; }

while [ ${#todo[@]} -gt 0 ]; do
    round=() later=() seen=' ' what=
    for name in "${todo[@]}"; do
        # One build knows one test program.
        target=${test[$name]%% -- *}
        if [ ${#round[@]} = 0 ] || { $together && [ "$target" = "$what" ] &&
            [[ $seen != *" ${room[$name]} "* && $seen != *" ${file[$name]} "* ]]; }; then
            # Each is made from the whole file: two in one file would undo each other.
            round+=("$name") seen+="${room[$name]} ${file[$name]} " what=$target
        else
            later+=("$name")
        fi
    done
    todo=("${later[@]}")
    for name in "${round[@]}"; do apply "$name"; done
    # shellcheck disable=SC2086
    if cargo test -q $what --no-run > build.log 2>&1; then
        for name in "${round[@]}"; do
            began=$(date +%s)
            # shellcheck disable=SC2086
            if timeout 300 cargo test -q $what -- ${test[$name]#* -- } > "test.log" 2>&1; then
                say "$name" SURVIVED "${test[$name]}"
                survived=$((survived + 1))
            elif grep -q '^test result: FAILED' test.log; then
                # Which test failed, and why.
                [ -n "${SABOTAGE_LOGS:-}" ] && cp test.log "$SABOTAGE_LOGS/$name.log"
                say "$name" red "$(($(date +%s) - began)) s"
                red=$((red + 1))
            else
                say "$name" BROKEN "$(tail -1 test.log)"
                broken=$((broken + 1))
            fi
        done
    else
        for name in "${round[@]}"; do say "$name" BROKEN "does not build: $(grep -m1 '^error' build.log)"; done
        broken=$((broken + ${#round[@]}))
    fi
    for name in "${round[@]}"; do restore "$name"; done
done
echo "${#names[@]} listed, $((red + survived + broken)) run: $red red, $survived survived, $broken broken"
[ $((survived + broken)) = 0 ]
