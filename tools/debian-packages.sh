# shellcheck shell=bash
# debian-packages.sh: the one list of Debian packages that building and testing need, and how they
# are installed. Sourced by quickstart and check. No mail server, no clamd and no filter is in any
# list: tests/live/lib/debian.py unpacks those into a private folder, without their install scripts.

# Prints the packages that the release preset needs, one per line.
cordon_build_packages() {
	local hyperscan=libhyperscan-dev
	case "$(dpkg --print-architecture)" in
	amd64 | i386) ;;
	*) hyperscan=libvectorscan-dev ;;
	esac
	printf '%s\n' \
		build-essential \
		cmake \
		ninja-build \
		pkg-config \
		libevent-dev \
		libssl-dev \
		libconfuse-dev \
		"$hyperscan" \
		libarchive-dev \
		zlib1g-dev \
		libbz2-dev \
		liblzma-dev \
		libzstd-dev \
		liblz4-dev \
		libdeflate-dev \
		libseccomp-dev \
		libjansson-dev \
		libclamav-dev \
		libcmocka-dev \
		scdoc
}

# Prints what the tests need beyond that: the second compiler with its fuzzer and sanitizer runtimes,
# 7zz, nomarch and lzop, which open what Cordon does not, and Python, which runs the private mail
# servers.
cordon_test_packages() {
	printf '%s\n' \
		clang \
		libclang-rt-dev \
		libmilter-dev \
		7zip \
		nomarch \
		lzop \
		python3 \
		ca-certificates
}

# Prints what quickstart needs to run its private Postfix; no compiler is among it.
cordon_run_packages() {
	printf '%s\n' python3
}

# Prints those of its arguments that are not installed.
cordon_missing_packages() {
	local package
	for package in "$@"; do
		dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null |
			grep -qx installed || printf '%s\n' "$package"
	done
}

# Refreshes the package lists when the machine has none; with an argument of "again", always.
cordon_refresh_lists() {
	if [ "${1:-}" != again ] && ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; then
		return 0
	fi
	apt-get -qq -o DPkg::Lock::Timeout=300 update
}

# Installs the packages given as arguments and says nothing when all are there already. Needs root
# only when something is missing. The lists are refreshed when there are none, and once more when
# they turn out to be old. Returns 0 when all are installed.
cordon_install_packages() {
	local missing status=0
	mapfile -t missing < <(cordon_missing_packages "$@")
	if [ "${#missing[@]}" -eq 0 ]; then
		return 0
	fi
	if [ "$(id -u)" -ne 0 ]; then
		printf 'not installed: %s\nroot is needed to install it: apt-get install %s\n' \
			"${missing[*]}" "${missing[*]}" >&2
		return 1
	fi
	printf 'installing %s\n' "${missing[*]}"
	cordon_refresh_lists || return 1
	cordon_apt_install "${missing[@]}" || status=$?
	if [ "$status" -ne 0 ]; then
		cordon_refresh_lists again || return 1
		cordon_apt_install "${missing[@]}"
	fi
}

# Runs apt-get install quietly; on failure shows what apt said.
cordon_apt_install() {
	local output
	if ! output=$(DEBIAN_FRONTEND=noninteractive apt-get -y -q \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends "$@" 2>&1); then
		printf '%s\n' "$output" >&2
		return 1
	fi
}
