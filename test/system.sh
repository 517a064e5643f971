#!/bin/sh
# Runs the tests with the build tag system: those that need root or a program that is
# not everywhere. What is missing is installed where that is possible, from Debian's
# packages. With MISSING=skip a package whose needs are not met is named and left out;
# otherwise that is a failure. The variables of the Makefile are in the environment.
set -eu
cd "$(dirname "$0")/.."

# The programs that the tests start, and the packages that have them.
programs='chromium:chromium promtool:prometheus ip:iproute2'

log=$(mktemp)
trap 'rm -f "$log"; sweep' EXIT
trap 'exit 130' INT TERM

# sweep removes the namespaces of tests that were killed. Their names have the process
# in them.
sweep() {
	command -v ip >/dev/null || return 0
	for name in $(ip netns list 2>/dev/null | sed -n 's/^\(souk-test-[0-9]*-[ab]\).*/\1/p'); do
		pid=${name#souk-test-}
		[ ! -d "/proc/${pid%-*}" ] || continue
		for left in $(ip netns pids "$name"); do kill -9 "$left"; done
		ip netns del "$name"
	done
}

# as_root runs a command as root, or fails without asking for a password.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# install puts a Debian package on this machine, or says in $log why it could not.
updated=
install() {
	command -v apt-get >"$log" || { echo 'there is no apt-get' >"$log"; return 1; }
	if [ -z "$updated" ]; then
		as_root timeout 60 apt-get update -qq >"$log" 2>&1 || return 1
		updated=yes
	fi
	as_root env DEBIAN_FRONTEND=noninteractive timeout 300 \
		apt-get install -y -qq --no-install-recommends "$1" >"$log" 2>&1
}

# lacks prints what the tests in the given files need and this machine has not.
lacks() {
	for pair in $programs; do
		program=${pair%:*}
		grep -q "\"$program\"" "$@" || continue
		command -v "$program" >/dev/null || install "${pair#*:}" ||
			echo "no $program, and ${pair#*:} cannot be installed: $(tail -n 1 "$log")"
		if [ "$program" = ip ] && [ "$(id -u)" != 0 ]; then
			echo 'no root, which network namespaces need'
		fi
	done
}

status=0
for dir in $(grep -rlE '^//go:build .*\bsystem\b' --include='*_test.go' . | xargs -r -n 1 dirname | sort -u); do
	files=$(grep -lE '^//go:build .*\bsystem\b' "$dir"/*_test.go)
	# shellcheck disable=SC2086 # names of files without spaces
	missing=$(lacks $files)
	if [ -n "$missing" ]; then
		echo "$missing" | while read -r line; do echo "skipped: $dir: $line"; done
		[ "${MISSING:-fail}" = skip ] || status=1
		continue
	fi
	# shellcheck disable=SC2086
	tests=$(sed -n 's/^func \(Test[A-Za-z0-9_]*\)(t .*/\1/p' $files | paste -sd '|' -)
	[ -n "$tests" ] || continue
	"${GO:-go}" test -tags system -count=1 -timeout="${TIMEOUT:-20m}" -run "^($tests)\$" "$dir" || status=1
done
exit $status
