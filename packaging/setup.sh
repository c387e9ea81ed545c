#!/usr/bin/env bash
# Makes this checkout ready to run: Debian packages, npm packages, build. Does only what is missing, so a second run is
# a check of well under a second plus an incremental build. `--test` also installs the programs the tests talk to.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# package|what it is for. Everything here is in the main archive of Debian 12 and 13.
readonly build_packages=(
  'clang|compiles the BPF programs'
  'llvm|strips what the BPF programs do not need at run time'
  'libbpf-dev|loads BPF programs'
  'libelf-dev|reads BPF object files'
  'zlib1g-dev|reads BPF object files'
  'linux-libc-dev|kernel headers for the BPF programs'
  'libnl-3-dev|talks netlink'
  'libnl-genl-3-dev|talks netlink'
  'libnl-route-3-dev|talks netlink: routes and links'
  'g++|compiles the native addon'
  'make|builds the native addon'
  'python3|builds the native addon (node-gyp)'
  'pkg-config|finds libbpf and libnl'
  'cmake|builds the BPF programs'
  'ninja-build|builds the BPF programs'
  'iproute2|makes the namespaces of the quickstart'
  'util-linux|enters namespaces, mounts the BPF file system'
)
# Debian's own Node.js comes without its headers; every other one brings them along.
readonly node_headers='libnode-dev|headers of Node.js for the native addon'
# redis-tools holds the redis-server binary too, without the service that the package redis-server would bring.
readonly test_packages=(
  'curl|client'
  'nginx|backend'
  'redis-tools|backend with long idle connections'
  'dnsmasq-base|DNS backend'
  'bind9-dnsutils|DNS client'
  'musl-tools|a C library that resolves names its own way'
  'dnsperf|many DNS questions at once'
  'unbound|upstream resolver, compared in the benchmark'
  'knot|DNS server, compared in the benchmark'
  'knot-dnsutils|DNS client, with TCP connections that stay'
  'nsd|DNS server, upstream'
  'iperf3|bulk traffic'
  'iputils-ping|echo requests'
  'wrk|many connections at once'
  'nftables|compared in the benchmark'
  'iptables|compared in the benchmark'
  'ethtool|switches offloads in the benchmark'
  'bpftool|reads maps independently of vipd'
  'clang-19|compiles the BPF programs as on Debian 13'
  'qemu-system-x86|emulates machines with other kernels'
  'qemu-system-common|gives them the root of this one'
  'lz4|unpacks kernels'
  'xz-utils|unpacks kernels'
  'zstd|unpacks kernels'
  'ipvsadm|reads IPVS independently of vipd'
  'nats-server|carries a cluster'
  'zookeeper|knows the leading master of Mesos'
  'openssl|makes an authority and its certificates'
)

say() { printf 'vipd: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "root is needed to run \`$*\`, and there is no sudo; run this as root"
  fi
}

# Leaves where Node.js is installed in `node_prefix`.
check_node() {
  local version minor
  version=$(node -p 'process.versions.node + " " + path.dirname(path.dirname(process.execPath))' 2>/dev/null) ||
    die 'Node.js is missing; vipd needs Node.js 20.19 or newer'
  readonly node_prefix=${version#* }
  version=${version%% *}
  minor=${version#*.}
  if (( ${version%%.*} < 20 || (${version%%.*} == 20 && ${minor%%.*} < 19) )); then
    die "Node.js $version is too old; vipd needs Node.js 20.19 or newer"
  fi
}

has_node_headers() {
  [[ -e $node_prefix/include/node/node_api.h || -e /usr/include/node/node_api.h ]]
}

# Prints those of the given `package|reason` entries whose package is not installed.
missing_packages() {
  local installed entry
  installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' 2>/dev/null) "
  for entry in "$@"; do
    [[ $installed == *" installed:${entry%%|*} "* ]] || printf '%s\n' "$entry"
  done
}

# Debian starts a packaged service at installation unless policy-rc.d forbids it, and enables it for the next boot.
install_packages() {
  local policy=/usr/sbin/policy-rc.d log status=0
  log=$(mktemp)
  if [[ -e $policy ]]; then policy=; else printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null; fi
  [[ -z $policy ]] || as_root chmod 755 "$policy"
  as_root apt-get -q update >"$log" 2>&1 &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" >>"$log" 2>&1 || status=$?
  [[ -z $policy ]] || as_root rm -f "$policy"
  (( status == 0 )) || { cat "$log" >&2; die "apt-get could not install the packages above (status $status)"; }
  rm -f "$log"
  local service
  for service in nginx unbound knot nsd nats-server; do
    if [[ " $* " == *" $service "* ]] && command -v systemctl >/dev/null; then as_root systemctl --quiet disable "$service"; fi
  done
}

install_debian() {
  command -v dpkg-query >/dev/null || die 'this is not a Debian system; install by hand what packaging/setup.sh lists,' \
    'then run `npm ci && npm run build` and start packaging/bin/vipd'
  local missing
  mapfile -t missing < <(missing_packages "$@")
  (( ${#missing[@]} )) || return 0
  say "installing ${#missing[@]} Debian packages, once:"
  printf '  %s\n' "${missing[@]/|/ - }" >&2
  install_packages "${missing[@]%%|*}"
}

# The stamp says which lock file node_modules was made from; npm's own copy inside it leaves out too much to compare.
install_npm() {
  local stamp=node_modules/.vipd-lock lock
  lock=$(sha256sum < package-lock.json)
  [[ -f $stamp && $(<"$stamp") == "$lock" ]] && return 0
  say 'installing npm packages (npm ci)'
  npm ci --no-audit --no-fund --no-update-notifier --loglevel=error >&2
  printf '%s\n' "$lock" > "$stamp"
}

check_node
packages=("${build_packages[@]}")
has_node_headers || packages+=("$node_headers")
[[ ${1:-} == --test ]] && packages+=("${test_packages[@]}")
install_debian "${packages[@]}"
install_npm
node scripts/build.mjs # `npm run build`, without the quarter of a second that npm takes
